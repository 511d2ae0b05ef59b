"""Holds one core: takes over, joins or starts it, connects, finds the next when it dies, stops it.

Owns the core and the connection; everything that runs for them runs in `run`, which ends
within `kept.STOP` seconds of `stop`. Knows the handshake, no other method. A core that can't be
started five times in a row is `failed`, with the reason, and tried again every `PAUSES[-1]` s.
A connection that ends while the core lives is made anew: the turns in it go on. A core that was
joined (joined.py) is left, not stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from codex_http_server.engine import joined
from codex_http_server.engine.base import CoreState
from codex_http_server.engine.joined import JoinedCore
from codex_http_server.engine.kept import KeptCore
from codex_http_server.engine.launch import CoreOptions, find, last_words
from codex_http_server.engine.process import Child, recorded, rotate, size_of
from codex_http_server.engine.rpc import Peer
from codex_http_server.engine.session import AnyCore, Ears, Ended, Session, how_ended
from codex_http_server.errors import CoreError, CoreGone, CoreUnavailable, NoDaemon, ServerError
from codex_http_server.logs import get_logger, redact_text
from codex_http_server.places import remove_socket

log = get_logger(__name__)

STEADY: Final = 30.0  # seconds after which a core or a connection counts as well started
PAUSES: Final = (0.1, 0.5, 1.0, 2.0, 15.0)  # seconds before the next start, by failures
CUTS: Final = 5  # connections in a row that a living core may cut before it is started anew
DYING: Final = 0.5  # seconds for the news of a core's end to follow the end of its connection
RESTART: Final = 5.0  # seconds for a daemon that has ended to be there again (0.3 measured)
WAITING: Final = 0.5  # seconds between looks for a daemon that has to be joined
OUTPUT_CHECK: Final = 60.0  # seconds between looks at the size of the core's output

ADOPTED: Final = "it was taken over from an earlier server"
REJOINED: Final = "the connection to it was made anew"
JOINED: Final = "the daemon of Codex was joined"
RECYCLED: Final = "it is started anew while nothing runs"
STOPPED: Final = "it was stopped"


class Core:
    """One core and our connection to it. `on_state` is told each change of state."""

    def __init__(
        self, options: CoreOptions, ears: Ears, on_state: Callable[[CoreState], None]
    ) -> None:
        self._options = options
        self._ears = ears
        self._on_state = on_state
        self.state = CoreState("starting")
        self.pid: int | None = None
        left = recorded(options.places.core_record)
        self.pids = (*left, *joined.recorded(options.places))  # all that a core starts is below
        self.socket: str | None = None  # of the present core; None too where it has none
        self.outdated = False  # it was taken over, and we would start another one
        self.joined = False  # the present core, or the last one, is not ours
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
    def started_ms(self) -> int:
        """When its process was started; 0 where there is none."""
        with contextlib.suppress(psutil.Error):
            return int(psutil.Process(self.pid).create_time() * 1000) if self.pid else 0
        return 0

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
        """Stop the core and start a new one: it gives its memory back in no other way. One that is
        not ours goes on."""
        if not self.joined:
            self._recycle.set()

    # --- lives ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep a core running until `stop`. The one owner of the core."""
        failures = 0
        while not self._stopping.is_set():
            started, pause = asyncio.get_running_loop().time(), None
            try:
                reason = await self._live()
            except NoDaemon as error:
                reason, pause = f"{error.detail} {error.hint}", WAITING
            except (OSError, TimeoutError, CoreError, CoreGone, ServerError) as error:
                words = last_words(self._options.places.core_output, self._printed)
                reason = f"it did not start: {error}{words}"
            if self._stopping.is_set():
                break
            if reason == RECYCLED:
                failures = 0
                self._set("restarting", reason)
                continue
            lived = asyncio.get_running_loop().time() - started
            failures = 1 if lived > STEADY else failures + 1
            if self._goes_on:
                failures = min(failures, len(PAUSES) - 1)
            log.error("the core ended", reason=reason, failures=failures)
            self._set("failed" if failures >= len(PAUSES) else "restarting", reason)
            await self._pause(pause or PAUSES[min(failures, len(PAUSES)) - 1])
        self._set("stopped", None)

    @property
    def _goes_on(self) -> bool:
        """Whether a daemon that was joined still lives: mute perhaps, but nothing in it is lost."""
        return self.joined and bool(joined.recorded(self._options.places))

    async def _pause(self, pause: float) -> None:
        pause *= random.uniform(0.8, 1.4)  # noqa: S311
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._stopping.wait()

    async def _live(self) -> str:
        """One life of a core; why it ended."""
        self._recycle.clear()
        self._printed = size_of(self._options.places.core_output)
        patience = RESTART if self.joined else 0.0
        core, adopted, self.outdated, self._printed = await find(self._options, patience)
        self.pid, self.pids = core.pid, core.pids
        self.joined = isinstance(core, JoinedCore)
        self.socket = None if isinstance(core, Child) else str(core.socket)
        try:
            return await self._serve(core, adopted)
        finally:
            self._peer = None
            self.pid = self.socket = None
            log.info("core stopped", how=await core.stop(), status=core.status)
            # The commands of a daemon's agents run on, and are known by it.
            self.pids = joined.recorded(self._options.places) if self.joined else ()
            if isinstance(core, KeptCore):
                remove_socket(Path(core.socket))

    # --- connections ------------------------------------------------------------------------

    async def _serve(self, core: AnyCore, adopted: bool) -> str:
        """Be connected to the core until it ends or has to; why."""
        ended, cuts = asyncio.create_task(core.wait()), 0
        why = JOINED if self.joined else ADOPTED if adopted else None
        try:
            while cuts < CUTS:
                since = asyncio.get_running_loop().time()
                reason = await self._connection(core, ended, why, adopted)
                if reason is not None or await _ends(ended):
                    return reason or how_ended(core)
                if isinstance(core, Child):
                    break
                lived = asyncio.get_running_loop().time() - since
                cuts = 1 if lived > STEADY else cuts + 1
                why, adopted = REJOINED, True
                self._set("restarting", "the connection to it was lost")
            return "the connection to it was lost"
        finally:
            ended.cancel()

    async def _connection(
        self, core: AnyCore, ended: Ended, why: str | None, adopted: bool
    ) -> str | None:
        """One connection, from the handshake to its end. Why the core has to end, or None."""
        session = Session(core, ended, self._ears)
        stop = asyncio.create_task(self._stopping.wait())
        opening = asyncio.create_task(session.open())
        try:
            await _first(opening, stop)
            if not opening.done():
                return STOPPED
            self._peer = session.peer
            self._set("ready", why, opening.result(), adopted=adopted)
            return await self._until(session, ended, stop)
        finally:
            self._peer = None
            stop.cancel()
            opening.cancel()
            session.close()

    async def _until(self, session: Session, ended: Ended, stop: asyncio.Task[bool]) -> str | None:
        """Wait for the end of the connection, the core or our work; keep its output bounded."""
        mute = asyncio.create_task(session.mute(self._options.check))
        recycle = asyncio.create_task(self._recycle.wait())
        lost = asyncio.create_task(session.lost.wait())
        try:
            while not await _first(mute, recycle, lost, stop, ended, timeout=OUTPUT_CHECK):
                rotate(self._options.places.core_output)
            if stop.done():
                return STOPPED
            if mute.done():
                return f"it left a question unanswered for {self._options.check:g} s"
            return RECYCLED if recycle.done() else None
        finally:
            for task in (mute, recycle, lost):
                task.cancel()

    def _set(
        self, state: str, reason: str | None, version: str | None = None, *, adopted: bool = False
    ) -> None:
        known = version or self.state.version
        reason = reason and redact_text(reason)  # it may quote what the core printed
        body = {"state": state, "version": known, "reason": reason, "adopted": adopted}
        self.state = msgspec.convert(body | {"joined": self.joined, "pid": self.pid}, CoreState)
        self._changed.set()
        self._changed = asyncio.Event()
        self._on_state(self.state)


async def _first(*tasks: asyncio.Task[Any], timeout: float | None = None) -> bool:
    """Wait for the first of these to end; False if none does in time."""
    done, _ = await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)


async def _ends(ended: Ended) -> bool:
    """Whether the core has ended: its connection may end a moment before that is known."""
    return await _first(ended, timeout=DYING)
