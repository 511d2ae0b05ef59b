"""Event streams over HTTP: a reader of the feed turned into a response.

Owns the heartbeat, the opening and the end of a stream. A stream never answers with a 5xx:
EventSource gives up for good on those.
"""

from __future__ import annotations

import asyncio
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
ENDED: Final = "the token, ticket or session of this stream holds no longer"
CHECK: Final = 2.0  # seconds between looks at whether the caller's token, ticket or session holds


@dataclass(frozen=True)
class Cursor:
    """Where a stream begins. `reset` is the frame that says why it is not where it was asked."""

    after: int
    reset: bytes | None = None


@dataclass(frozen=True)
class Plan:
    """One stream: what is read, which events pass, how they are framed, when it ends.

    `holds` is asked again and again; where it says no, the caller may read no further.
    """

    conversation_id: str | None
    cursor: Cursor
    heartbeat: float
    heartbeat_data: bool = False
    passes: Callable[[Event], bool] | None = None
    last: Callable[[Event], bool] | None = None
    holds: Callable[[], bool] | None = None

    @staticmethod
    def holding(caller: Caller) -> Callable[[], bool] | None:
        """What `holds` is for this caller: a local one has nothing that could end."""
        return None if caller.via == "local" else caller.holds

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


class _Pulse:
    """When a stream is due to beat, and to ask whether its caller's credential still holds."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._now = asyncio.get_running_loop().time
        self._beat = self._now() + plan.heartbeat
        self._look = self._now()

    def left(self) -> float:
        """How long to wait for events."""
        due = self._beat if self._plan.holds is None else min(self._beat, self._look)
        return max(0.0, due - self._now())

    def revoked(self) -> bool:
        """Whether the credential is known to hold no longer."""
        if self._plan.holds is None or self._now() < self._look:
            return False
        self._look = self._now() + CHECK
        return not self._plan.holds()

    def wrote(self) -> None:
        """The stream was not silent: the next beat is a whole heartbeat away."""
        self._beat = self._now() + self._plan.heartbeat

    def due(self) -> bool:
        """Whether it is time for a sign of life."""
        return self._now() >= self._beat


async def follow(services: Services, plan: Plan, write: Write) -> None:
    """Write the frames of a stream until its last event, until the server stops, or until what
    its caller showed holds no longer."""
    feed, pulse = services.feed, _Pulse(plan)
    with feed.reader(plan.conversation_id, plan.cursor.after) as reader:
        while True:
            batch = await reader.next(pulse.left())
            reason = "the server is stopping" if batch.ended else None
            if pulse.revoked():
                reason = ENDED
            if reason is not None:
                await write(sse.bare_frame(core_frame(services, reason)))
                return
            chosen, done = _choose(plan, batch.events)
            chunk = plan.frames(chosen)
            if batch.notices:
                chunk = b"".join(map(sse.bare_frame, batch.notices)) + chunk
            if chunk:
                await write(chunk)
                pulse.wrote()
            elif pulse.due():
                await write(_beat(plan))
                pulse.wrote()
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
