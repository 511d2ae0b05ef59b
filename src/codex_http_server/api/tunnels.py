"""The clients that speak the core's own protocol: how their connections are handed over.

Owns which of them there are, so that a stop ends them all. What passes is the engine's affair.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Final, cast

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from codex_http_server.auth.callers import Caller
from codex_http_server.engine.tunnel import STOPPING, CoreLine, Line, Tunnel
from codex_http_server.errors import BadRequest, Stopping, TooManyRequests, UpgradeRequired
from codex_http_server.logs import get_logger

log = get_logger(__name__)

PATH: Final = "/app-server"
SWITCH: Final = "codex_http_server.switch"  # an extension of a request's scope, of the connection's
LIMIT: Final = 64 * 1024  # bytes of a client that wait to be passed on
KEY_BYTES: Final = 16
VERSION: Final = "13"

Switch = Callable[[asyncio.Protocol], None]
Connect = Callable[[str], Awaitable[CoreLine]]


class ToAppServer:
    """The Codex TUI takes an address without a path: an upgrade of `/` is one of `/app-server`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/" and is_upgrade(Headers(scope=scope)):
            scope["path"], scope["raw_path"] = PATH, PATH.encode()
        await self._app(scope, receive, send)


def is_upgrade(headers: Headers) -> bool:
    """Whether a request asks to become a WebSocket."""
    return _names(headers, "upgrade", "websocket") and _names(headers, "connection", "upgrade")


def _names(headers: Headers, header: str, word: str) -> bool:
    words = ",".join(headers.getlist(header)).lower().split(",")
    return word in (each.strip() for each in words)


def key_of(scope: Scope) -> str:
    """The key of a request's handshake. Raises `UpgradeRequired`, `BadRequest`."""
    headers = Headers(scope=scope)
    keys, versions = headers.getlist("sec-websocket-key"), headers.getlist("sec-websocket-version")
    able = SWITCH in scope.get("extensions", ()) and scope["http_version"] == "1.1"
    if not able or not is_upgrade(headers) or versions != [VERSION]:
        raise UpgradeRequired(
            f"This is a WebSocket, version {VERSION}: the request does not ask for one.",
            hint="codex --remote ws://127.0.0.1:3032 --remote-auth-token-env VAR",
        )
    if len(keys) != 1 or not _is_key(keys[0]):
        raise BadRequest("Sec-WebSocket-Key must be there once: 16 bytes in base64.")
    return keys[0]


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == KEY_BYTES
    except (binascii.Error, ValueError):
        return False


class Tunnels:
    """The open tunnels, `most` at once. `connect` connects the client of a key to the core; `beat`
    is the seconds between pings."""

    def __init__(self, connect: Connect, most: int, beat: float) -> None:
        self.connect = connect
        self._most = most
        self._beat = beat
        self._rooms = 0
        self._open: set[Tunnel] = set()
        self._stopping = False

    @contextmanager
    def room(self) -> Generator[None]:
        """Count one more while the block runs. Raises `TooManyRequests`, `Stopping`."""
        if self._stopping:
            raise Stopping("The server is shutting down.")
        if self._rooms >= self._most:
            raise TooManyRequests(f"{self._rooms} clients have joined the core already.")
        self._rooms += 1
        try:
            yield
        finally:
            self._rooms -= 1

    async def run(self, client: Line, core: Line, caller: Caller) -> None:
        """Pass on what comes from either end until one closes."""
        tunnel = Tunnel(client, core, caller.holds, self._beat)
        self._open.add(tunnel)
        if self._stopping:
            tunnel.close(STOPPING)
        log.info("a client joined the core")
        try:
            why = await tunnel.run()
            log.info("a client left the core", sent_away=why and why.reason)
        finally:
            self._open.discard(tunnel)

    def close(self) -> None:
        """Send every client away, and those that are still to come."""
        self._stopping = True
        for tunnel in self._open:
            tunnel.close(STOPPING)


class Handover(Response):
    """The answer 101, and all that follows it on this connection."""

    def __init__(self, tunnels: Tunnels, key: str, caller: Caller) -> None:
        super().__init__(None, 101)
        self._tunnels, self._key, self._caller = tunnels, key, caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._tunnels.room():
            core = await self._tunnels.connect(self._key)
            try:
                client = await self._switch(core.accept, scope, receive, send)
                if client is not None:
                    await self._tunnels.run(client, core, self._caller)
            finally:
                core.writer.transport.abort()

    async def _switch(self, accept: str, scope: Scope, receive: Receive, send: Send) -> Line | None:
        """Say yes; the client's end from there on, None if it has left already."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(LIMIT, loop)
        client = _Client(reader)
        switch: Switch = scope["extensions"][SWITCH]
        switch(client)
        self.headers.update(
            {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept}
        )
        await super().__call__(scope, receive, send)
        if client.transport is None:
            return None
        return Line(reader, asyncio.StreamWriter(client.transport, client, reader, loop))


class _Client(asyncio.StreamReaderProtocol):
    """The client's end, once the connection is handed over."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__(reader)
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport = cast(asyncio.WriteTransport, transport)
