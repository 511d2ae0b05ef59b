"""Forking a conversation."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from codex_http_server.api.bodies import Body, Name, check_directory
from codex_http_server.api.doorkeeper import Calling
from codex_http_server.api.idempotency import key_of
from codex_http_server.api.recognise import near
from codex_http_server.api.schemas import ConversationView
from codex_http_server.api.services import Use
from codex_http_server.auth.roots import roots_of
from codex_http_server.conversations.fork import Wanted, fork

router = APIRouter(tags=["conversations"])


class Fork(Body):
    """What the new conversation begins with. What is left out is as in its source."""

    at_turn_id: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        default=None,
        description="The last turn that both have; left out, the last that has ended.",
    )
    working_directory: str | None = Field(
        default=None, description="Absolute path of an existing directory."
    )
    title: Name | None = None


@router.post(
    "/conversations/{conversation_id}/fork", status_code=201, response_model=ConversationView
)
async def fork_conversation(
    conversation_id: str,
    request: Request,
    services: Use,
    caller: Calling,
    body: Fork | None = None,
) -> JSONResponse:
    """Start a conversation that begins with what this one had up to a turn. This one goes on as it
    is: a turn that runs in it goes on too, and another process may have it open. Files are not
    copied: both work in the same directory, unless another one is named."""
    entry = await services.manager.get(conversation_id)
    wanted = body or Fork()
    source = entry.conversation
    directory, roots = source.record.working_directory, None
    if wanted.working_directory is not None:
        directory = wanted.working_directory
        roots = roots_of(caller, services.roots, here=near(request.scope))
    made = await fork(
        services.manager,
        source,
        Wanted(
            wanted.at_turn_id,
            check_directory(directory, roots),
            wanted.title,
            caller,
            key_of(request.headers),
            hashlib.sha256(wanted.model_dump_json().encode()).hexdigest(),
        ),
    )
    view = made.conversation.view()
    return JSONResponse(view, 201, {"Location": f"/conversations/{view['id']}"})
