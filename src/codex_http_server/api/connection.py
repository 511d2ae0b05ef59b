"""One connection: who is at its other end, and what it may cost before the app sees a request.

Owns the limits on what arrives outside of bodies, the times for it, and the count of connections.
A fault is answered as every other error is (problem+json), unless answers to earlier requests of
the connection are still owed: those are given, then it is closed. The HTTP itself is uvicorn's;
what follows an answer 101 belongs to whoever gave it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from socket import socket
from typing import Any, Final, cast

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from codex_http_server.api import heads
from codex_http_server.api.headers import EVERYWHERE, REQUEST_ID
from codex_http_server.api.problems import problem
from codex_http_server.api.tunnels import SWITCH
from codex_http_server.auth.peers import PEER, Peer
from codex_http_server.clock import new_id
from codex_http_server.errors import BadRequest, HeadersTimeout, ServerError, TooManyConnections
from codex_http_server.logs import get_logger

log = get_logger("codex_http_server.requests")

HEAD_SECONDS: Final = 10.0  # for the whole head of a request to arrive
REST_SECONDS: Final = 30.0  # for the rest of a body that nobody waits for any more
LINGER: Final = 2.0  # seconds in which a refused client may read why before the line is cut
PIPELINE: Final = 64  # requests that may wait for the answers to earlier ones
FRAMING: Final = 16  # bytes of chunk framing taken for each byte of body; the worst honest is 5
OURS: Final = ""  # the group of our own user's connections


class Door:
    """The connections of one server, and who may still come in."""

    def __init__(self, meet: Callable[[socket], Peer], most: int) -> None:
        self.meet = meet
        self._most = most
        self._open: Counter[str] = Counter()

    def enter(self, peer: Peer) -> str:
        """Count a connection; the group it counts in. Raises `TooManyConnections`.

        Those that are not of our user have half of the room at most, and each user or address of
        them a quarter: nobody else can keep our user out.
        """
        group = OURS if peer.verdict is None else peer.group
        every = self._open.total()
        room = self._most - every
        if group != OURS:
            strangers = every - self._open[OURS]
            room = min(room, self._most // 2 - strangers, self._most // 4 - self._open[group])
        if room <= 0:
            raise TooManyConnections("More connections are open than may be.")
        self._open[group] += 1
        return group

    def leave(self, group: str) -> None:
        """A connection of this group has ended."""
        self._open[group] -= 1
        if not self._open[group]:
            del self._open[group]


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with limits.

    Its own fields are slots: with them the shared form of uvicorn's would end, which costs every
    connection 2 KB (measured).
    """

    __slots__ = (
        "_answering", "_began", "_body", "_door", "_early", "_ending", "_fault", "_framing",
        "_group", "_in_body", "_in_head", "_next", "_owed", "_raw", "_size", "_taken", "_timer",
    )  # fmt: skip

    def __init__(self, *, door: Door, **given: Any) -> None:
        super().__init__(**given)
        self._door = door
        self._group: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._fault: ServerError | None = None  # found inside a call of the parser
        self._ending = False  # nothing that arrives is read any more
        self._early = False  # bytes came behind the request for another protocol
        self._next: asyncio.Protocol | None = None  # who takes over behind the answer 101
        self._taken: asyncio.Protocol | None = None  # who has taken over
        self._answering: RequestResponseCycle | None = None  # the request whose answer runs
        self._owed = 0  # requests that came whole, or are coming, and are not answered
        self._in_head = False
        self._in_body = False
        self._began = False  # whether the head began in the data that is being read
        self._size = 0  # bytes of the headers that have been read
        self._raw = 0  # bytes of the head, but for those that came with its first
        self._body = self._framing = 0  # bytes of the body, and around it

    # --- from the first byte to the last ------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        peer = self._door.meet(transport.get_extra_info("socket"))
        self.app_state = {**self.app_state, PEER: peer}
        try:
            self._group = self._door.enter(peer)
        except TooManyConnections as error:
            self._refuse(error, linger=0)
        else:
            self._set_timer(HEAD_SECONDS, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._group is not None:
            self._door.leave(self._group)
            self._group = None
        self._end_timer()
        if self._taken is not None:
            self._taken.connection_lost(exc)
        self._tell_answering()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _tell_answering(self) -> None:
        """Tell the request whose answer runs that its client has left. uvicorn tells the newest
        one only: with others behind it a stream would wait for ever, and an answer be written
        to a closed transport."""
        cycle = self._answering
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()

    def data_received(self, data: bytes) -> None:
        if self._taken is not None:
            self._taken.data_received(data)
            return
        if self._ending:
            self._early = True
            return
        self._unset_keepalive_if_required()
        assert self.parser is not None  # until the connection is lost
        self._began, before = False, self._body
        try:
            self.parser.feed_data(data)
            self._weigh(len(data), self._body - before)
        except httptools.HttpParserUpgrade as upgrade:
            self.cycle.keep_alive = False  # what follows is not HTTP
            self._early = int(upgrade.args[0]) < len(data)
            self._end()
        except (httptools.HttpParserError, ServerError) as error:
            own = error if isinstance(error, ServerError) else self._fault
            self._refuse(own or BadRequest(f"This is no HTTP request: {error}."))
        else:
            self._wait_for_more()

    def _wait_for_more(self) -> None:
        if self._in_head:
            if self._timer is None:
                self._set_timer(HEAD_SECONDS, self._head_is_late)
        elif not self._owed and not self._in_body:  # an empty line, or a body nobody waited for
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _weigh(self, size: int, body: int) -> None:
        """Bound what the parser holds without telling us: half a header, half a trailer."""
        if self._in_head and not self._began:
            self._raw += size
            if self._raw > heads.TARGET + heads.HEADER_BYTES:
                raise heads.headers_too_large()
        elif self._in_body and not self._began:
            self._framing += size - body
            if self._framing > heads.HEADER_BYTES + FRAMING * self._body:
                raise heads.headers_too_large()

    # --- what the parser finds ----------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"] = self.app_state  # of the connection; nobody writes into it
        self._in_head = self._began = True
        self._size = self._raw = self._body = self._framing = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._check(heads.target_fault(self.url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._size += len(name) + len(value)
        if self._in_head:  # else it is a trailer, which nobody asked for
            super().on_header(name, value)
        self._check(heads.size_fault(self.headers, self._size))

    def on_headers_complete(self) -> None:
        parser = self.parser
        assert parser is not None
        self._check(
            heads.head_fault(
                parser.get_http_version(),
                self.url,
                self.headers,
                upgrade=bool(parser.should_upgrade()),
            )
        )
        if len(self.pipeline) >= PIPELINE:
            self._check(BadRequest(f"More than {PIPELINE} requests wait for earlier answers."))
        super().on_headers_complete()
        if parser.should_upgrade():
            self.scope["extensions"] = cast(Any, {SWITCH: self._switch})
        self._in_head, self._in_body = False, True
        self._owed += 1
        self._end_timer()

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        if self.cycle.response_complete:
            self._end_timer()  # the rest of the body has come
        super().on_message_complete()

    def _check(self, fault: ServerError | None) -> None:
        if fault is not None:
            self._fault = fault
            raise fault

    # --- what we say --------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        self._owed -= 1
        if self._next is not None:
            self._taken = self._next
            self._taken.connection_made(self.transport)
            return
        super().on_response_complete()
        if self._owed:
            return
        if self._ending:
            self._close(LINGER)
        elif self._in_body:
            self._set_timer(REST_SECONDS, self._end)

    def _head_is_late(self) -> None:
        self._refuse(HeadersTimeout(f"The head was not complete after {HEAD_SECONDS:g} s."))

    def _refuse(self, error: ServerError, linger: float = LINGER) -> None:
        """Say what is wrong and close; where answers are owed, close behind them."""
        if self._ending or self.transport.is_closing():
            return
        if self._in_body:
            self._drop_half()
        if not self._owed:
            self._write(error)
        self._end(linger)

    def _drop_half(self) -> None:
        """Take back the request whose body went wrong, unless its answer has begun."""
        cycle = self.cycle
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()
        elif cycle.response_started:
            return
        cycle.disconnected = cycle.response_complete = True
        cycle.message_event.set()
        self._owed -= 1

    def _end(self, linger: float = 0) -> None:
        """Read nothing more, and close once nothing is owed."""
        self._ending = True
        self._end_timer()
        if not self._owed:
            self._close(linger)

    def _close(self, linger: float) -> None:
        """Close. To close with bytes unread would cut off what was just written, so for `linger`
        seconds they are read and thrown away."""
        if linger and self.transport.can_write_eof() and not self.transport.is_closing():
            self.flow.resume_reading()
            self.transport.write_eof()
            self._set_timer(linger, self.transport.close)
        else:
            self.transport.close()

    def _write(self, error: ServerError) -> None:
        request_id = new_id()
        log.info("refused before its request was whole", code=error.code, request_id=request_id)
        answer = problem(error, request_id)
        answer.headers.update({REQUEST_ID: request_id, "Connection": "close"})
        head = [STATUS_LINE[answer.status_code]]
        for name, value in (
            *self.server_state.default_headers,
            *answer.raw_headers,
            *EVERYWHERE,
        ):
            head += [name, b": ", value, b"\r\n"]
        self.transport.write(b"".join([*head, b"\r\n", answer.body]))

    # --- another protocol -----------------------------------------------------------------------

    def _switch(self, to: asyncio.Protocol) -> None:
        """Let `to` take over as soon as the answer, a 101, is given. Raises `BadRequest` where the
        client did not wait for it: what it sent would be lost."""
        if self._early:
            raise BadRequest("Nothing may follow a request for an upgrade before its answer.")
        self._next = to
        self.cycle.keep_alive = True
        self.cycle.chunked_encoding = False  # a 101 has no body

    def pause_writing(self) -> None:
        (super() if self._taken is None else self._taken).pause_writing()

    def resume_writing(self) -> None:
        (super() if self._taken is None else self._taken).resume_writing()

    # --- one timer, for whatever is waited for ------------------------------------------------

    def _set_timer(self, seconds: float, then: Callable[[], None]) -> None:
        self._end_timer()
        self._timer = self.loop.call_later(seconds, then)

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def connections(door: Door) -> type[asyncio.Protocol]:
    """What uvicorn makes its connections with."""
    return cast("type[asyncio.Protocol]", partial(Connection, door=door))
