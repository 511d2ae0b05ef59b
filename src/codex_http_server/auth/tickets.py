"""Tickets: each opens one event stream, for clients that can't send a header (EventSource).

Owns the tickets, in memory and as hashes: after a restart there are none. A ticket names its
stream, carries its maker's name and ends with its maker. It opens its stream within `FIRST`
seconds and then only resumes it, until `REST` seconds after the last sign of life.

A second reader with the same ticket ends the first: it is nearly always the same client, back from
a connection that we do not know to be dead yet, and EventSource gives up for good when refused.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from codex_http_server.auth.callers import Caller, Scope
from codex_http_server.auth.tokens import digest, new_secret
from codex_http_server.errors import InvalidTicket

PREFIX: Final = "chs_"
FIRST: Final = 60.0  # seconds to open the stream
REST: Final = 600.0  # seconds a stream may be gone before its ticket is
MOST: Final = 1000  # tickets of one maker
FREE: Final = frozenset({"after", "log", "heartbeat", "ticket"})
"""What may differ between a ticket's stream and the request that resumes it: the place in it."""


@dataclass(frozen=True)
class Stream:
    """A stream: its path, and which of its events are asked for."""

    path: str
    filters: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, path: str, query: Iterable[tuple[str, str]]) -> Stream:
        """The stream that a request asks for."""
        return cls(path, tuple(sorted(pair for pair in query if pair[0] not in FREE)))


@dataclass
class _Ticket:
    id: str
    stream: Stream
    maker: Caller
    until: float
    readers: int = 0  # that it has opened, one after the other


class Tickets:
    """All tickets of this server. `clock` counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[str, _Ticket] = OrderedDict()  # by digest, oldest first

    def make(self, stream: Stream, maker: Caller) -> str:
        """A new ticket for `stream`."""
        self._sweep()
        self._make_room(maker.name)
        secret = new_secret(PREFIX)
        ticket = _Ticket(secrets.token_hex(4), stream, maker, self._clock() + FIRST)
        self._known[digest(secret)] = ticket
        return secret

    def use(self, secret: str, stream: Stream | None) -> Caller:
        """The caller that a ticket makes of a request for `stream`, which it opens or resumes.

        `stream` is None for every other request. Raises `InvalidTicket`, `ScopeRequired`.
        """
        ticket = self._known.get(digest(secret))
        if ticket is None or self._over(ticket):
            raise _invalid("This ticket is unknown, or its time is over.")
        if stream is None:
            Caller(ticket.maker.name, "ticket", frozenset()).need(Scope.READ)
        if stream != ticket.stream:
            raise _invalid("This ticket is for another stream, or for other events of it.")
        ticket.readers += 1
        return Caller(ticket.maker.name, "ticket", frozenset({Scope.READ}), self._holds(ticket))

    def _holds(self, ticket: _Ticket) -> Callable[[], bool]:
        reader = ticket.readers
        ticket.until = self._clock() + REST

        def holds() -> bool:
            """Asked by a reader as long as it lives: that is how we know that it does."""
            if ticket.readers != reader or self._over(ticket):
                return False
            ticket.until = self._clock() + REST
            return True

        return holds

    def _over(self, ticket: _Ticket) -> bool:
        return ticket.until <= self._clock() or not ticket.maker.holds()

    def _sweep(self) -> None:
        now = self._clock()
        for key in [key for key, ticket in self._known.items() if ticket.until <= now]:
            del self._known[key]

    def _make_room(self, maker: str) -> None:
        """Where a maker has too many, the oldest goes: of those not used yet, if there are any."""
        own = [(key, ticket) for key, ticket in self._known.items() if ticket.maker.name == maker]
        if len(own) >= MOST:
            unused = [key for key, ticket in own if not ticket.readers]
            del self._known[unused[0] if unused else own[0][0]]


def _invalid(detail: str) -> InvalidTicket:
    return InvalidTicket(detail, hint="Ask for a new one: POST /tickets.")
