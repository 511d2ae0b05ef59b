"""Cores that are held by a keeper, for tests: one home, and everything that runs for it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from codex_http_server.engine import keeper, kept
from codex_http_server.engine.kept import Bond, KeptCore
from codex_http_server.places import Places
from tests.support.commands import until
from tests.support.server import gone

ENGINES = Path(__file__).parents[1] / "process" / "engines"
PATIENCE = 5.0  # seconds
MARK = "KEEPER_TEST"  # in the environment of all that runs for a home
LONG = Bond(60.0)


def engine(name: str) -> list[str]:
    """The command of a core that is not one."""
    return [sys.executable, str(ENGINES / f"{name}.py")]


async def ended(process: psutil.Process, patience: float = PATIENCE) -> None:
    """Wait for the end of a process."""
    await asyncio.to_thread(until, lambda: gone(process), f"{process} ends", patience)


async def stays(core: KeptCore, seconds: float = 0.3) -> None:
    """Whoever is going to end this core does not do it now."""
    try:
        async with asyncio.timeout(seconds):
            status = await core.wait()
    except TimeoutError:
        return
    raise AssertionError(f"the core ended with {status}")


async def hang_up(core: KeptCore) -> None:
    """Let go of a core as a server does that was killed."""
    core._writer.close()
    await core.wait()


class Held:
    """A home. Closed, it leaves no process behind."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.places = Places(root, root, root, root)
        self.environment = {"PATH": os.environ["PATH"], MARK: str(root)}
        self._cores: list[KeptCore] = []
        self._programs: list[subprocess.Popen[bytes]] = []

    async def start(
        self,
        command: str | Sequence[str],
        bond: Bond = LONG,
        environment: Mapping[str, str] | None = None,
    ) -> KeptCore:
        """A core by `kept.start`: an engine by its name, or any command. Waits for its words."""
        core = await kept.start(
            engine(command) if isinstance(command, str) else command,
            self.environment | dict(environment or {}),
            self.places,
            socket=self.socket(),
            version="1.2.3",
            bond=bond,
        )
        self._cores.append(core)
        if isinstance(command, str):
            await self.said()
        return core

    async def adopt(self, bond: Bond = LONG) -> KeptCore | None:
        """What `kept.adopt` finds."""
        core = await kept.adopt(self.places, bond)
        if core is not None:
            self._cores.append(core)
        return core

    async def adopted(self, bond: Bond = LONG) -> KeptCore:
        """The core that is there to be adopted."""
        core = await self.adopt(bond)
        assert core is not None
        return core

    def program(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """The keeper as the program that it is; what it prints goes where the core's does."""
        path = self.socket()
        spec = {
            "command": list(command),
            "socket": path,
            "control": path + ".keeper",
            "record": str(self.places.core_record),
            "lock": str(self.places.core_lock),
            "version": "1.2.3",
            "unset": [],
            **LONG.words(),
        }
        with self.places.core_output.open("ab") as output:
            program = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__, json.dumps(spec)],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._programs.append(program)
        return program

    def socket(self) -> str:
        """The path of a socket that is not there yet."""
        return str(self.root / f"{len(self._cores) + len(self._programs)}.sock")

    @contextlib.contextmanager
    def line(self) -> Iterator[socket.socket]:
        """A connection to the keeper by hand; the record has been read from it."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(PATIENCE)
            line.connect(self.record["control"])
            assert json.loads(line.recv(65536))["pid"] == self.record["pid"]
            yield line

    # --- what there is ----------------------------------------------------------------------

    @property
    def record(self) -> dict[str, Any]:
        """What is on record, which is private; empty if nothing is."""
        path = self.places.core_record
        if not path.exists():
            return {}
        assert path.stat().st_mode & 0o777 == 0o600
        return json.loads(path.read_text())

    def keeper(self) -> psutil.Process:
        """The process on record as the keeper."""
        return psutil.Process(self.record["keeper"]["pid"])

    def core(self) -> psutil.Process:
        """The process on record as the core."""
        return psutil.Process(self.record["pid"])

    def printed(self) -> str:
        """What core and keeper have printed."""
        with contextlib.suppress(FileNotFoundError):
            return self.places.core_output.read_text()
        return ""

    async def said(self, lines: int = 1) -> list[str]:
        """Wait for so many whole lines of output; all words in it."""
        await self.until(lambda: self.printed().count("\n") >= lines, f"{lines} lines of output")
        return self.printed().split()

    async def until(self, test: Callable[[], bool], what: str) -> None:
        """Wait for what tells nobody when it changes."""
        await asyncio.to_thread(until, test, what, PATIENCE)

    def living(self) -> list[psutil.Process]:
        """The processes that run for this home."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == str(self.root) and not gone(process):
                    found.append(process)
        return found

    def is_free(self) -> bool:
        """Whether the lock of the core can be taken."""
        with self.places.core_lock.open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            return True

    def left(self) -> list[str]:
        """What is left of a core that has ended: processes, sockets, a held lock."""
        sockets = [path.name for path in self.root.glob("*.sock*")]
        lock = [] if self.is_free() else ["core.lock"]
        return [str(process) for process in self.living()] + sockets + lock

    async def close(self) -> None:
        """End everything."""
        for core in self._cores:
            await hang_up(core)
        for process in self.living():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for program in self._programs:
            program.wait(PATIENCE)
        for core in self._cores:
            if core._process is not None:
                await core._process.wait()
