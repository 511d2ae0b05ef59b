"""Events: a page, a long poll, or a stream; of one conversation, or of all."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from codex_http_server.api import sse, streams
from codex_http_server.api.doorkeeper import Calling
from codex_http_server.api.routes.messages import wants_stream
from codex_http_server.api.schemas import AllEventPage, EventPage
from codex_http_server.api.services import Services, Use
from codex_http_server.auth.callers import Caller
from codex_http_server.events import CONVERSATION_DELETED, Event

router = APIRouter(tags=["events"])

LIMIT_DEFAULT, LIMIT_MAX = 500, 2000
WAIT_MAX = 60
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A page of events; with `Accept: text/event-stream` the stream: each"
        " frame is `id:` (the cursor) and `data:` (an event).",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}

After = Annotated[
    str | None, Query(description="Events after this cursor; `latest` for only what comes.")
]
LogId = Annotated[
    str | None, Query(alias="log", description="The `log_id` that the cursor belongs to.")
]
Ticket = Annotated[
    str | None, Query(description="In place of a header, for this stream only: POST /tickets.")
]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX)]
Wait = Annotated[float, Query(ge=0, le=WAIT_MAX, description="Long poll: seconds to wait.")]
Heartbeat = Annotated[
    float | None,
    Query(gt=0, le=300, description="Seconds between heartbeats as data instead of comments."),
]


@router.get("/conversations/{conversation_id}/events", response_model=EventPage, responses=STREAM)
async def read_conversation_events(
    *,
    conversation_id: str,
    request: Request,
    services: Use,
    caller: Calling,
    after: After = None,
    log: LogId = None,
    limit: Limit = LIMIT_DEFAULT,
    wait: Wait = 0,
    heartbeat: Heartbeat = None,
    ticket: Ticket = None,  # noqa: ARG001 # api/recognise.py has looked at it
) -> Response:
    """The events of a conversation after a seq: `Last-Event-ID`, else `after`, else all."""
    await services.manager.get(conversation_id)
    asked = request.headers.get("last-event-id") or after
    cursor = _seq_cursor(services, conversation_id, asked, log)
    if wants_stream(request):
        plan = _plan(services, conversation_id, cursor, heartbeat, caller)
        return streams.respond(services, plan, caller)
    if wait and cursor.reset is None:
        await _grown(services, conversation_id, cursor.after, wait)
    found = await services.log.read(conversation_id, cursor.after, limit)
    head = services.log.head(conversation_id)
    last = found[-1].seq if found else cursor.after
    return _page(services, found, cursor, str(last), str(head))


def _plan(
    services: Services,
    conversation_id: str | None,
    cursor: streams.Cursor,
    beat: float | None,
    caller: Caller,
) -> streams.Plan:
    return streams.Plan(
        conversation_id=conversation_id,
        cursor=cursor,
        heartbeat=beat or services.heartbeat,
        heartbeat_data=beat is not None,
        last=_is_deletion if conversation_id is not None else None,
        holds=streams.Plan.holding(caller),
    )


def _is_deletion(event: Event) -> bool:
    return event.type == CONVERSATION_DELETED


def _seq_cursor(
    services: Services, conversation_id: str, asked: str | None, log_id: str | None
) -> streams.Cursor:
    head = services.log.head(conversation_id)
    if asked == "latest":
        return streams.Cursor(head)
    after = sse.cursor_number(asked) if asked is not None else 0
    reason = _mismatch(log_id not in (None, services.log.log_id), after > head)
    if reason is None:
        return streams.Cursor(after)
    snapshot = f"/conversations/{conversation_id}?include=snapshot"
    return streams.Cursor(head, streams.reset_frame(reason, head, services.log.log_id, snapshot))


def _mismatch(other_log: bool, ahead: bool) -> str | None:
    if other_log:
        return "other_log"
    return "ahead" if ahead else None


async def _grown(services: Services, conversation_id: str | None, after: int, wait: float) -> None:
    with services.feed.reader(conversation_id, after) as reader:
        await reader.next(wait)


def _page(
    services: Services, found: list[Event], cursor: streams.Cursor, last: str, head: str
) -> Response:
    body = b'{"data":%b,"next_after":%b,"head":%b,"log_id":"%b"}' % (
        sse.page(found, cursor.reset),
        last.encode(),
        head.encode(),
        services.log.log_id.encode(),
    )
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


# --- all conversations ------------------------------------------------------------------------


@router.get("/events", response_model=AllEventPage, responses=STREAM)
async def read_events(
    *,
    request: Request,
    services: Use,
    caller: Calling,
    after: After = None,
    log: LogId = None,
    conversation: Annotated[list[str] | None, Query(description="Only these.")] = None,
    account: Annotated[bool, Query(description="With a filter: server events too.")] = False,
    limit: Limit = LIMIT_DEFAULT,
    wait: Wait = 0,
    heartbeat: Heartbeat = None,
    ticket: Ticket = None,  # noqa: ARG001 # api/recognise.py has looked at it
) -> Response:
    """Every event of this server after a position, in the order in which they were committed."""
    for each in conversation or ():
        await services.manager.get(each)
    cursor = _position_cursor(services, request.headers.get("last-event-id") or after, log)
    wanted = _Wanted(frozenset(conversation or ()), account)
    if wants_stream(request):
        plan = _plan(services, None, cursor, heartbeat, caller)
        plan = plan.filtered(wanted) if conversation else plan
        return streams.respond(services, plan, caller)
    if wait and cursor.reset is None:
        await _grown(services, None, cursor.after, wait)
    found = await services.log.read_all(cursor.after, limit)
    last = found[-1].position if found else cursor.after
    shown = [event for event in found if wanted(event)] if conversation else found
    tag = services.log.log_tag
    head = f'"{tag}-{services.log.last_position}"'
    return _page(services, shown, cursor, f'"{tag}-{last}"', head)


class _Wanted:
    """Which events pass a filter by conversation."""

    def __init__(self, conversations: frozenset[str], account: bool) -> None:
        self._conversations = conversations
        self._account = account

    def __call__(self, event: Event) -> bool:
        if event.conversation_id is None:
            return self._account
        return event.conversation_id in self._conversations


def _position_cursor(services: Services, asked: str | None, log_id: str | None) -> streams.Cursor:
    head = services.log.last_position
    if asked == "latest":
        return streams.Cursor(head)
    tag, after = sse.cursor_position(asked) if asked is not None else (services.log.log_tag, 0)
    foreign = tag != services.log.log_tag or log_id not in (None, services.log.log_id)
    reason = _mismatch(foreign, after > head)
    if reason is None:
        return streams.Cursor(after)
    here = f"{services.log.log_tag}-{head}"
    return streams.Cursor(head, streams.reset_frame(reason, here, services.log.log_id, None))
