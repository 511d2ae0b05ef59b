"""One connection to a server: any bytes out, what comes back in. Every wait is bounded.

Owns the connection. Knows no attack: it sends what it is given, right or wrong. What has arrived
is kept when the server cuts the line, as one that refuses in the middle of a body does.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Final, Self

from codex_http_server.testing.attack.answers import CLOSED, Answer, take
from codex_http_server.testing.attack.target import Target

ANSWER_SECONDS: Final = 6.0
CONNECT_SECONDS: Final = 5.0
LAST_CHUNK: Final = b"0\r\n\r\n"
HELD_MOST: Final = 4 * 1024 * 1024  # bytes that wait to be read; past it the server must wait


class Unreachable(Exception):
    """No connection could be made. `denied`: this process may not make one."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(_said(reason) or type(reason).__name__)
        self.denied = isinstance(reason, PermissionError)


def _said(reason: OSError) -> str:
    if isinstance(reason, ConnectionError) and reason.errno:
        return os.strerror(reason.errno)  # asyncio's own is "Connect call failed (…)"
    return reason.strerror or str(reason)


class Line(asyncio.Protocol):
    """A connection. Use with `async with`."""

    def __init__(self, left: Callable[[], None] = lambda: None) -> None:
        self.closed = False
        self._left = left
        self._buffer = bytearray()
        self._changed = asyncio.Event()
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._transport: asyncio.Transport | None = None

    # --- what the transport calls -----------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > HELD_MOST and self._transport is not None:
            self._transport.pause_reading()
        self._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.closed = True
        self._changed.set()
        self._may_write.set()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    # --- what an attack calls ---------------------------------------------------------------

    async def send(self, data: bytes) -> bool:
        """Send; False if the line is cut. Waits while the server does not read."""
        await self._may_write.wait()
        if self.closed or self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(data)
        return True

    async def answer(
        self, wait: float = ANSWER_SECONDS, *, bodiless: bool = False, head_only: bool = False
    ) -> Answer:
        """The next answer, or that none came within `wait` seconds."""
        try:
            async with asyncio.timeout(wait):
                while True:
                    self._changed.clear()
                    found = take(
                        self._buffer, closed=self.closed, bodiless=bodiless, head_only=head_only
                    )
                    if found is not None:
                        return found
                    if self.closed:
                        return Answer(CLOSED)
                    await self._changed.wait()
        except TimeoutError:
            return Answer(CLOSED, silent=True)

    async def ask(
        self,
        data: bytes | Iterable[bytes],
        wait: float = ANSWER_SECONDS,
        *,
        head_only: bool = False,
    ) -> Answer:
        """Send and read at once: a server may refuse before it has everything."""
        parts = (data,) if isinstance(data, bytes) else data
        bodiless = isinstance(data, bytes) and data.startswith(b"HEAD ")
        sending = asyncio.create_task(self._send_all(parts))
        try:
            return await self.answer(wait, bodiless=bodiless, head_only=head_only)
        finally:
            sending.cancel()

    async def _send_all(self, parts: Iterable[bytes]) -> None:
        for part in parts:
            if not await self.send(part):
                return
            await asyncio.sleep(0)

    async def ends_within(self, seconds: float) -> bool:
        """Whether the server ends a body in chunks, or cuts the line, in this time."""
        try:
            async with asyncio.timeout(seconds):
                while not self.closed and not self._buffer.endswith(LAST_CHUNK):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Cut the line. May be called twice."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
            self._left()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


async def connect(
    target: Target, uid: int | None = None, left: Callable[[], None] = lambda: None
) -> Line:
    """A line to the target, as another user if `uid` is given (root only). `left` is called when
    the line is closed. Raises `Unreachable`."""
    loop = asyncio.get_running_loop()
    line = Line(left)
    failure = OSError("the name has no address")
    for family, address in target.addresses or ((-1, target.path),):
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                sock = await _socket(family, address, uid)
                await loop.create_connection(
                    lambda: line,
                    sock=sock,
                    ssl=target.tls,
                    server_hostname=target.host.rpartition(":")[0] if target.tls else None,
                )
        except OSError as error:
            failure = error
        else:
            return line
    raise Unreachable(failure)


async def _socket(family: int, address: Any, uid: int | None) -> socket.socket:
    """A connected socket. To the kernel it is of whoever we are while it is made."""
    kind = socket.AF_UNIX if family < 0 else socket.AddressFamily(family)
    mine = os.geteuid() if uid is not None else 0
    if uid is not None:
        os.seteuid(uid)
    try:
        sock = socket.socket(kind, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            if kind is socket.AF_UNIX:  # ends at once; the one who connects is the peer
                sock.connect(address)
                return sock
        except BaseException:
            sock.close()
            raise
    finally:
        if uid is not None:
            os.seteuid(mine)
    try:
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
