"""One connection to a core: the handshake, the plain question now and then, and its end.

Knows `initialize` and no other method. Every task it makes ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from codex_http_server import __version__
from codex_http_server.engine import joined
from codex_http_server.engine.joined import JoinedCore
from codex_http_server.engine.kept import KeptCore
from codex_http_server.engine.process import Child, ending
from codex_http_server.engine.rpc import OnNotification, OnRequest, Peer
from codex_http_server.engine.transport import (
    OnPause,
    SocketTransport,
    StdioTransport,
    Transport,
    connect_socket,
)
from codex_http_server.errors import CoreError, CoreGone, CoreTimeout
from codex_http_server.logs import get_logger

log = get_logger(__name__)

LISTEN: Final = 15.0  # seconds for a started core to listen (cold home: 0.24-0.66 measured)
HELLO: Final = 10.0  # seconds for its answer to `initialize`

AnyCore = KeptCore | JoinedCore | Child
Ended = asyncio.Task[int | None]  # done when the core has ended


@dataclass(frozen=True)
class Ears:
    """Who hears the core, and how it is asked something cheap to see that it lives."""

    on_notification: OnNotification
    on_request: OnRequest
    on_pause: OnPause
    question: Callable[[Peer, float], Awaitable[object]]


class Session:
    """A connection to `core`. `open`, then `wait`, then `close`."""

    def __init__(self, core: AnyCore, ended: Ended, ears: Ears) -> None:
        self._core = core
        self._ended = ended
        self._ears = ears
        self._transport: Transport | None = None
        self.peer = Peer(ears.on_notification, ears.on_request)
        self.lost = asyncio.Event()

    async def open(self) -> str | None:
        """Connect and say hello; the core's version.

        Raises `CoreGone` if the core ends before, TimeoutError if it does not listen in time.
        """
        self._transport = await self._connect()
        self.peer.attach(self._transport)
        return await hello(self.peer)

    async def _connect(self) -> Transport:
        if isinstance(self._core, Child):
            pipes = self._core.process
            assert pipes.stdout is not None
            assert pipes.stdin is not None
            return StdioTransport(pipes.stdout, pipes.stdin, self.peer.receive, self._on_lost)
        hear, pause = self.peer.receive, self._ears.on_pause
        async with asyncio.timeout(LISTEN):
            while not self._ended.done():
                # The core says nothing when it starts to listen, so we knock.
                with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                    found = await connect_socket(self._core.socket, hear, self._on_lost, pause)
                    return self._checked(found)
                await asyncio.sleep(0.01)
        raise CoreGone(how_ended(self._core))

    def _checked(self, transport: SocketTransport) -> Transport:
        """A joined daemon may have made room for another meanwhile."""
        if isinstance(self._core, JoinedCore):
            try:
                self._core.check(transport.line)
            except BaseException:
                transport.close()
                raise
        return transport

    def _on_lost(self) -> None:
        self.peer.lost()
        self.lost.set()

    async def mute(self, check: float) -> None:
        """Return once the core has left a question unanswered for `check` seconds; 0: never."""
        while check:
            await asyncio.sleep(check / 2)
            try:
                await self._ears.question(self.peer, check)
            except CoreTimeout:
                return
            except CoreError as error:
                log.warning("the core refused a plain question", reason=error.message)
            except CoreGone:
                break
        await asyncio.Event().wait()  # the end of the connection is seen elsewhere

    def close(self) -> None:
        """End the connection; what was asked raises `CoreGone`."""
        if self._transport is not None:
            self._transport.close()
        self.peer.lost()


async def hello(peer: Peer) -> str | None:
    """The handshake; the core's version."""
    client = {"name": "codex_http_server", "title": "Codex HTTP Server", "version": __version__}
    result = await peer.request(
        "initialize",
        {"clientInfo": client, "capabilities": {"experimentalApi": True}},
        deadline=HELLO,
    )
    peer.notify("initialized")
    agent = msgspec.json.decode(result, type=dict[str, object]).get("userAgent")
    return _version_of(agent) if isinstance(agent, str) else None


def _version_of(user_agent: str) -> str | None:
    """`codex_http_server/0.163.0 (Debian …)` → `0.163.0`. A daemon says the name of whoever was its
    first client (measured), which may hold spaces."""
    found = re.search(r"/(\d+\.\d+\S*)", user_agent)
    return found[1] if found else None


def how_ended(core: AnyCore) -> str:
    """Why a core is not there any more, in words."""
    return joined.ENDED if isinstance(core, JoinedCore) else ending(core.status)
