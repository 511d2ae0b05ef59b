"""A client that speaks the core's own protocol through the server (`GET /app-server`)."""

from __future__ import annotations

import base64
import json
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from tests.support.access import bearer
from tests.support.other_client import OtherClient
from tests.support.raw import Line, get
from tests.support.server import Json, Server

HANDSHAKE = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: " + base64.b64encode(b"0123456789abcdef"),
)


def shown(token: str) -> bytes:
    """The header that carries a token."""
    return b"Authorization: Bearer " + token.encode()


def opened(server: Server, token: str, path: str = "/app-server", **options: Any) -> Any:
    """A WebSocket of the server; use with `with`."""
    return connect(
        server.url.replace("http", "ws", 1) + path,
        additional_headers=bearer(token) | options.pop("headers", {}),
        compression=None,
        max_size=None,
        proxy=None,
        ping_interval=None,
        **options,
    )


class Joined(OtherClient):
    """Such a client, past its `initialize`. Use with `with`."""

    def __init__(self, server: Server, token: str, **options: Any) -> None:
        super().__init__(server.site, connecting=opened(server, token, **options))

    @property
    def socket(self) -> ClientConnection:
        """The WebSocket."""
        return self._socket


class Idle(Line):
    """A client that reads only when it is told to, and answers no ping."""

    def __init__(self, server: Server, token: str) -> None:
        super().__init__(server.url, timeout=20)
        self.told = b""
        self.send(get("/app-server", shown(token), *HANDSHAKE))
        self.until(b"\r\n\r\n")

    def tell(self, method: str, number: int | None = None, **params: Any) -> None:
        """Send a message of the core's protocol."""
        message: Json = {"method": method, "params": params}
        if number is not None:
            message["id"] = number
        self.send(Frame(Opcode.TEXT, json.dumps(message).encode()).serialize(mask=True))

    def until(self, words: bytes) -> None:
        """Read until these bytes have come."""
        while words not in self.told:
            data = self.socket.recv(4096)
            assert data, "the server closed it"
            self.told += data

    def rest(self) -> bytes:
        """Read to the end."""
        parts: list[bytes] = []
        try:
            while data := self.socket.recv(65536):
                parts.append(data)
        except ConnectionResetError:
            parts.append(b"reset")
        return b"".join(parts)
