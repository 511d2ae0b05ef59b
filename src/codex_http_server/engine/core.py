"""Holds one core: takes over or starts it, connects, starts it again when it dies, stops it.

Owns the core and the connection; everything that runs for them runs in `run`, which ends
within `kept.STOP` seconds of `stop`. Knows the handshake, no other method. A core that can't be
started five times in a row is `failed`, with the reason, and tried again every `PAUSES[-1]` s.
A connection that ends while the core lives is made anew: the turns in it go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import psutil

from codex_http_server import __version__
from codex_http_server.engine import kept
from codex_http_server.engine.base import CoreState
from codex_http_server.engine.environment import core_environment
from codex_http_server.engine.kept import Bond, KeptCore
from codex_http_server.engine.process import Child, ending, reap, rotate, size_of, spawn
from codex_http_server.engine.rpc import OnNotification, OnRequest, Peer
from codex_http_server.engine.transport import (
    OnPause,
    StdioTransport,
    Transport,
    connect_socket,
)
from codex_http_server.errors import (
    CoreError,
    CoreGone,
    CoreMissing,
    CoreTimeout,
    CoreUnavailable,
    ServerError,
)
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
STEADY: Final = 30.0  # seconds after which a core or a connection counts as well started
PAUSES: Final = (0.1, 0.5, 1.0, 2.0, 15.0)  # seconds before the next start, by failures
CUTS: Final = 5  # connections in a row that a living core may cut before it is started anew
DYING: Final = 0.5  # seconds for the news of a core's end to follow the end of its connection
OUTPUT_CHECK: Final = 60.0  # seconds between looks at the size of the core's output
KEEPER_SUFFIX: Final = len(".keeper")

COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")

ADOPTED: Final = "it was taken over from an earlier server"
REJOINED: Final = "the connection to it was made anew"
RECYCLED: Final = "it is started anew while nothing runs"


@dataclass(frozen=True)
class CoreOptions:
    """What a core is started with."""

    binary: Path
    places: Places
    pass_env: tuple[str, ...]
    wait: float  # seconds a caller waits for a starting core
    check: float = 30.0  # seconds that a core may leave a question unanswered; 0: for ever
    bond: Bond = Bond(900.0)  # noqa: RUF009 # a frozen value
    transport: str = "socket" if os.name == "posix" else "stdio"


class Core:
    """One core and our connection to it.

    `on_state` is told each change of state; `question` asks the core something cheap.
    """

    def __init__(
        self,
        options: CoreOptions,
        on_notification: OnNotification,
        on_request: OnRequest,
        on_state: Callable[[CoreState], None],
        *,
        question: Callable[[Peer, float], Awaitable[object]],
        on_pause: OnPause,
    ) -> None:
        self._options = options
        self._on_notification = on_notification
        self._on_request = on_request
        self._on_state = on_state
        self._question = question
        self._on_pause = on_pause
        self.state = CoreState("starting")
        self.pid: int | None = None
        self.outdated = False  # it was taken over, and we would start another one
        self._peer: Peer | None = None
        self._printed = 0  # size of the output when this core was started
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._recycle = asyncio.Event()

    async def peer(self) -> Peer:
        """The connection, once the core is ready. Raises `CoreUnavailable` after `wait` s."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.wait):
                # `ready` without a peer: the connection has just ended.
                while self._peer is None and self.state.state not in ("failed", "stopped"):
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

    @property
    def memory(self) -> int:
        """Bytes of memory that the core holds (RSS); 0 where there is none."""
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self.pid).memory_info().rss if self.pid else 0
        return 0

    def stop(self) -> None:
        """Ask `run` to end. The core is stopped there."""
        self._stopping.set()

    def recycle(self) -> None:
        """Stop the core and start a new one: it gives its memory back in no other way."""
        self._recycle.set()

    # --- lives ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep a core running until `stop`. The one owner of the core."""
        failures = 0
        while not self._stopping.is_set():
            started = asyncio.get_running_loop().time()
            try:
                reason = await self._live()
            except (OSError, TimeoutError, CoreError, CoreGone, ServerError) as error:
                reason = f"it did not start: {error}{self._last_words()}"
            if self._stopping.is_set():
                break
            if reason == RECYCLED:
                failures = 0
                self._set("restarting", reason)
                continue
            lived = asyncio.get_running_loop().time() - started
            failures = 1 if lived > STEADY else failures + 1
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
        self._recycle.clear()
        core, adopted = await self._find()
        self.pid = core.pid
        try:
            return await self._serve(core, adopted)
        finally:
            self._peer = None
            self.pid = None
            log.info("core stopped", how=await core.stop(), status=core.status)
            if isinstance(core, KeptCore):
                remove_socket(Path(core.socket))

    async def _find(self) -> tuple[KeptCore | Child, bool]:
        """The core that an earlier server left, else a new one; whether it was taken over."""
        options, places = self._options, self._options.places
        if options.transport == "socket":
            found = await kept.adopt(places, options.bond)
            if found is not None:
                wanted = _command(options.binary, f"unix://{found.socket}")
                self.outdated = (found.command, found.version) != (wanted, __version__)
                return found, True
        await asyncio.to_thread(reap, places.core_record)
        self.outdated = False
        return await self._start(), False

    async def _start(self) -> KeptCore | Child:
        options, places = self._options, self._options.places
        rotate(places.core_output)
        self._printed = size_of(places.core_output)
        environment = core_environment(os.environ, str(places.home), options.pass_env)
        if options.transport != "socket":
            command = _command(options.binary, "stdio://")
            record, output = places.core_record, places.core_output
            return await spawn(command, environment, record=record, output=output)
        socket = _socket_path(places)
        command = _command(options.binary, f"unix://{socket}")
        return await kept.start(
            command, environment, places, socket=socket, version=__version__, bond=options.bond
        )

    # --- connections ------------------------------------------------------------------------

    async def _serve(self, core: KeptCore | Child, adopted: bool) -> str:
        """Be connected to the core until it ends or has to; why."""
        ended, cuts = asyncio.create_task(core.wait()), 0
        why = ADOPTED if adopted else None
        try:
            while cuts < CUTS:
                since = asyncio.get_running_loop().time()
                reason = await self._connection(core, ended, why)
                if reason is not None or await _ends(ended):
                    return reason or ending(core.status)
                if isinstance(core, Child):
                    break
                lived = asyncio.get_running_loop().time() - since
                cuts, why = 1 if lived > STEADY else cuts + 1, REJOINED
                self._set("restarting", "the connection to it was lost")
            return "the connection to it was lost"
        finally:
            ended.cancel()

    async def _connection(
        self, core: KeptCore | Child, ended: asyncio.Task[int | None], why: str | None
    ) -> str | None:
        """One connection, from the handshake to its end. Why the core has to end, or None."""
        lost = asyncio.Event()
        peer = Peer(self._on_notification, self._on_request)

        def on_lost() -> None:
            peer.lost()
            lost.set()

        transport: Transport | None = None
        try:
            transport = await self._connect(core, ended, peer, on_lost)
            peer.attach(transport)
            version = await _hello(peer)
            self._peer = peer
            self._set("ready", why, version, adopted=why is not None)
            return await self._until(peer, lost, ended)
        finally:
            self._peer = None
            if transport is not None:
                transport.close()
            peer.lost()

    async def _connect(
        self,
        core: KeptCore | Child,
        ended: asyncio.Task[int | None],
        peer: Peer,
        on_lost: Callable[[], None],
    ) -> Transport:
        if isinstance(core, Child):
            pipes = core.process
            assert pipes.stdout is not None
            assert pipes.stdin is not None
            return StdioTransport(pipes.stdout, pipes.stdin, peer.receive, on_lost)
        async with asyncio.timeout(LISTEN):
            while not ended.done() and not self._stopping.is_set():
                # The core says nothing when it starts to listen, so we knock.
                with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                    return await connect_socket(core.socket, peer.receive, on_lost, self._on_pause)
                await asyncio.sleep(0.01)
        raise CoreGone(ending(core.status))

    async def _until(
        self, peer: Peer, lost: asyncio.Event, ended: asyncio.Task[int | None]
    ) -> str | None:
        """Wait for the end of the connection, the core or our work; keep its output bounded."""
        mute = asyncio.create_task(self._mute(peer))
        stop = asyncio.create_task(self._stopping.wait())
        recycle = asyncio.create_task(self._recycle.wait())
        gone = asyncio.create_task(lost.wait())
        tasks = {mute, stop, recycle, gone}
        try:
            while not any(task.done() for task in (*tasks, ended)):
                await asyncio.wait(
                    (*tasks, ended), timeout=OUTPUT_CHECK, return_when=asyncio.FIRST_COMPLETED
                )
                rotate(self._options.places.core_output)
            if stop.done():
                return "it was stopped"
            if mute.done():
                return f"it left a question unanswered for {self._options.check:g} s"
            return RECYCLED if recycle.done() else None
        finally:
            for task in tasks:
                task.cancel()

    async def _mute(self, peer: Peer) -> None:
        """Return once the core has left a question unanswered for `check` seconds."""
        check = self._options.check
        while check:
            await asyncio.sleep(check / 2)
            try:
                await self._question(peer, check)
            except CoreTimeout:
                return
            except CoreError as error:
                log.warning("the core refused a plain question", reason=error.message)
            except CoreGone:
                break
        await asyncio.Event().wait()  # the end of the connection is seen elsewhere

    def _last_words(self) -> str:
        """The last lines that this core printed, for the reason of a failed start."""
        with contextlib.suppress(OSError):
            printed = self._options.places.core_output.read_bytes()[self._printed :]
            plain = COLOUR.sub("", printed[-2000:].decode(errors="replace"))
            lines = plain.strip().splitlines()
            return ": " + " / ".join(lines[-3:])[:600] if lines else ""
        return ""

    def _set(
        self, state: str, reason: str | None, version: str | None = None, *, adopted: bool = False
    ) -> None:
        known = version or self.state.version
        self.state = msgspec.convert(
            {"state": state, "version": known, "reason": reason, "adopted": adopted}, CoreState
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


async def _ends(ended: asyncio.Task[int | None]) -> bool:
    """Whether the core has ended: its connection may end a moment before that is known."""
    await asyncio.wait({ended}, timeout=DYING)
    return ended.done()


def _command(binary: Path, listen: str) -> list[str]:
    # The snapshot runs the user's login shell for every thread: 7.1 s of CPU for 20 threads
    # against 1.1 s without (measured).
    return [str(binary), "app-server", "--listen", listen, "--disable", "shell_snapshot"]


def _socket_path(places: Places) -> str:
    path = str(socket_folder(places.runtime) / f"{secrets.token_hex(4)}.sock")
    if len(os.fsencode(path)) + KEEPER_SUFFIX > SOCKET_PATH_LIMIT:
        raise CoreMissing(f"The socket path {path} is too long.", hint="Set XDG_RUNTIME_DIR.")
    return path
