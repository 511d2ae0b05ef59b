"""Reading on through lost connections: what to do next, and what the reader gets.

Sans-I/O. Owns where the reader stands. `step` says what to do; whoever does it reports back with
`opened`, `fed`, `lost` or `answered`. An event is handed out once, in the order of its number,
however often the connection broke.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import httpx

from codex_http_server.client.attempts import Attempts, Contact
from codex_http_server.client.calls import EVENT_STREAM, QUIET, Call, snapshot, streaming, within
from codex_http_server.client.errors import ClientError, ConnectionLost, ProtocolError
from codex_http_server.client.sse import Frame, Parser
from codex_http_server.client.types import Event, Json, Reset, Sent

RESET: Final = "feed/reset"
BEAT: Final = "heartbeat"


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand this out."""

    item: Event | Reset


@dataclass(frozen=True, slots=True)
class Ask:
    """Make this request and report its answer (`answered`)."""

    call: Call[Any]


@dataclass(frozen=True, slots=True)
class Open:
    """Open this stream (`opened`, or `lost`)."""

    call: Call[Any]


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait so many seconds."""

    seconds: float


Step = Deliver | Ask | Open | Wait | Literal["read", "end"]


class Follow:
    """A stream that is opened again where it broke off, until its last event."""

    def __init__(self, call: Call[Any], contact: Contact) -> None:
        self.seq: int | None = None  # of what was handed out last
        self._call = call
        self._contact = contact
        self._read = 0  # the highest seq that has come
        self._frames: deque[Frame] = deque()
        self._told: dict[str, Json] = {}
        self._parser = Parser()
        self._attempts = Attempts(call, contact)
        self._open = self._ended = False
        self._pause = 0.0

    # --- what to do -------------------------------------------------------------------------

    def step(self) -> Step:
        """What to do next."""
        while self._frames and not self._ended:
            found = self._take(_event(self._frames.popleft()))
            if found is not None:
                return found
        if self._ended:
            return "end"
        if self._pause:
            pause, self._pause = self._pause, 0.0
            return Wait(pause)
        return "read" if self._open else Open(self._next_call())

    def _next_call(self) -> Call[Any]:
        return self._call

    def _take(self, event: Event) -> Step | None:
        if event.seq is not None:
            if event.seq <= self._read:
                return None
            self._read = self.seq = event.seq
        elif event.type == BEAT or self._told.get(event.type) == event.data:
            return None
        else:  # not in the log: each new connection says it again
            self._told[event.type] = event.data
        self._ended = self._is_last(event)
        return Deliver(event)

    def _is_last(self, event: Event) -> bool:
        return event.type == "conversation/deleted"

    # --- what has happened ------------------------------------------------------------------

    def opened(self) -> None:
        """The stream is open."""
        self._open = True
        self._parser = Parser()

    def fed(self, chunk: bytes) -> None:
        """A piece of it came."""
        self._frames.extend(self._parser.feed(chunk))
        if self._parser.comments:  # it began as a stream does: what fails next is a new failure
            self._attempts = Attempts(self._call, self._contact)

    def lost(self, error: httpx.TransportError | ClientError) -> None:
        """It could not be opened, or broke off. Raises if there is no use in another try."""
        self._open = False
        self._pause = self._attempts.after(error, self._parser.retry or 0.0)

    def ended(self) -> None:
        """The server ended it without its last event: it stops, or has too many streams."""
        self.lost(httpx.RemoteProtocolError("the server ended the stream"))

    def closed(self) -> None:
        """We closed it. Another step would open it again."""
        self._open = False

    def answered(self, answer: Any) -> None:
        """What `Ask` asked for."""
        raise NotImplementedError


def events_of(conversation_id: str) -> Call[Any]:
    """The stream of a conversation's events."""
    path = within(conversation_id, "/events")
    return Call("GET", path, headers=EVENT_STREAM, timeout=QUIET)


def at(stream: Call[Any], seq: int) -> Call[Any]:
    """The same stream after a seq."""
    return replace(stream, headers={**stream.headers, "Last-Event-ID": str(seq)})


class FollowTurn(Follow):
    """The events of a message's turn. Until it has begun, the same POST with the same key finds
    the message again; from then on the conversation's events have it."""

    def __init__(self, conversation_id: str, message: Call[Sent], contact: Contact) -> None:
        super().__init__(streaming(message), contact)
        self.turn_id: str | None = None
        self.outcome: str | None = None  # how the turn ended, or `removed`
        self._rest = events_of(conversation_id)

    def _next_call(self) -> Call[Any]:
        return self._call if self.turn_id is None else at(self._rest, self._read)

    def _take(self, event: Event) -> Step | None:
        if event.type == RESET:
            raise ConnectionLost(
                "The server went away in the middle of the turn, and its log lacks the turn now.",
                hint="Read the conversation anew.",
            )
        if event.seq is not None and self.turn_id not in (None, event.turn_id):
            self._read = max(self._read, event.seq)
            return None
        return super()._take(event)

    def _is_last(self, event: Event) -> bool:
        self.turn_id = event.turn_id or self.turn_id
        if event.type == "turn/completed":
            self.outcome = event.status
        elif event.type == "message/removed":
            self.outcome = "removed"
        return self.outcome is not None


class FollowConversation(Follow):
    """The events of a conversation after a seq. A reader whose numbers mean nothing any more
    gets a `Reset`."""

    def __init__(
        self,
        conversation_id: str,
        after: int | Literal["latest"],
        log_id: str | None,
        contact: Contact,
    ) -> None:
        super().__init__(events_of(conversation_id), contact)
        self.log_id = log_id
        self._look = snapshot(conversation_id)
        self._latest = after == "latest"
        self._reset_reason: str | None = None
        self._reset: Reset | None = None
        if after != "latest":
            self._read = self.seq = after

    @property
    def placed(self) -> bool:
        """Whether it is known where the reader begins, and in which log."""
        return self.log_id is not None and not self._latest

    def step(self) -> Step:
        if not self.placed:
            return Ask(Call("GET", self._call.path, params={"after": "latest", "limit": 1}))
        if self._reset_reason is not None:
            return Ask(self._look)
        if self._reset is not None:
            reset, self._reset = self._reset, None
            return Deliver(reset)
        return super().step()

    def _next_call(self) -> Call[Any]:
        return replace(at(self._call, self._read), params={"log": self.log_id})

    def _take(self, event: Event) -> Step | None:
        if event.type != RESET:
            return super()._take(event)
        self._reset_reason = str(event.data["reason"])
        return self.step()

    def answered(self, answer: Any) -> None:
        if self._reset_reason is None:
            self.log_id = self.log_id or str(answer["log_id"])
            if self._latest:
                self._latest = False
                self._read = self.seq = int(answer["head"])
            return
        # The snapshot is newer than the reset: of what has come since, only what it lacks is new.
        self._read = self.seq = int(answer["seq"])
        self.log_id = str(answer["log_id"])
        self._reset = Reset(self._reset_reason, self._read, self.log_id, answer)
        self._reset_reason = None


class FollowAll(Follow):
    """The events of everything after a position. A reader whose position means nothing any more
    gets a `feed/reset` among them, and goes on from there."""

    def __init__(
        self, after: str | None, log_id: str | None, wanted: Mapping[str, Any], contact: Contact
    ) -> None:
        stream = Call[Any]("GET", "/events", params=wanted, headers=EVENT_STREAM, timeout=QUIET)
        super().__init__(stream, contact)
        self.log_id = log_id
        self.position = None if after == "latest" else after
        self._latest = after == "latest"

    @property
    def placed(self) -> bool:
        """Whether it is known where the reader begins, and in which log."""
        return self.log_id is not None and not self._latest

    def step(self) -> Step:
        if not self.placed:
            return Ask(Call("GET", self._call.path, params={"after": "latest", "limit": 1}))
        return super().step()

    def _next_call(self) -> Call[Any]:
        from_here = {} if self.position is None else {"Last-Event-ID": self.position}
        headers = {**self._call.headers, **from_here}
        return replace(
            self._call, headers=headers, params={**self._call.params, "log": self.log_id}
        )

    def _take(self, event: Event) -> Step | None:
        if event.type == RESET:
            self.position, self.log_id = str(event.data["head"]), str(event.data["log_id"])
            return Deliver(event)
        if event.position is None:
            return super()._take(event)
        self.position = event.position
        return Deliver(event)

    def _is_last(self, event: Event) -> bool:
        del event  # others go on where one conversation ends
        return False

    def answered(self, answer: Any) -> None:
        self.log_id = self.log_id or str(answer["log_id"])
        if self._latest:
            self._latest = False
            self.position = str(answer["head"])


def _event(frame: Frame) -> Event:
    try:
        return Event.of(json.loads(frame.data))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProtocolError(f"An event can't be read: {frame.data[:100]!r}.") from error
