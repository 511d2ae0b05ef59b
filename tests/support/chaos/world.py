"""The server, its core and its keeper, and all that can be done to them; counts what was done."""

from __future__ import annotations

import contextlib
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.support.chaos.disk import Disk
from tests.support.chaos.letters import Office
from tests.support.chaos.model import Model
from tests.support.chaos.wire import Address
from tests.support.server import Server, Site, core_record, start

OPTIONS: Final = ("--core-check", "1", "--core-wait", "2", "--heartbeat", "5")
KILLS: Final = ("kill server", "kill core", "kill keeper")


@dataclass(frozen=True)
class Blow:
    """Something that was done, and when. `idle` is how long we then left the server dead."""

    kind: str
    at: float
    idle: float = 0.0


class World:
    """One site and what lives on it."""

    def __init__(self, site: Site, disk: Disk, seed: int, runtime: Path) -> None:
        self.site = site
        self.disk = disk
        self.seed = seed
        self.address = Address()
        self.office = Office(self.address)
        self.model = Model(seed)
        self.counts: Counter[str] = Counter()
        self.blows: list[Blow] = []
        self.story: list[str] = []
        self.server: Server | None = None
        self.rss = 0
        self.runtime = runtime
        self._began = time.monotonic()
        self._logs: list[list[str]] = []
        self._frozen: list[psutil.Process] = []

    @property
    def kills(self) -> int:
        """How many kill -9 there were."""
        return sum(self.counts[kind] for kind in KILLS)

    def note(self, kind: str, idle: float = 0.0) -> None:
        """Count something that was done."""
        self.counts[kind] += 1
        self.blows.append(Blow(kind, time.monotonic(), idle))
        self.tell(f"{kind} {idle:.1f}" if idle else kind)

    def tell(self, what: str) -> None:
        """Add a line to the story of this round."""
        self.story.append(f"{time.monotonic() - self._began:8.2f} {what}")

    # --- the server ---------------------------------------------------------------------------

    def start(self, adopt_within: float = 900) -> Server:
        """Start a server. Where the disk is full that may fail: then there is room again."""
        try:
            self._start(adopt_within)
        except AssertionError:
            if not self.disk.is_full:
                raise
            self.note("start refused by a full disk")
            self.disk.free()
            self._start(adopt_within)
        assert self.server is not None
        return self.server

    def _start(self, adopt_within: float) -> None:
        words = (*OPTIONS, "--adopt-within", f"{adopt_within:g}")
        words += ("--data-dir", str(self.disk.folder))
        self.server = start(self.site, *words, environment={"XDG_RUNTIME_DIR": str(self.runtime)})
        self.address.url = self.server.url
        self._logs.append(self.server.log)
        self.tell(f"server {self.server.process.pid} listens")

    def kill_server(self, idle: float = 0.0) -> None:
        """kill -9. The caller leaves it dead for `idle` seconds."""
        if self.server is None:
            return
        server, self.server, self.address.url = self.server, None, None
        self.note("kill server", idle)
        server.kill()

    def stop(self) -> None:
        """SIGTERM; it has to end in order and in time."""
        if self.server is None:
            return
        server, self.server, self.address.url = self.server, None, None
        self.note("SIGTERM")
        status = server.stop()
        assert status == 0, f"exit status {status}:\n" + "".join(server.log[-40:])

    # --- core and keeper ----------------------------------------------------------------------

    def process(self, who: str) -> psutil.Process | None:
        """The process of `server`, `core` or `keeper`, if it is there and ours."""
        if who == "server":
            return psutil.Process(self.server.process.pid) if self.server else None
        with contextlib.suppress(psutil.Error, OSError, KeyError, ValueError):
            record = core_record(self.site)
            pid = record["pid"] if who == "core" else record["keeper"]["pid"]
            found = psutil.Process(pid)
            if found.environ().get("CODEX_HOME") == str(self.site.home):
                return found
        return None

    def kill(self, who: str) -> bool:
        """kill -9 of core or keeper; whether there was one."""
        found = self.process(who)
        if found is None or found.status() == psutil.STATUS_ZOMBIE:
            return False
        self.note(f"kill {who}")
        with contextlib.suppress(psutil.Error):
            found.kill()
        return True

    def freeze(self, who: str) -> bool:
        """SIGSTOP; whether there was a process."""
        found = self.process(who)
        if found is None:
            return False
        self.note(f"SIGSTOP {who}")
        with contextlib.suppress(psutil.Error):
            found.suspend()
            self._frozen.append(found)
        return True

    def thaw(self) -> None:
        """SIGCONT for all that was stopped for a moment."""
        for each in self._frozen:
            with contextlib.suppress(psutil.Error):
                each.send_signal(signal.SIGCONT)
        self._frozen.clear()

    def stop_core_for_good(self) -> bool:
        """SIGSTOP of the core, and no SIGCONT: the server has to replace it."""
        found = self.process("core")
        if found is None:
            return False
        self.note("core stopped for good")
        with contextlib.suppress(psutil.Error):
            found.suspend()
        return True

    # --- what is known of it ------------------------------------------------------------------

    def measure(self) -> None:
        """Look at the server's memory."""
        if self.server is not None:
            self.rss = max(self.rss, psutil.Process(self.server.process.pid).memory_info().rss)

    def report(self, error: BaseException) -> str:
        """All that helps to understand a violation."""
        words = [line for life in self._logs[-6:] for line in ["--- a server\n", *life]]
        told = [line[:400].rstrip() for line in words if '"event": "request"' not in line]
        head = [f"VIOLATION: {error}", f"CHAOS_SEED={self.seed}, {self.site.root}"]
        return "\n".join([*head, "--- this round:", *self.story, *told[-150:], *head])

    def close(self) -> None:
        """End whatever runs."""
        self.address.url = None
        self.thaw()
        self.disk.free()
        self.office.close()
        if self.server is not None:
            server, self.server = self.server, None
            with contextlib.suppress(Exception):
                server.stop()
            if server.process.poll() is None:
                server.kill()
        for who in ("core", "keeper"):
            found = self.process(who)
            if found is not None:
                with contextlib.suppress(psutil.Error):
                    found.kill()
