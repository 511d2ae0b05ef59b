"""The composition root: the only place that chooses implementations and wires them.

Owns the order of start and stop. Start: lock, port, what an earlier server left, log, core.
Stop: refuse messages, interrupt turns, stop the core, end the streams, close the log; each
step is bounded, 5 s in all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import uvicorn

from codex_http_server import __version__
from codex_http_server.accounts.accounts import Accounts
from codex_http_server.accounts.logins import Logins
from codex_http_server.accounts.signin import SignIn
from codex_http_server.api import streams
from codex_http_server.api.app import build
from codex_http_server.api.connection import Door, connections
from codex_http_server.api.limits import Streams
from codex_http_server.api.recognise import Recogniser
from codex_http_server.api.services import Services
from codex_http_server.api.tunnels import Tunnels
from codex_http_server.auth.attempts import Attempts
from codex_http_server.auth.checks import peer_check
from codex_http_server.auth.keyring import Keyring
from codex_http_server.auth.pages import Sessions
from codex_http_server.auth.peers import LocalPeers, Mark
from codex_http_server.auth.policy import gate, is_loopback
from codex_http_server.auth.portable import Nothing
from codex_http_server.auth.tickets import Tickets
from codex_http_server.conversations.approvals import Deadlines
from codex_http_server.conversations.feed import Feed
from codex_http_server.conversations.files import Files
from codex_http_server.conversations.ledger import Ledger
from codex_http_server.conversations.manager import Manager
from codex_http_server.conversations.quota import quotas
from codex_http_server.conversations.rules import Rules
from codex_http_server.conversations.uploads import UploadLimits, Uploads
from codex_http_server.conversations.watchdog import Limits
from codex_http_server.db import MEND
from codex_http_server.engine import protocol
from codex_http_server.engine.base import CoreState
from codex_http_server.engine.choice import Mode
from codex_http_server.engine.codex import CodexEngine
from codex_http_server.engine.daemon import program_of
from codex_http_server.engine.discovery import Discovery
from codex_http_server.engine.kept import Bond
from codex_http_server.engine.launch import CoreOptions, no_daemon
from codex_http_server.engine.lock import ServerLock
from codex_http_server.engine.meeting import meet
from codex_http_server.engine.neighbours import Neighbours
from codex_http_server.engine.process import find_core
from codex_http_server.engine.rulefiles import RuleFiles
from codex_http_server.engine.strays import MARK as CORE_MARK
from codex_http_server.errors import (
    LogDamaged,
    LogUnusable,
    ServerError,
    SettingsError,
    StartError,
)
from codex_http_server.eventlog.sqlite import SqliteLog
from codex_http_server.events import Event
from codex_http_server.listening import on_path, on_port
from codex_http_server.logs import get_logger
from codex_http_server.notify.courier import Courier
from codex_http_server.notify.marks import Marks
from codex_http_server.notify.notifier import Notifier
from codex_http_server.notify.receivers import receivers_of
from codex_http_server.notify.telling import Receiver
from codex_http_server.parent import watch_parent
from codex_http_server.places import Places, places
from codex_http_server.settings import Settings, default_file

try:
    import resource
except ImportError:  # Windows
    resource = None

log = get_logger(__name__)

STREAMS_END: Final = 2  # seconds for connections to end once the feed is closed
FILES: Final = 96  # open files that are no connection of a caller

OnReady = Callable[[dict[str, Any]], None]


class Runtime:
    """All parts of one server, put together. `run` ends within 5 s of `stop`."""

    def __init__(
        self,
        settings: Settings,
        where: Places,
        binary: Path,
        bond: Bond,
        keyring: Keyring,
        *,
        receivers: Sequence[Receiver],
    ) -> None:
        self._places = where
        self._binary = binary
        self._compared: Path | None = None  # the binary whose protocol /health tells of
        backlog = settings.log_backlog
        self._log = SqliteLog(where.database, where.home, self._publish, backlog)
        limits = Limits(
            item_ms=int(settings.item_limit * 3600 * 1000),
            silence_ms=int(settings.turn_silence * 1000),
            grace=settings.interrupt_grace,
            core_memory=settings.core_memory,
        )
        uploads = Uploads(where.uploads, _upload_limits(settings))
        self._manager = Manager(self._log, limits, Ledger(quotas(settings.quota)), uploads)
        options = CoreOptions(
            binary,
            where,
            settings.pass_env,
            settings.core_wait,
            settings.core_check,
            bond,
            mode=cast(Mode, settings.core),
        )
        self._engine = CodexEngine(options, self._manager, settings.request_timeout)
        self._manager.attach(self._engine)
        peers = LocalPeers(peer_check(_mark(where)), lambda: self._engine.pids)
        logins = Logins(self._engine, settings.login_limit, where.login_record)
        self._accounts = Accounts(
            self._engine,
            where.home,
            logins,
            append=lambda draft: self._log.append(None, (draft,)),
            renew=self._manager.renew_core,
        )
        self._login = SignIn(self._accounts, self._manager.on_signed_in)
        self._manager.login = self._login
        alone = settings.approval_deadline_alone
        self._manager.deadlines = Deadlines(
            settings.approval_deadline, settings.approval_deadline if alone is None else alone
        )
        self._manager.on_server_event = self._accounts.on_server_event
        self._manager.on_core_state = self._on_core_state
        self._log.open()
        self._notifier = Notifier(
            Courier(each, self._log, Marks(where.notify_marks), frozenset(settings.notify_on))
            for each in receivers
        )
        self._feed = Feed(self._log, settings.tail_bytes)
        self._manager.is_watched = self._feed.watched
        tickets, sessions = Tickets(), Sessions()
        recognise = Recogniser(
            local=peers,
            keyring=keyring,
            tickets=tickets,
            sessions=sessions,
            attempts=Attempts(),
            require_token=settings.require_token,
        )
        self._rules = Rules(RuleFiles(where.home), self._manager, self._log)
        discovery = Discovery(self._engine.ask)
        self._services = Services(
            version=__version__,
            manager=self._manager,
            feed=self._feed,
            log=self._log,
            accounts=self._accounts,
            login=self._login,
            discovery=discovery,
            neighbours=Neighbours(where, self._joined),
            gate=gate(settings.allow_host, settings.allow_origin, unix=settings.listen is not None),
            heartbeat=settings.heartbeat,
            streams=Streams(settings.max_streams, settings.max_streams_per_caller),
            tunnels=Tunnels(self._engine.connect, settings.max_app_clients, settings.heartbeat),
            max_requests=settings.max_requests_per_caller,
            max_body=settings.max_body,
            max_upload=settings.max_upload,
            uploads=uploads,
            files=Files(settings.root, _secrets(settings, where), discovery.files),
            rules=self._rules,
            keyring=keyring,
            tickets=tickets,
            sessions=sessions,
            page_codes=where.page_codes,
            roots=settings.root,
            recognise=recognise,
            notifier=self._notifier,
        )
        self._peers = peers
        self._door = Door(peers.meet, _room(settings.max_connections))
        self._stop = asyncio.Event()

    def _publish(self, events: list[Event]) -> None:
        self._feed.publish(events)
        self._notifier.push(events)

    def _joined(self) -> tuple[int, ...]:
        """The daemon that is our core, if it is one."""
        return self._engine.pids if self._engine.state.joined else ()

    @property
    def peer_check(self) -> str:
        """How the callers without a token are known."""
        return self._peers.check

    def stop(self) -> None:
        """Ask `run` to end. May be called twice."""
        self._stop.set()

    async def run(self, listening: socket.socket, on_listening: Callable[[], None]) -> None:
        """Serve until `stop`."""
        server = _Server(build(self._services), connections(self._door), on_listening)
        try:
            await self._recover()
            core = asyncio.create_task(self._engine.run())
            tick = asyncio.create_task(self._manager.run())
            account = asyncio.create_task(self._accounts.run())
            told = asyncio.create_task(self._notifier.run())
            http = asyncio.create_task(server.serve(sockets=[listening]))
            stopping = asyncio.create_task(self._stop.wait())
            parts = (core, tick, account, told, http)
            await asyncio.wait({*parts, stopping}, return_when=asyncio.FIRST_COMPLETED)
            # None of them ends by itself unless it failed.
            failed = [part.exception() for part in parts if part.done()]
            account.cancel()
            await self._close(server, core, tick, http)
            told.cancel()  # last: it has been told of the turns that the stop has ended
            await asyncio.wait({told}, timeout=1)
        finally:
            self._peers.close()
            self._log.close()
        for error in failed:
            raise StartError("A part of the server failed; it has stopped.") from error

    async def _recover(self) -> None:
        try:
            await self._manager.recover()
            self._rules.recover()
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
        self._services.tunnels.close()
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
        self._accounts.on_core(state)
        if state.state == "ready":
            self._manager.spawn(self._compare_protocol(state))

    async def _compare_protocol(self, state: CoreState) -> None:
        """Of this core, if another binary was compared before."""
        binary = program_of(state.pid) if state.joined else self._binary
        if binary is None or binary == self._compared:
            return
        self._compared = binary
        try:
            found = await asyncio.to_thread(protocol.report, binary, self._places.protocol_cache)
        except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
            log.warning("the core's protocol could not be compared", reason=str(error))
            return
        self._services.protocol.report = found
        if not found["same"]:
            log.warning("the core speaks another protocol than the tested one", **found)


class _Server(uvicorn.Server):
    """uvicorn, with the signals left to us and a word when it listens."""

    def __init__(
        self, app: Any, http: type[asyncio.Protocol], on_listening: Callable[[], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=http,
                ws="none",  # no route speaks it, and what stands before the routes does not see it
                log_config=None,
                access_log=False,
                proxy_headers=False,  # without a token they are refused, else they mean nothing
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
    token: str | None = None  # of the environment


async def serve(plan: Plan) -> None:
    """Run a server until SIGTERM or SIGINT. Raises `StartError` if it can't start."""
    settings = plan.settings
    where = places(settings.codex_home, settings.data_dir, plan.state_root)
    keyring = Keyring(settings.token_file or where.tokens, plan.token)
    keyring.load()
    if settings.listen is None:
        _check_reach(settings.host, keyring)
    _check_roots(settings.root)
    binary = find_core(settings.codex_bin)
    with ExitStack() as held:
        lock = held.enter_context(ServerLock(where))
        if settings.core == "join":
            met = await meet(where.home)
            if met.presence != "healthy":
                raise no_daemon(met)
        place = (
            on_path(settings.listen) if settings.listen else on_port(settings.host, settings.port)
        )
        listening = held.enter_context(place)
        bond = Bond(settings.adopt_within, os.getppid() if plan.exit_with_parent else None)
        receivers = receivers_of(settings, where, __version__)
        runtime = Runtime(settings, where, binary, bond, keyring, receivers=receivers)

        if runtime.peer_check == Nothing.name:
            log.warning("this machine does not tell who calls: callers without a token are refused")

        def on_listening() -> None:
            lock.announce(listening.url, __version__)
            plan.on_ready(
                {
                    "event": "ready",
                    "url": listening.url,
                    "pid": os.getpid(),
                    "version": __version__,
                    "peer_check": runtime.peer_check,
                }
            )

        with _signals(runtime.stop), _parent(runtime.stop, plan.exit_with_parent):
            await runtime.run(listening.socket, on_listening)


def _mark(where: Places) -> Mark:
    """What all cores of this user hand down: the path of their socket."""
    return Mark(CORE_MARK, where.runtime.parent, os.environ.get(CORE_MARK))


def _secrets(settings: Settings, where: Places) -> list[Path]:
    """What no caller may read: logins, tokens, settings, the log, of all homes as far as known; and
    what processes show of themselves, their environment for one. Files that are worth a hard link
    elsewhere are named besides their folders."""
    homes = (where.home, Path.home() / ".codex")
    in_homes = [home / name for home in homes for name in ("", "auth.json", "config.toml")]
    ours = [where.data, where.database, where.state.parent, where.tokens, default_file().parent]
    ours.append(where.webhook_secret)
    given = [each for each in (settings.token_file, settings.webhook_secret_file) if each]
    return [*in_homes, *ours, *given, where.state, Path("/proc")]


def _upload_limits(settings: Settings) -> UploadLimits:
    hours = settings.upload_lifetime
    return UploadLimits(settings.max_upload, settings.max_uploads, hours * 3600)


def _room(wanted: int) -> int:
    """How many connections there may be: files are left for the log and the core."""
    if resource is None:
        return wanted
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = max(8, files - FILES)
    if files != resource.RLIM_INFINITY and room < wanted:
        log.warning("fewer connections than max_connections fit", files=files, connections=room)
        return room
    return wanted


def _check_reach(host: str, keyring: Keyring) -> None:
    """Beyond this machine only with a token."""
    if is_loopback(host):
        return
    if not keyring.usable():
        raise SettingsError(
            f"host {host} is reachable from other machines, and there is no token.",
            hint="Make one: codex-http-server token create --name <who>; or listen on 127.0.0.1"
            " and reach it through an SSH tunnel: ssh -L 3032:127.0.0.1:3032 <this machine>",
        )
    log.warning(
        "the server listens beyond this machine, and its traffic is not encrypted: tokens and"
        " work can be read on the way; put SSH or a TLS proxy in between",
        host=host,
    )


def _check_roots(roots: tuple[Path, ...]) -> None:
    for root in roots:
        if not root.is_dir():
            raise SettingsError(f"root {root} is not a directory.")


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
