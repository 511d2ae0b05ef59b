"""Messages: send one, wait for its turn or stream it; the queue of those that wait.

The way of one message begins here: parse, call; then conversations/manager.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from codex_http_server.api import sse, streams
from codex_http_server.api.bodies import Message, Reorder, SendMessage
from codex_http_server.api.doorkeeper import Calling
from codex_http_server.api.eventstream import MEDIA_TYPE, EventStream, Write
from codex_http_server.api.idempotency import key_of
from codex_http_server.api.schemas import Finished, QueuedView, QueueView, Submitted
from codex_http_server.api.services import Services, Use
from codex_http_server.auth.callers import Caller
from codex_http_server.conversations import policy, views
from codex_http_server.conversations.images import Images
from codex_http_server.conversations.manager import Open
from codex_http_server.conversations.messages import DONE, Status
from codex_http_server.conversations.submission import Prepare, Submission
from codex_http_server.errors import StorageFull
from codex_http_server.events import TURN_COMPLETED, Event
from codex_http_server.records import SubmitRecord

router = APIRouter(tags=["messages"])

WAIT_MAX = 600
BASE = "/conversations/{conversation_id}"

# The answers to what is sent besides 202.
FINISHED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "model": Finished,
        "description": "With `?wait=`: the finished turn. With `Accept: text/event-stream`:"
        " the turn's events, ending with it.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.post(
    f"{BASE}/messages",
    status_code=202,
    response_model=Submitted,
    responses=FINISHED,
)
async def send_message(
    *,
    conversation_id: str,
    body: SendMessage,
    request: Request,
    services: Use,
    caller: Calling,
    wait: Annotated[float, Query(ge=0, le=WAIT_MAX, description="Seconds to wait.")] = 0,
) -> Response:
    """Send a message. It is on disk before the core hears of it; 202 means it will not be lost."""
    streaming = wants_stream(request)
    wanted = Submission(
        message=body.parts(),
        body_hash=body.digest(),
        caller=caller,
        while_busy=body.while_busy,
        overrides=body.stated(),
        output_schema=body.output_schema,
        key=key_of(request.headers),
        own_turn=streaming or wait > 0,
    )
    entry = await services.manager.get(conversation_id)
    wanted = replace(wanted, prepare=_checked_images(services, entry, body))
    return await submitted(services, entry, wanted, streaming, wait)


async def submitted(
    services: Services, entry: Open, wanted: Submission, streaming: bool, wait: float
) -> Response:
    """Hand a message on; the answer that its caller wishes."""
    caller = wanted.caller
    if streaming:
        services.streams.need(caller)
    record = await entry.messages.submit(wanted)
    if streaming:
        return EventStream(lambda write: _stream(services, entry, record, write, caller))
    if wait and (done := await _within(entry, record, wait)) is not None:
        with suppress(StorageFull):  # the turn has ended, but its end can't be kept right now
            return await _finished(services, entry, done)
    return JSONResponse(_submitted(services, entry, record), 202)


def _images(services: Services, entry: Open, body: Message) -> Images:
    directory = entry.conversation.record.working_directory
    before = 1 if body.message else 0
    return Images(directory, services.roots, services.uploads.use, before)


def _checked_images(services: Services, entry: Open, body: Message) -> Prepare:
    async def prepare(wanted: Submission) -> Submission:
        message = await _images(services, entry, body).ready(wanted.message)
        return replace(wanted, message=message)

    return prepare


def wants_stream(request: Request) -> bool:
    """Whether the caller asks for Server-Sent Events."""
    return MEDIA_TYPE in request.headers.get("accept", "")


def _submitted(services: Services, entry: Open, record: SubmitRecord) -> dict[str, Any]:
    effective = policy.effective(entry.conversation.record, record.overrides)
    body = {
        "submit_id": record.id,
        "turn_id": record.turn_id,
        "status": entry.messages.status(record),
        "events": f"/conversations/{record.conversation_id}/events?after={record.after}",
        "policy": views.policy_fields(effective),
    }
    if record.error:
        body["error"] = record.error
    if body["status"] == "waiting_for_login" and services.login.why is not None:
        body["login"] = msgspec.to_builtins(services.login.why)
    return body


async def _within(entry: Open, record: SubmitRecord, seconds: float) -> SubmitRecord | None:
    try:
        async with asyncio.timeout(seconds):
            done = await entry.messages.wait(record, (*DONE, "waiting_for_login"))
    except TimeoutError:
        return None
    return done if entry.messages.status(done) in DONE else None


async def _finished(services: Services, entry: Open, record: SubmitRecord) -> Response:
    await services.log.durable()
    found = (
        await services.log.turn_events(record.conversation_id, record.turn_id)
        if record.turn_id
        else []
    )
    turns = views.turns(found)
    body = _submitted(services, entry, record) | {
        "turn": turns[-1]["turn"] if turns else None,
        "reply": views.reply(found),
    }
    return JSONResponse(body, 200)


async def _stream(
    services: Services, entry: Open, record: SubmitRecord, write: Write, caller: Caller
) -> None:
    with services.streams.one(caller):
        await _turn(services, entry, record, caller, write)


async def _turn(
    services: Services, entry: Open, record: SubmitRecord, caller: Caller, write: Write
) -> None:
    """The turn of one message as a stream that ends with it; comments while it waits."""
    await write(sse.OPENING)
    told = False
    while (bound := await _bound(entry, record, services.heartbeat, told)) is None:
        if services.feed.closed or not caller.holds():
            reason = "the server is stopping" if services.feed.closed else streams.ENDED
            await write(sse.bare_frame(streams.core_frame(services, reason)))
            return
        waits = not told and entry.messages.status(record) == "waiting_for_login"
        told = told or waits
        login = streams.login_frame(_submitted(services, entry, record)) if waits else None
        await write(sse.COMMENT if login is None else sse.bare_frame(login))
    turn_id = bound.turn_id  # as it is now: a refused message gives its turn back
    if turn_id is None:  # removed from the queue, or refused by the core
        await write(sse.bare_frame(streams.submit_frame(_submitted(services, entry, bound))))
        return

    def ours(event: Event) -> bool:
        return event.turn_id == turn_id

    plan = streams.Plan(
        conversation_id=record.conversation_id,
        cursor=streams.Cursor(record.after),
        heartbeat=services.heartbeat,
        passes=ours,
        last=lambda event: event.type == TURN_COMPLETED,
        holds=streams.Plan.holding(caller),
    )
    await streams.follow(services, plan, write)


async def _bound(
    entry: Open, record: SubmitRecord, seconds: float, told: bool
) -> SubmitRecord | None:
    """The message once it has a turn or never will; None when the time is up, or when it waits
    for a login and that was not `told` yet."""
    wanted: tuple[Status, ...] = ("started", *DONE)
    try:
        async with asyncio.timeout(seconds):
            found = await entry.messages.wait(
                record, wanted if told else (*wanted, "waiting_for_login")
            )
    except TimeoutError:
        return None
    return found if entry.messages.status(found) in wanted else None


# --- the queue ------------------------------------------------------------------------------


@router.get(f"{BASE}/queue", response_model=QueueView)
async def list_queue(conversation_id: str, services: Use) -> JSONResponse:
    """The waiting messages, in order."""
    entry = await services.manager.get(conversation_id)
    return JSONResponse({"data": entry.messages.queue.view()})


@router.put(f"{BASE}/queue", response_model=QueueView)
async def reorder_queue(conversation_id: str, body: Reorder, services: Use) -> JSONResponse:
    """Put the waiting messages in another order."""
    entry = await services.manager.get(conversation_id)
    await entry.messages.queue.reorder(body.order)
    return JSONResponse({"data": entry.messages.queue.view()})


@router.patch(f"{BASE}/queue/{{submit_id}}", response_model=QueuedView)
async def edit_queued(
    conversation_id: str, submit_id: str, body: Message, services: Use
) -> JSONResponse:
    """Change what a waiting message says."""
    entry = await services.manager.get(conversation_id)
    message = await _images(services, entry, body).ready(body.parts())
    await entry.messages.make_sure(submit_id)
    return JSONResponse(views.queued(await entry.messages.queue.edit(submit_id, message)))


@router.delete(f"{BASE}/queue/{{submit_id}}", status_code=204)
async def remove_queued(conversation_id: str, submit_id: str, services: Use) -> Response:
    """Take a waiting message back."""
    entry = await services.manager.get(conversation_id)
    await entry.messages.make_sure(submit_id)
    await entry.messages.queue.remove(submit_id)
    return Response(status_code=204)
