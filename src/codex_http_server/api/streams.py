"""Event streams over HTTP: a reader of the feed turned into a response.

Owns the heartbeat, the opening and the end of a stream. A stream never answers with a 5xx:
EventSource gives up for good on those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from codex_http_server import events
from codex_http_server.api import sse
from codex_http_server.api.eventstream import EventStream, Write
from codex_http_server.api.services import Services
from codex_http_server.auth.callers import Caller
from codex_http_server.clock import now_ms
from codex_http_server.events import Event, transient

OVERLOAD_RETRY: Final = b"retry: 5000\n"


@dataclass(frozen=True)
class Cursor:
    """Where a stream begins. `reset` is the frame that says why it is not where it was asked."""

    after: int
    reset: bytes | None = None


@dataclass(frozen=True)
class Plan:
    """One stream: what is read, which events pass, how they are framed, when it ends."""

    conversation_id: str | None
    cursor: Cursor
    heartbeat: float
    heartbeat_data: bool = False
    passes: Callable[[Event], bool] | None = None
    last: Callable[[Event], bool] | None = None

    def filtered(self, passes: Callable[[Event], bool]) -> Plan:
        """The same stream with only some of its events."""
        return replace(self, passes=passes)

    def frames(self, chosen: Iterable[Event]) -> bytes:
        """The frames of some events."""
        if self.conversation_id is None:
            return sse.all_frames(chosen)
        return sse.conversation_frames(chosen)


def respond(services: Services, plan: Plan, caller: Caller) -> EventStream:
    """The response that streams `plan`."""

    async def body(write: Write) -> None:
        full = services.streams.refusal(caller)
        if full is not None:
            await write(OVERLOAD_RETRY + sse.bare_frame(core_frame(services, full)))
            return
        with services.streams.one(caller):
            reset = plan.cursor.reset
            await write(sse.OPENING + (b"" if reset is None else sse.bare_frame(reset)))
            await follow(services, plan, write)

    return EventStream(body)


async def follow(services: Services, plan: Plan, write: Write) -> None:
    """Write the frames of a stream until its last event or until the server stops."""
    feed = services.feed
    with feed.reader(plan.conversation_id, plan.cursor.after) as reader:
        while True:
            batch = await reader.next(plan.heartbeat)
            if batch.ended:
                await write(sse.bare_frame(core_frame(services, "the server is stopping")))
                return
            chosen, done = _choose(plan, batch.events)
            chunk = plan.frames(chosen)
            if batch.notices:
                chunk = b"".join(map(sse.bare_frame, batch.notices)) + chunk
            if chunk:
                await write(chunk)
            elif not batch.events:
                await write(_beat(plan))
            if done:
                return


def _choose(plan: Plan, found: Sequence[Event]) -> tuple[Sequence[Event], bool]:
    """The events that pass, up to and with the last one of the stream, and whether it came."""
    if plan.passes is None and plan.last is None:
        return found, False
    chosen = found if plan.passes is None else [event for event in found if plan.passes(event)]
    if plan.last is not None:
        for index, event in enumerate(chosen):
            if plan.last(event):
                return chosen[: index + 1], True
    return chosen, False


def _beat(plan: Plan) -> bytes:
    if not plan.heartbeat_data:
        return sse.COMMENT
    return sse.bare_frame(transient(events.HEARTBEAT, {}, at_ms=now_ms()))


def core_frame(services: Services, reason: str | None = None) -> bytes:
    """The core's state as a frame outside the log."""
    state = services.manager.engine.state
    body: dict[str, Any] = {
        "state": state.state,
        "version": state.version,
        "reason": reason or state.reason,
    }
    return transient(events.CORE_STATE, body, at_ms=now_ms(), core=state.version or "")


def reset_frame(reason: str, head: int | str, log_id: str, snapshot: str | None) -> bytes:
    """The frame that tells a reader that its cursor means nothing here."""
    body = {"reason": reason, "head": head, "log_id": log_id, "snapshot": snapshot}
    return transient(events.FEED_RESET, body, at_ms=now_ms())


def login_frame(submitted: dict[str, Any]) -> bytes:
    """The frame that tells the stream of a message that it waits for a login."""
    body: dict[str, Any] = {"turnId": None, "http_status": None, "resend": True}
    body |= submitted.get("login") or {}
    body["submit_ids"] = [submitted["submit_id"]]
    return transient(events.AUTH_REQUIRED, body, at_ms=now_ms())


def submit_frame(body: dict[str, Any]) -> bytes:
    """The frame that ends the stream of a message that never got a turn."""
    return transient(events.MESSAGE_REMOVED, body, at_ms=now_ms())
