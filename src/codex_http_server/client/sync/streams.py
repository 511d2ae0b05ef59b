"""Event streams as iterators of the synchronous client."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import httpx

from codex_http_server.client.errors import ClientError
from codex_http_server.client.follow import (
    Ask,
    Deliver,
    Follow,
    FollowAll,
    FollowConversation,
    FollowTurn,
    Open,
    Step,
    Wait,
)
from codex_http_server.client.sync.connection import Connection
from codex_http_server.client.types import Event, Reset


class _Stream:
    """Does what a `Follow` says. Where it raises, the next step goes on from there."""

    def __init__(self, connection: Connection, follow: Follow) -> None:
        self._connection = connection
        self._follow = follow
        self._held = ExitStack()
        self._chunks: Iterator[bytes] = iter(())

    def _next(self) -> Event | Reset:
        while (step := self._follow.step()) != "end":
            if isinstance(step, Deliver):
                return step.item
            self._do(step)
        self.close()
        raise StopIteration

    def _do(self, step: Step) -> None:
        match step:
            case Ask(call):
                self._follow.answered(self._connection.ask(call))
            case Wait(seconds):
                time.sleep(seconds)
            case _:
                try:
                    self._move(step)
                except (httpx.TransportError, ClientError) as error:
                    self.close()
                    self._follow.lost(error)
                except BaseException:  # Ctrl-C in the middle of a piece
                    self.close()
                    raise

    def _move(self, step: Step) -> None:
        """Open the stream, or read on."""
        if isinstance(step, Open):
            self._chunks = self._connection.open(step.call, self._held).iter_raw()
            self._follow.opened()
        elif (chunk := next(self._chunks, None)) is not None:
            self._follow.fed(chunk)
        else:
            self._held.close()
            self._follow.ended()

    def close(self) -> None:
        """Close the connection. A step after that would open it again where it was."""
        self._follow.closed()
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Events(_Stream):
    """The events of a conversation, and those that come, for ever. `seq` and `log_id` are what to
    keep for going on later: `events(after=seq, log=log_id)`."""

    _follow: FollowConversation

    def __iter__(self) -> Iterator[Event | Reset]:
        return self

    def __next__(self) -> Event | Reset:
        return self._next()

    def __enter__(self) -> Self:
        """Fix where `after="latest"` is, before anything else happens."""
        while not self._follow.placed:
            self._do(self._follow.step())
        return self

    @property
    def seq(self) -> int | None:
        """The number of the last event; None before it is known where `latest` is."""
        return self._follow.seq

    @property
    def log_id(self) -> str | None:
        """The log that `seq` belongs to."""
        return self._follow.log_id


class AllEvents(_Stream):
    """The events of all conversations, of the account and the server, for ever. `position` and
    `log_id` are what to keep for going on later: `events(after=position, log=log_id)`. Where the
    position means nothing any more comes a `feed/reset`: read anew what you show."""

    _follow: FollowAll

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        found = self._next()
        assert isinstance(found, Event)
        return found

    def __enter__(self) -> Self:
        """Fix where `after="latest"` is, before anything else happens."""
        while not self._follow.placed:
            self._do(self._follow.step())
        return self

    @property
    def position(self) -> str | None:
        """The place of the last event; None where nothing has come from the beginning yet."""
        return self._follow.position

    @property
    def log_id(self) -> str | None:
        """The log that `position` belongs to."""
        return self._follow.log_id


class Turn(_Stream):
    """The events of one message's turn; ends with it."""

    _follow: FollowTurn

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        found = self._next()
        assert isinstance(found, Event)
        return found

    @property
    def turn_id(self) -> str | None:
        """The turn's id, once it has begun."""
        return self._follow.turn_id

    @property
    def outcome(self) -> str | None:
        """How it ended: `completed`, `interrupted`, `failed`, or `removed` where the message never
        got a turn; None before its end."""
        return self._follow.outcome
