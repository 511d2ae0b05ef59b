"""The core as a child process: start it, know it again later, end it for certain.

Owns the child, its record on disk and its output file. Knows no protocol. The record is
written twice: before the start with the socket's path (unique, and in the command line), after
it with the pid, so that a server killed in between still leaves a trace that finds the core.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

import psutil

from codex_http_server.engine.lock import read_json, write_private
from codex_http_server.errors import CoreMissing
from codex_http_server.logs import get_logger

log = get_logger(__name__)

STOP_TERM: Final = 1.5  # seconds for the core to leave after SIGTERM (it takes 0.03-0.09)
REAP_TERM: Final = 0.5  # seconds for a core left behind: with a turn open it drains for longer
STOP_KILL: Final = 2.0  # seconds for the kernel to report the end after SIGKILL
KILL: Final = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has no SIGKILL
OUTPUT_MAX: Final = 8 * 1024 * 1024  # bytes of output kept, and the same again in `.1`


def find_core(given: Path | None) -> Path:
    """The codex binary: the one given, else the pinned wheel's. Raises `CoreMissing`."""
    path = given or _bundled()
    if path is None or not path.is_file() or not os.access(path, os.X_OK):
        raise CoreMissing(
            f"There is no codex binary at {path}." if path else "No codex binary is installed.",
            hint="Reinstall codex-http-server (its dependency openai-codex-cli-bin brings the"
            " core), or name another with --codex-bin.",
        )
    return path


def _bundled() -> Path | None:
    try:
        folder = resources.files("codex_cli_bin")
    except ModuleNotFoundError:
        return None
    name = "codex.exe" if os.name == "nt" else "codex"
    return Path(str(folder / "bin" / name))


class Child:
    """A running core. Made by `spawn`; `stop` ends it and everything in its process group."""

    def __init__(self, process: asyncio.subprocess.Process, record: Path) -> None:
        self.process = process
        self.pid = process.pid
        self._record = record

    async def wait(self) -> int:
        """Wait for its end; the exit status, negative for a signal."""
        return await self.process.wait()

    async def stop(self) -> str:
        """The ladder: SIGTERM to the group, wait, SIGKILL, reap. Returns the rung it took.

        Takes at most `STOP_TERM + STOP_KILL` seconds. May be called on a dead child.
        """
        rung = await self._ladder()
        _signal_group(self.pid, KILL)  # commands that outlived the core
        forget(self._record)
        return rung

    async def _ladder(self) -> str:
        for number, patience, rung in (
            (signal.SIGTERM, STOP_TERM, "term"),
            (KILL, STOP_KILL, "kill"),
        ):
            if self.process.returncode is not None:
                return "gone"
            _signal_group(self.pid, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self.process.wait()
                    return rung
        return "stuck"


async def spawn(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    record: Path,
    output: Path,
    socket: str | None,
) -> Child:
    """Start a core in its own process group, registered before it is used.

    With `socket` None its stdin and stdout are pipes (stdio). Raises `CoreMissing`.
    """
    write_private(record, {"command": list(command), "socket": socket})
    pipe = asyncio.subprocess.PIPE if socket is None else None
    with os.fdopen(os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as out:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=dict(environment),
                stdin=pipe or asyncio.subprocess.DEVNULL,
                stdout=pipe or out,
                stderr=out,
                start_new_session=True,
                limit=256 * 1024 * 1024,
            )
        except OSError as error:
            forget(record)
            raise CoreMissing(f"{command[0]} can't be run: {error.strerror}.") from error
    child = Child(process, record)
    try:
        write_private(
            record,
            {"command": list(command), "socket": socket} | identity(process.pid),
        )
    except OSError:
        await child.stop()  # what can't be registered must not run
        raise
    return child


def forget(record: Path) -> None:
    """The core has ended: nothing is left to find."""
    record.unlink(missing_ok=True)


def identity(pid: int) -> dict[str, Any]:
    """What tells a process from a later one with the same pid: start time and boot."""
    with contextlib.suppress(psutil.Error):
        return {
            "pid": pid,
            "started_at": psutil.Process(pid).create_time(),
            "booted_at": round(psutil.boot_time()),
        }
    return {"pid": pid}


def reap(record: Path) -> int | None:
    """End the core that an earlier server of this home left behind. Returns its pid, or None.

    Only a process that is provably the recorded one is touched: same pid and start time, or
    the recorded socket path in its command line. Blocks for at most 2.5 s.
    """
    found = _left_behind(read_json(record) or {})
    if found is not None:
        log.warning("ending a core left by an earlier server", pid=found.pid)
        _end(found)
    forget(record)
    return found.pid if found else None


def _left_behind(written: dict[str, Any]) -> psutil.Process | None:
    pid, started = written.get("pid"), written.get("started_at")
    if isinstance(pid, int) and isinstance(started, float):
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if abs(process.create_time() - started) < 0.05:
                return process
        return None
    socket = written.get("socket")
    if not isinstance(socket, str):
        return None
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(socket in word for word in process.cmdline()):
                return process
    return None


def _end(process: psutil.Process) -> None:
    for number, patience in ((signal.SIGTERM, REAP_TERM), (KILL, STOP_KILL)):
        _signal_group(process.pid, number)
        if _ended(process, patience):
            break
    _signal_group(process.pid, KILL)


def _ended(process: psutil.Process, patience: float) -> bool:
    """Whether it ends in time. A corpse that nobody has buried yet has ended too."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        with contextlib.suppress(psutil.Error):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.01)  # not our child: nothing tells us
                continue
        return True
    return False


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(pid, number)
        else:
            os.kill(pid, signal.SIGTERM)


def size_of(path: Path) -> int:
    """Its size in bytes; 0 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def rotate(output: Path) -> None:
    """Keep the core's output bounded: past `OUTPUT_MAX` it is copied to `.1` and emptied.

    The core goes on writing into the same open file (opened for append), so this may be done
    while it runs.
    """
    if size_of(output) > OUTPUT_MAX:
        shutil.copyfile(output, output.with_name(output.name + ".1"))
        os.truncate(output, 0)
