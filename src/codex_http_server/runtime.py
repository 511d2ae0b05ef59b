"""The composition root: the only place that chooses implementations and wires them.

Owns the order of start and stop. Start: lock, port, what an earlier server left, log, core.
Stop: refuse messages, interrupt turns, stop the core, end the streams, close the log; each
step is bounded, 5 s in all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn

from codex_http_server import __version__
from codex_http_server.accounts.accounts import Accounts
from codex_http_server.accounts.signin import SignIn
from codex_http_server.api import streams
from codex_http_server.api.app import build
from codex_http_server.api.services import Services
from codex_http_server.auth.policy import gate
from codex_http_server.conversations.approvals import Deadlines
from codex_http_server.conversations.feed import Feed
from codex_http_server.conversations.manager import Manager
from codex_http_server.conversations.watchdog import Limits
from codex_http_server.db import MEND
from codex_http_server.engine import protocol
from codex_http_server.engine.base import CoreState
from codex_http_server.engine.codex import CodexEngine
from codex_http_server.engine.kept import Bond
from codex_http_server.engine.launch import CoreOptions
from codex_http_server.engine.lock import ServerLock
from codex_http_server.engine.process import find_core
from codex_http_server.errors import (
    LogDamaged,
    LogUnusable,
    PortTaken,
    ServerError,
    SettingsError,
    StartError,
)
from codex_http_server.eventlog.sqlite import SqliteLog
from codex_http_server.events import Event
from codex_http_server.logs import get_logger
from codex_http_server.parent import watch_parent
from codex_http_server.places import Places, places
from codex_http_server.settings import Settings

log = get_logger(__name__)

STREAMS_END: Final = 2  # seconds for connections to end once the feed is closed
ACCOUNT: Final = 20.0  # seconds for the first look at the account
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")

OnReady = Callable[[dict[str, Any]], None]


class Runtime:
    """All parts of one server, put together. `run` ends within 5 s of `stop`."""

    def __init__(self, settings: Settings, where: Places, binary: Path, bond: Bond) -> None:
        self._places = where
        self._binary = binary
        backlog = settings.log_backlog
        self._log = SqliteLog(where.database, where.home, self._publish, backlog)
        limits = Limits(
            item_ms=int(settings.item_limit * 3600 * 1000),
            silence_ms=int(settings.turn_silence * 1000),
            core_memory=settings.core_memory,
        )
        self._manager = Manager(self._log, limits)
        options = CoreOptions(
            binary, where, settings.pass_env, settings.core_wait, settings.core_check, bond
        )
        self._engine = CodexEngine(options, self._manager, settings.request_timeout)
        self._manager.attach(self._engine)
        self._accounts = Accounts(self._engine)
        self._login = SignIn(self._accounts, self._manager.on_signed_in, self._manager.renew_core)
        self._manager.login = self._login
        alone = settings.approval_deadline_alone
        self._manager.deadlines = Deadlines(
            settings.approval_deadline, settings.approval_deadline if alone is None else alone
        )
        self._manager.on_server_event = self._login.on_server_event
        self._manager.on_core_state = self._on_core_state
        self._log.open()
        self._feed = Feed(self._log, settings.tail_bytes)
        self._manager.is_watched = self._feed.watched
        self._services = Services(
            version=__version__,
            manager=self._manager,
            feed=self._feed,
            log=self._log,
            accounts=self._accounts,
            login=self._login,
            gate=gate(settings.allow_host, settings.allow_origin),
            heartbeat=settings.heartbeat,
            max_streams=settings.max_streams,
            max_body=settings.max_body,
        )
        self._stop = asyncio.Event()

    def _publish(self, events: list[Event]) -> None:
        self._feed.publish(events)

    def stop(self) -> None:
        """Ask `run` to end. May be called twice."""
        self._stop.set()

    async def run(self, listening: socket.socket, on_listening: Callable[[], None]) -> None:
        """Serve until `stop`."""
        server = _Server(build(self._services), on_listening)
        try:
            await self._recover()
            core = asyncio.create_task(self._engine.run())
            tick = asyncio.create_task(self._manager.run())
            http = asyncio.create_task(server.serve(sockets=[listening]))
            stopping = asyncio.create_task(self._stop.wait())
            await asyncio.wait({core, tick, http, stopping}, return_when=asyncio.FIRST_COMPLETED)
            # None of them ends by itself unless it failed.
            failed = [part.exception() for part in (core, tick, http) if part.done()]
            await self._close(server, core, tick, http)
        finally:
            self._log.close()
        for error in failed:
            raise StartError("A part of the server failed; it has stopped.") from error

    async def _recover(self) -> None:
        try:
            await self._manager.recover()
        except LogDamaged as error:
            raise LogUnusable(error.detail, hint=MEND) from error

    async def _close(
        self,
        server: _Server,
        core: asyncio.Task[None],
        tick: asyncio.Task[None],
        http: asyncio.Task[None],
    ) -> None:
        log.info("stopping")
        tick.cancel()
        await self._manager.drain()
        self._engine.stop()
        await asyncio.wait({core})
        await self._manager.close()
        with contextlib.suppress(ServerError):
            await self._log.durable()
        self._feed.close()
        server.should_exit = True
        await asyncio.wait({http}, timeout=STREAMS_END + 1)
        log.info("stopped")

    def _on_core_state(self, state: CoreState) -> None:
        if state.version:
            self._log.core_version = state.version
        self._feed.notify(streams.core_frame(self._services))
        log.info("core", state=state.state, version=state.version, reason=state.reason)
        if state.state == "ready":
            self._manager.spawn(self._look_at_account())
            if self._services.protocol.report is None:
                self._manager.spawn(self._compare_protocol())

    async def _look_at_account(self) -> None:
        try:
            async with asyncio.timeout(ACCOUNT):
                await self._login.look()
        except (ServerError, TimeoutError) as error:
            log.info("the account could not be read", reason=str(error))

    async def _compare_protocol(self) -> None:
        try:
            found = await asyncio.to_thread(
                protocol.report, self._binary, self._places.protocol_cache
            )
        except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
            log.warning("the core's protocol could not be compared", reason=str(error))
            return
        self._services.protocol.report = found
        if not found["same"]:
            log.warning("the core speaks another protocol than the tested one", **found)


class _Server(uvicorn.Server):
    """uvicorn, with the signals left to us and a word when it listens."""

    def __init__(self, app: Any, on_listening: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                proxy_headers=False,  # the gate refuses them
                lifespan="off",
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=STREAMS_END,
            )
        )
        self._on_listening = on_listening

    @contextlib.contextmanager
    def capture_signals(self):
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_listening()


@dataclass(frozen=True)
class Plan:
    """A server to be: what `serve` needs besides the settings."""

    settings: Settings
    on_ready: OnReady
    state_root: Path | None = None
    exit_with_parent: bool = False


async def serve(plan: Plan) -> None:
    """Run a server until SIGTERM or SIGINT. Raises `StartError` if it can't start."""
    settings = plan.settings
    _refuse_beyond_loopback(settings.host)
    where = places(settings.codex_home, settings.data_dir, plan.state_root)
    binary = find_core(settings.codex_bin)
    with ExitStack() as held:
        lock = held.enter_context(ServerLock(where))
        listening = held.enter_context(await _listen(settings.host, settings.port))
        bond = Bond(settings.adopt_within, os.getppid() if plan.exit_with_parent else None)
        runtime = Runtime(settings, where, binary, bond)
        url = _url(listening)

        def on_listening() -> None:
            lock.announce(url, __version__)
            plan.on_ready(
                {"event": "ready", "url": url, "pid": os.getpid(), "version": __version__}
            )

        with _signals(runtime.stop), _parent(runtime.stop, plan.exit_with_parent):
            await runtime.run(listening, on_listening)


def _refuse_beyond_loopback(host: str) -> None:
    if host not in LOOPBACK:
        raise SettingsError(
            f"host {host} is reachable from other machines, and this version has no tokens.",
            hint="Listen on 127.0.0.1; reach it from elsewhere through an SSH tunnel:"
            " ssh -L 3032:127.0.0.1:3032 <this machine>",
        )


@contextlib.contextmanager
def _parent(stop: Callable[[], None], wanted: bool) -> Generator[None]:
    """Watch the parent for as long as the server runs."""
    watch = asyncio.create_task(watch_parent(stop)) if wanted else None
    try:
        yield
    finally:
        if watch is not None:
            watch.cancel()


@contextlib.contextmanager
def _signals(stop: Callable[[], None]):
    loop = asyncio.get_running_loop()
    wanted = (signal.SIGTERM, signal.SIGINT)
    try:
        for number in wanted:
            loop.add_signal_handler(number, stop)
    except NotImplementedError:  # Windows
        for number in wanted:
            signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(stop))
    yield


async def _listen(host: str, port: int) -> socket.socket:
    """A bound socket. Raises `PortTaken`, naming the server that has the port if it is ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(2048)
    except PermissionError as error:
        listening.close()
        raise StartError(f"Port {port} needs rights that this user lacks.") from error
    except OSError as error:
        listening.close()
        who = await asyncio.to_thread(_who_listens, host, port)
        raise PortTaken(
            f"Port {port} on {host} is taken by {who}.",
            hint="Choose another with --port, or --port 0 for a free one.",
        ) from error
    return listening


def _who_listens(host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    try:
        with urllib.request.urlopen(f"http://{name}:{port}/health", timeout=1) as answer:
            body = json.load(answer)
        return f"codex-http-server {body['version']} (its core is {body['core']['state']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another program"


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
