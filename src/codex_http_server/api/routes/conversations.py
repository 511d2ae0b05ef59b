"""Conversations: make, list, look at, change, interrupt."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse

from codex_http_server.api.bodies import (
    CreateConversation,
    Interrupt,
    PatchConversation,
    check_directory,
)
from codex_http_server.api.doorkeeper import Calling
from codex_http_server.api.encoded import Encoded
from codex_http_server.api.recognise import near
from codex_http_server.api.routes.health import core_view
from codex_http_server.api.schemas import (
    Cleared,
    ConversationPage,
    ConversationView,
    Interrupted,
    Output,
    Snapshot,
)
from codex_http_server.api.services import Services, Use
from codex_http_server.auth.roots import roots_of
from codex_http_server.conversations import views
from codex_http_server.errors import BadCursor, ItemNotFound
from codex_http_server.eventlog.base import ConversationFilter

router = APIRouter(tags=["conversations"])

PAGE_DEFAULT, PAGE_MAX = 50, 200
SNAPSHOT_ITEMS = 100
SEQ_MAX = 2**62
WAIT_MAX = 600  # seconds
OUTPUT_MAX = 1024 * 1024


@router.post("/conversations", status_code=201, response_model=ConversationView)
async def create_conversation(
    body: CreateConversation, request: Request, services: Use, caller: Calling
) -> JSONResponse:
    """Start a conversation in a directory. The core must be ready; waits 10 s for it."""
    roots = roots_of(caller, services.roots, here=near(request.scope))
    directory = check_directory(body.working_directory, roots)
    entry = await services.manager.create(
        directory,
        body.title,
        body.stated(),
        caller,
        approval_deadline=body.approval_deadline,
        tools=[tool.model_dump() for tool in body.tools],
    )
    view = entry.conversation.view()
    return JSONResponse(view, 201, {"Location": f"/conversations/{view['id']}"})


@router.get("/conversations", response_model=ConversationPage)
async def list_conversations(
    *,
    services: Use,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT,
    cursor: str | None = None,
    q: Annotated[str | None, Query(max_length=200, description="In title or preview.")] = None,
    archived: bool = False,
    working_directory: str | None = None,
    status: Literal["idle", "running"] | None = None,
    waiting: Annotated[bool, Query(description="Only those where an approval waits.")] = False,
) -> JSONResponse:
    """Newest first, with those that the Codex CLI or an app began on the same home (`source`).
    `next_cursor` is null on the last page."""
    await services.manager.found.look()
    wanted = ConversationFilter(q, archived, working_directory, status, waiting)
    found = await services.log.conversations(wanted, before_id(cursor), limit + 1)
    page = found[:limit]
    more = page[-1].id if len(found) > limit else None
    data = [views.conversation(record, services.log.head(record.id)) for record in page]
    return JSONResponse({"data": data, "next_cursor": more})


def before_id(cursor: str | None) -> str | None:
    """The cursor of a list is the last id that it showed."""
    if cursor is None:
        return None
    try:
        return str(UUID(cursor))
    except ValueError:
        raise BadCursor(f"{cursor[:80]!r} is not a cursor of this list.") from None


@router.get("/conversations/{conversation_id}", response_model=ConversationView | Snapshot)
async def get_conversation(
    conversation_id: str, services: Use, include: Literal["snapshot"] | None = None
) -> JSONResponse:
    """The conversation; with `include=snapshot` all that a first paint needs, at one seq."""
    entry = await services.manager.get(conversation_id)
    if include is None:
        return JSONResponse(entry.conversation.view())
    body = await entry.conversation.snapshot(SNAPSHOT_ITEMS, entry.messages.queue.view())
    return Encoded(body | _surroundings(services))


def _surroundings(services: Services) -> dict[str, Any]:
    return {"core": core_view(services), "account": services.accounts.last}


@router.patch("/conversations/{conversation_id}", response_model=ConversationView)
async def update_conversation(
    conversation_id: str, body: PatchConversation, services: Use, caller: Calling
) -> JSONResponse:
    """Change the title, the policy of the turns to come, or how long approvals wait."""
    entry = await services.manager.get(conversation_id)
    await entry.conversation.update(body.title, body.stated(), caller, body.approval_deadline)
    return JSONResponse(entry.conversation.view())


@router.get(
    "/conversations/{conversation_id}/turns/{turn_id}/items/{item_id}/output",
    response_model=Output,
)
async def read_output(
    *,
    conversation_id: str,
    turn_id: str,
    item_id: str,
    services: Use,
    offset: Annotated[int, Query(ge=0, le=SEQ_MAX, description="First character to read.")] = 0,
    limit: Annotated[int, Query(ge=1, le=OUTPUT_MAX)] = OUTPUT_MAX,
) -> JSONResponse:
    """A command's output, while it runs too: go on with `offset=next_offset`."""
    await services.manager.get(conversation_id)
    page = await services.log.output(conversation_id, turn_id, item_id, offset, limit)
    if page is None:
        raise ItemNotFound(f"There is no command {item_id[:100]} in turn {turn_id[:100]}.")
    return JSONResponse(msgspec.to_builtins(page))


@router.post(
    "/conversations/{conversation_id}/interrupt",
    status_code=202,
    response_model=Interrupted,
    responses={200: {"model": Cleared, "description": "Waited for: what was ended with it."}},
)
async def interrupt_conversation(
    conversation_id: str,
    services: Use,
    body: Interrupt | None = None,
    wait: Annotated[
        float, Query(ge=0, le=WAIT_MAX, description="Seconds to wait until all of it has ended.")
    ] = 0,
) -> JSONResponse:
    """Ask the running turn to end; commands that it still runs are ended too, and processes that
    have left them. `turn/cleared` says which; with `wait` the answer does."""
    entry = await services.manager.get(conversation_id)
    removed = await entry.messages.clear() if body and body.clear_queue else 0
    turn_id = await entry.messages.interrupt()
    answer = {"turn_id": turn_id, "removed_messages": removed}
    report = await entry.conversation.clearing.report(turn_id, wait) if wait else None
    if report is None:
        return JSONResponse(answer, 202)
    return JSONResponse(answer | views.cleared(report), 200)
