"""Holds one core: starts it, connects, starts it again when it dies, stops it.

Owns the child and the connection; everything that runs for them runs in `run`, which ends
within `STOP` seconds of `stop`. Knows the handshake, no other method. A core that can't be
started five times in a row is `failed`, with the reason, and tried again every `PAUSES[-1]` s.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from codex_http_server import __version__
from codex_http_server.engine.base import CoreState
from codex_http_server.engine.environment import core_environment
from codex_http_server.engine.process import Child, rotate, size_of, spawn
from codex_http_server.engine.rpc import OnNotification, OnRequest, Peer
from codex_http_server.engine.transport import StdioTransport, Transport, connect_socket
from codex_http_server.errors import CoreError, CoreGone, CoreMissing, CoreUnavailable, ServerError
from codex_http_server.logs import get_logger
from codex_http_server.places import (
    SOCKET_PATH_LIMIT,
    Places,
    remove_socket,
    socket_folder,
)

log = get_logger(__name__)

LISTEN: Final = 15.0  # seconds for a started core to listen (cold home: 0.24-0.66 measured)
HELLO: Final = 10.0  # seconds for its answer to `initialize`
STEADY: Final = 30.0  # seconds after which a core counts as well started
PAUSES: Final = (0.1, 0.5, 1.0, 2.0, 15.0)  # seconds before the next start, by failures
OUTPUT_CHECK: Final = 60.0  # seconds between looks at the size of the core's output


@dataclass(frozen=True)
class CoreOptions:
    """What a core is started with."""

    binary: Path
    places: Places
    pass_env: tuple[str, ...]
    wait: float  # seconds a caller waits for a starting core
    transport: str = "socket" if os.name == "posix" else "stdio"


class Core:
    """One core and our connection to it. `on_state` is told each change of state."""

    def __init__(
        self,
        options: CoreOptions,
        on_notification: OnNotification,
        on_request: OnRequest,
        on_state: Callable[[CoreState], None],
    ) -> None:
        self._options = options
        self._on_notification = on_notification
        self._on_request = on_request
        self._on_state = on_state
        self.state = CoreState("starting")
        self.pid: int | None = None
        self._peer: Peer | None = None
        self._printed = 0  # size of the output when this core was started
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()

    async def peer(self) -> Peer:
        """The connection, once the core is ready. Raises `CoreUnavailable` after `wait` s."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.wait):
                while self._peer is None and self.state.state in ("starting", "restarting"):
                    await self._changed.wait()
        if self._peer is None:
            reason = f": {self.state.reason}" if self.state.reason else ""
            raise CoreUnavailable(
                f"The Codex core is {self.state.state}{reason}.",
                hint="GET /health shows its state. The message was not accepted.",
            )
        return self._peer

    @property
    def connected(self) -> Peer | None:
        """The connection, if there is one now."""
        return self._peer

    def stop(self) -> None:
        """Ask `run` to end. The core is stopped there."""
        self._stopping.set()

    async def run(self) -> None:
        """Keep a core running until `stop`. The one owner of the child."""
        failures = 0
        while not self._stopping.is_set():
            started = asyncio.get_running_loop().time()
            try:
                reason = await self._live()
            except (OSError, TimeoutError, CoreError, CoreGone, ServerError) as error:
                reason = f"it did not start: {error}{self._last_words()}"
            lived = asyncio.get_running_loop().time() - started
            failures = 1 if lived > STEADY else failures + 1
            if self._stopping.is_set():
                break
            log.error("the core ended", reason=reason, failures=failures)
            self._set("failed" if failures >= len(PAUSES) else "restarting", reason)
            await self._pause(failures)
        self._set("stopped", None)

    async def _pause(self, failures: int) -> None:
        pause = PAUSES[min(failures, len(PAUSES)) - 1] * random.uniform(0.8, 1.4)  # noqa: S311
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._stopping.wait()

    async def _live(self) -> str:
        """One life of a core; why it ended."""
        child, socket = await self._spawn()
        self.pid = child.pid
        try:
            return await self._serve(child, socket)
        finally:
            self._peer = None
            self.pid = None
            rung = await child.stop()
            log.info("core stopped", rung=rung, status=child.process.returncode)
            if socket is not None:
                remove_socket(Path(socket))

    async def _spawn(self) -> tuple[Child, str | None]:
        options, places = self._options, self._options.places
        rotate(places.core_output)
        self._printed = size_of(places.core_output)
        socket = _socket_path(places) if options.transport == "socket" else None
        listen = f"unix://{socket}" if socket else "stdio://"
        command = [str(options.binary), "app-server", "--listen", listen]
        # The snapshot runs the user's login shell for every thread: 7.1 s of CPU for 20
        # threads against 1.1 s without (measured).
        command += ["--disable", "shell_snapshot"]
        child = await spawn(
            command,
            core_environment(os.environ, str(places.home), options.pass_env),
            record=places.core_record,
            output=places.core_output,
            socket=socket,
        )
        return child, socket

    async def _serve(self, child: Child, socket: str | None) -> str:
        lost = asyncio.Event()
        peer = Peer(self._on_notification, self._on_request)

        def on_lost() -> None:
            peer.lost()
            lost.set()

        died = asyncio.create_task(child.wait())
        transport: Transport | None = None
        try:
            transport = await self._connect(child, died, socket, peer, on_lost)
            peer.attach(transport)
            version = await _hello(peer)
            self._peer = peer
            self._set("ready", None, version)
            await self._until(lost, died)
        finally:
            died.cancel()
            if transport is not None:
                transport.close()
            peer.lost()
        return "it was stopped" if self._stopping.is_set() else await _ending(child)

    async def _connect(
        self,
        child: Child,
        died: asyncio.Task[int],
        socket: str | None,
        peer: Peer,
        on_lost: Callable[[], None],
    ) -> Transport:
        if socket is None:
            pipes = child.process
            assert pipes.stdout is not None
            assert pipes.stdin is not None
            return StdioTransport(pipes.stdout, pipes.stdin, peer.receive, on_lost)
        async with asyncio.timeout(LISTEN):
            while not died.done() and not self._stopping.is_set():
                # The core says nothing when it starts to listen, so we knock.
                with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                    return await connect_socket(socket, peer.receive, on_lost)
                await asyncio.sleep(0.01)
        raise CoreGone(f"it ended with status {child.process.returncode}")

    async def _until(self, lost: asyncio.Event, died: asyncio.Task[int]) -> None:
        """Wait until the connection, the child or our work ends; keep its output bounded."""
        tasks = [
            asyncio.create_task(lost.wait()),
            asyncio.create_task(self._stopping.wait()),
            died,
        ]
        try:
            while not any(task.done() for task in tasks):
                await asyncio.wait(tasks, timeout=OUTPUT_CHECK, return_when=asyncio.FIRST_COMPLETED)
                rotate(self._options.places.core_output)
        finally:
            for task in tasks[:2]:
                task.cancel()

    def _last_words(self) -> str:
        """The last lines that this core printed, for the reason of a failed start."""
        with contextlib.suppress(OSError):
            printed = self._options.places.core_output.read_bytes()[self._printed :]
            lines = printed[-2000:].decode(errors="replace").strip().splitlines()
            return ": " + " / ".join(lines[-3:])[:600] if lines else ""
        return ""

    def _set(self, state: str, reason: str | None, version: str | None = None) -> None:
        known = version or self.state.version
        self.state = msgspec.convert(
            {"state": state, "version": known, "reason": reason}, CoreState
        )
        self._changed.set()
        self._changed = asyncio.Event()
        self._on_state(self.state)


async def _hello(peer: Peer) -> str | None:
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
    """`codex_http_server/0.163.0 (Debian …)` → `0.163.0`."""
    head = user_agent.split(" ", 1)[0]
    return head.split("/", 1)[1] if "/" in head else None


async def _ending(child: Child) -> str:
    # The connection may end a moment before the exit status is there.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await child.wait()
    status = child.process.returncode
    if status is None:
        return "the connection to it was lost"
    return f"it was ended by signal {-status}" if status < 0 else f"it exited with {status}"


def _socket_path(places: Places) -> str:
    path = str(socket_folder(places.runtime) / f"{secrets.token_hex(4)}.sock")
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
        raise CoreMissing(f"The socket path {path} is too long.", hint="Set XDG_RUNTIME_DIR.")
    return path
