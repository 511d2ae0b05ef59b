"""Messages to and from a core: one seam, two ways (Unix socket, stdio).

Owns sockets, pipes and framing; knows no JSON. A message of the core is handed on at once, on
the event loop; nothing here waits for whoever takes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from codex_http_server.engine.frames import Frames

OnMessage = Callable[[bytes], None]
OnLost = Callable[[], None]
OnPause = Callable[[], None]  # all that had arrived has been handed on

CONNECT: Final = 5.0  # seconds for the WebSocket handshake
MAX_HEAD: Final = 16 * 1024  # bytes of the answer to the handshake
MAX_MESSAGE: Final = 256 * 1024 * 1024  # bytes; a finished item may hold megabytes of output


class Transport(Protocol):
    """A connection to a core."""

    def send(self, message: bytes) -> None:
        """Queue one message for the core. Nothing happens after the connection ended."""
        ...

    def close(self) -> None:
        """End the connection. May be called twice."""
        ...


class SocketTransport(asyncio.Protocol):
    """WebSocket over a Unix socket (`codex app-server --listen unix://PATH`).

    `websockets` does the handshake, all sending, and every frame that is not a plain message.
    """

    def __init__(
        self, on_message: OnMessage, on_lost: OnLost, on_pause: OnPause = lambda: None
    ) -> None:
        self._on_message = on_message
        self._on_lost = on_lost
        self._on_pause = on_pause
        self._ws = ClientProtocol(parse_uri("ws://localhost/"), max_size=MAX_MESSAGE)
        self._frames = Frames(on_message, self._on_other, MAX_MESSAGE)
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._parts: list[bytes] = []
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ws.send_request(self._ws.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        if self._ws.state is State.OPEN:
            self._frames.feed(data)
            self._on_pause()
        elif self._ws.state is State.CONNECTING:
            self._shake(data)

    def _shake(self, data: bytes) -> None:
        """Take the answer to the handshake; frames may follow it in the same read."""
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end and len(head) < MAX_HEAD:
            return
        self._ws.receive_data(head + end)
        self._flush()
        if self._ws.state is State.OPEN:
            self._head = b""
            self.opened.set_result(None)
            self._frames.feed(rest)
        else:
            self.close()

    def _on_other(self, frame: bytes) -> bool:
        """A fragment, a ping, a close, or what breaks the rules; whether messages may follow."""
        self._ws.receive_data(frame)
        for event in self._ws.events_received():
            if isinstance(event, Frame):
                self._fragment(event)
        self._flush()
        if self._ws.state is not State.OPEN:
            self.close()
        return self._ws.state is State.OPEN

    def _fragment(self, frame: Frame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        self._parts.append(bytes(frame.data))
        if frame.fin:
            message, self._parts = b"".join(self._parts), []
            self._on_message(message)

    def _flush(self) -> None:
        if self._transport is None:
            return
        for data in self._ws.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("the core closed the socket"))
            self.opened.exception()  # looked at: the one who waits may be gone already
        self._on_lost()

    @property
    def line(self) -> Any:
        """The socket."""
        assert self._transport is not None
        return self._transport.get_extra_info("socket")

    def send(self, message: bytes) -> None:
        if self._ws.state is State.OPEN:
            self._ws.send_text(message)
            self._flush()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def connect_socket(
    path: str, on_message: OnMessage, on_lost: OnLost, on_pause: OnPause = lambda: None
) -> SocketTransport:
    """Connect to the core's Unix socket. Raises OSError or TimeoutError if it does not listen."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT):
        _, protocol = await loop.create_unix_connection(
            lambda: SocketTransport(on_message, on_lost, on_pause), path
        )
        try:
            await protocol.opened
        except BaseException:
            protocol.close()
            raise
    return protocol


class StdioTransport:
    """JSON lines over a child's pipes, where there are no Unix sockets (Windows)."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_message: OnMessage,
        on_lost: OnLost,
    ) -> None:
        self._writer = writer
        self._task = asyncio.create_task(self._read(reader, on_message, on_lost))

    async def _read(
        self, reader: asyncio.StreamReader, on_message: OnMessage, on_lost: OnLost
    ) -> None:
        try:
            while line := await reader.readline():
                on_message(line)
        except (ValueError, ConnectionError):
            pass  # a line past MAX_MESSAGE, or a broken pipe: both end the connection
        finally:
            on_lost()

    def send(self, message: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(message + b"\n")

    def close(self) -> None:
        self._writer.close()
        self._task.cancel()
