"""Two servers to try the attacks on: one that does all that is wrong, and one that refuses all.

The open one answers whatever looks like the end of a head, so also what was smuggled behind it;
it shows its inside, lets everybody in, forgets nothing, waits for ever, and when it has many
connections it serves nobody any more.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

CROWD: Final = 110  # connections, or what costs as much, with which the open server goes deaf
REQUESTS_PER_LOAD: Final = 10
HEAD_ENDS: Final = re.compile(rb"\r\n\r\n|\n\n")
OPEN_HEAD: Final = (
    "HTTP/1.1 {status}\r\nServer: open/1.0\r\nSet-Cookie: a=b\r\nContent-Type: text/html\r\n"
    "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n"
    "Access-Control-Allow-Private-Network: true\r\nAccess-Control-Allow-Local-Network: true\r\n"
    "Content-Length: {length}\r\n\r\n"
)
SHUT: Final = (
    b"HTTP/1.1 403 Forbidden\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
    b"Cross-Origin-Resource-Policy: same-origin\r\nContent-Type: application/problem+json\r\n"
    b"Content-Length: 25\r\nConnection: close\r\n\r\n"
    b'{"code":"scope_required"}'
)
SHUT_HEAD: Final = SHUT.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


class Crowd:
    """What the open server has heard, and what its connections cost."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.load = 0


class OpenConnection(asyncio.Protocol):
    """One connection of the open server."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._cost = 1
        self._kept = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._crowd.load += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.load -= self._cost

    def data_received(self, data: bytes) -> None:
        self._kept += data
        *heads, self._kept = HEAD_ENDS.split(self._kept)
        self._crowd.heard = [*self._crowd.heard, self._kept.decode("latin-1")][-20:]
        self._spend(len(heads) // REQUESTS_PER_LOAD)
        if self._crowd.load <= CROWD:
            for head in heads:
                self._transport.write(self._answer(head.decode("latin-1")))

    def _spend(self, cost: int) -> None:
        self._cost += cost
        self._crowd.load += cost

    def _answer(self, head: str) -> bytes:
        body = json.dumps(
            {
                "status": "ok",
                "data": [head[-2000:], *self._crowd.heard],
                "head": "1",
                "next_after": "1",
                "scopes": ["read", "drive", "elevate", "admin"],
                "ticket": "chs_open",
                "trace": "Traceback (most recent call last): /home/me/server.py",
            }
        )
        upgrade = "upgrade: websocket" in head.lower()
        status = "101 Switching Protocols" if upgrade else "200 OK"
        begins = OPEN_HEAD.format(status=status, length=len(body))
        return begins.encode() + (b"" if head.startswith("HEAD ") else body.encode())


class ShutConnection(asyncio.Protocol):
    """One connection of the server that refuses all, at the first byte."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._told = False
        self._late = asyncio.get_running_loop().call_later(0.5, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._late.cancel()

    def data_received(self, data: bytes) -> None:
        if not self._told:
            self._told = True
            self._transport.write(SHUT if not data.startswith(b"HEAD ") else SHUT_HEAD)
            self._transport.close()


@asynccontextmanager
async def open_server() -> AsyncIterator[str]:
    """The open server; its URL."""
    crowd = Crowd()
    async with _serving(lambda: OpenConnection(crowd)) as url:
        yield url


@asynccontextmanager
async def shut_server() -> AsyncIterator[str]:
    """The server that refuses all; its URL."""
    async with _serving(ShutConnection) as url:
        yield url


@asynccontextmanager
async def _serving(make: Callable[[], asyncio.Protocol]) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(make, "127.0.0.1", 0, backlog=1000)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
