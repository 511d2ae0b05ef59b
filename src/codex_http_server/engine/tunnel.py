"""A client that speaks the core's protocol itself, and its own connection to the core.

Owns the connection to the core, and both ends once they are joined: bytes pass as they are, and of
each direction no more is held than a stream's buffer, so whoever reads slowly slows nobody else.
Frames are counted, for a ping or a close of ours must not stand inside another. Knows no JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from codex_http_server.engine.bounds import Bounds, FrameTooLarge, close_frame, ping_frame
from codex_http_server.errors import CoreUnavailable

CONNECT: Final = 5.0  # seconds for the core's answer to the handshake
MAX_FRAME: Final = 16 * 1024 * 1024  # bytes of one frame of a client
CHUNK: Final = 64 * 1024  # bytes passed on at once
BEATS: Final = 4  # pings without a sign of life after which a client counts as gone
FAREWELL: Final = 1.0  # seconds for what was written last to be read

HANDSHAKE: Final = (
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
)


class Close(NamedTuple):
    """Why a client is sent away: a code of RFC 6455 and a sentence."""

    code: int
    reason: str


BYE: Final = Close(1000, "")
STOPPING: Final = Close(1001, "The server is stopping.")
DEAF: Final = Close(1011, "The client answered no ping.")
TOO_LARGE: Final = Close(1009, f"A frame may have {MAX_FRAME:,} bytes.")
CORE_LEFT: Final = Close(
    1012, "The core ended this connection: it restarts, or the client read too slowly. Join again."
)
ENDED: Final = Close(1008, "The token of this connection holds no longer.")


@dataclass(frozen=True)
class Line:
    """One end of a tunnel."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def end(self, last: bytes = b"") -> None:
        """Close it, `last` being the last that is sent. To close with bytes unread would cut that
        off, so they are read and thrown away. Bounded, also where nobody reads."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(FAREWELL):
                self.writer.write(last)
                self.writer.write_eof()
                while await self.reader.read(CHUNK):
                    pass
        self.writer.transport.abort()


@dataclass(frozen=True)
class CoreLine(Line):
    """A connection to the core past its handshake. `accept` is the core's answer to the key."""

    accept: str


async def connect(socket: str, key: str) -> CoreLine:
    """Connect a client that gave this key to the core. Raises `CoreUnavailable`."""
    try:
        async with asyncio.timeout(CONNECT):
            reader, writer = await asyncio.open_unix_connection(socket, limit=CHUNK)
            try:
                writer.write(HANDSHAKE.format(key=key).encode())
                head = await reader.readuntil(b"\r\n\r\n")
                return CoreLine(reader, writer, _accept(head.decode("latin-1")))
            except BaseException:
                writer.transport.abort()
                raise
    except (OSError, EOFError, ValueError, TimeoutError) as error:
        raise CoreUnavailable("The core takes no further client now.") from error


def _accept(head: str) -> str:
    """What the core answers to the key. Raises ConnectionError where it refuses."""
    status, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    if " 101 " not in status or "sec-websocket-accept" not in headers:
        raise ConnectionError(status)
    return headers["sec-websocket-accept"]


class Tunnel:
    """See the head of this file. `run` once."""

    def __init__(self, client: Line, core: Line, holds: Callable[[], bool], beat: float) -> None:
        self._client = client
        self._core = core
        self._holds = holds
        self._beat = beat
        self._up, self._down = Bounds(MAX_FRAME), Bounds()
        self._heard = False  # the client has given a sign of life since the last look
        self._sent_away: asyncio.Future[Close] = asyncio.get_running_loop().create_future()

    def close(self, why: Close) -> None:
        """Send the client away; `run` returns soon. May be called twice."""
        if not self._sent_away.done():
            self._sent_away.set_result(why)

    async def run(self) -> Close | None:
        """Pass on what comes until an end closes; why we closed it, None where we did not."""
        ways = (self._look(), self._from_client(), self._from_core())
        parts = [asyncio.create_task(way) for way in ways]
        try:
            await asyncio.wait((*parts, self._sent_away), return_when=asyncio.FIRST_COMPLETED)
            why = self._sent_away.result() if self._sent_away.done() else _first(parts)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            self._core.writer.transport.abort()
        await self._client.end(self._last(why))
        return why

    def _last(self, why: Close | None) -> bytes:
        """The close that the client gets. Inside another frame none can stand: it sees a cut."""
        fits = self._down.between and not self._down.closed
        return close_frame(*why) if why is not None and fits else b""

    async def _from_client(self) -> Close | None:
        while data := await _read(self._client):
            self._heard = True
            try:
                self._up.feed(data)
            except FrameTooLarge:
                return TOO_LARGE
            if not await _write(self._core, data):
                return self._core_left()  # a pong may be the first to meet a core that died
        return None

    async def _from_core(self) -> Close | None:
        while data := await _read(self._core):
            self._down.feed(data)
            if not await _write(self._client, data):
                return None
        return self._core_left()

    def _core_left(self) -> Close | None:
        if self._down.closed:
            return None
        return BYE if self._up.closed else CORE_LEFT  # the core answers no close (measured)

    async def _look(self) -> Close:
        """Ping the client, and see that it lives and that its token holds."""
        missed = 0
        while missed < BEATS:
            if self._down.between and not self._down.closed:
                self._client.writer.write(ping_frame())
            self._heard = False
            await asyncio.sleep(self._beat)
            missed = 0 if self._heard else missed + 1
            if not self._holds():
                return ENDED
        return DEAF


async def _read(line: Line) -> bytes:
    """What comes next; nothing at its end, however it ended."""
    try:
        return await line.reader.read(CHUNK)
    except OSError:
        return b""


async def _write(line: Line, data: bytes) -> bool:
    """Whether the other end still takes it."""
    try:
        line.writer.write(data)
        await line.writer.drain()
    except OSError:
        return False
    return True


def _first(parts: list[asyncio.Task[Close | None]]) -> Close | None:
    """What those say that are done. An end that has something to tell goes before one that left."""
    return next((why for part in parts if part.done() and (why := part.result())), None)
