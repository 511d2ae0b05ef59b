"""Trying again what was interrupted or failed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from codex_http_server.api.bodies import Body
from codex_http_server.api.doorkeeper import Calling
from codex_http_server.api.idempotency import key_of
from codex_http_server.api.routes.messages import BASE, FINISHED, WAIT_MAX, submitted, wants_stream
from codex_http_server.api.schemas import Submitted
from codex_http_server.api.services import Use
from codex_http_server.conversations.again import again
from codex_http_server.conversations.submission import Submission

router = APIRouter(tags=["messages"])


class Retry(Body):
    """Trying again."""

    anyway: bool = Field(
        default=False, description="Also if the turn had run commands, changed files, called tools."
    )


@router.post(
    f"{BASE}/retry",
    status_code=202,
    response_model=Submitted,
    responses=FINISHED,
)
async def retry_turn(
    *,
    conversation_id: str,
    request: Request,
    services: Use,
    caller: Calling,
    body: Retry | None = None,
    wait: Annotated[float, Query(ge=0, le=WAIT_MAX, description="Seconds to wait.")] = 0,
) -> Response:
    """Send the message of the last turn again, if that turn was interrupted or failed."""
    entry = await services.manager.get(conversation_id)
    anyway = body is not None and body.anyway

    async def prepare(wanted: Submission) -> Submission:
        return await again(wanted, entry.conversation, entry.messages.queue, anyway=anyway)

    streaming = wants_stream(request)
    wanted = Submission(
        message=[],
        body_hash=f"retry {anyway}",
        caller=caller,
        while_busy="reject",
        key=key_of(request.headers),
        own_turn=streaming or wait > 0,
        prepare=prepare,
    )
    return await submitted(services, entry, wanted, streaming, wait)
