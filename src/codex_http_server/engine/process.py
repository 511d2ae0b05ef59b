"""The core as a child process: start it, know it again later, end it for certain.

Owns the child, its record on disk and its output file. Knows no protocol. `Child` is a core on
pipes, which goes with its server; one that outlives it has a keeper (kept.py).
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

from codex_http_server.engine import keeper
from codex_http_server.engine.lock import read_json, write_private
from codex_http_server.engine.strays import end_strays
from codex_http_server.errors import CoreMissing
from codex_http_server.logs import get_logger

log = get_logger(__name__)

STOP_TERM: Final = 1.5  # seconds for the core to leave after SIGTERM (it takes 0.03-0.09)
DRAIN: Final = 0.2  # seconds to the second SIGTERM: at the first, a core with a turn open drains
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
        self.pids = (self.pid,)
        self._record = record

    async def wait(self) -> int:
        """Wait for its end; the exit status, negative for a signal."""
        return await self.process.wait()

    @property
    def status(self) -> int | None:
        """The exit status once it has ended."""
        return self.process.returncode

    async def stop(self) -> str:
        """The ladder: SIGTERM to the group, wait, SIGKILL, reap. Returns the rung it took.

        Takes at most `STOP_TERM + STOP_KILL` seconds. May be called on a dead child.
        """
        rung = await self._ladder()
        kill_group(self.pid)  # commands that outlived the core
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
    command: Sequence[str], environment: Mapping[str, str], *, record: Path, output: Path
) -> Child:
    """Start a core on pipes in its own process group, registered before it is used.

    Raises `CoreMissing`.
    """
    pipe = asyncio.subprocess.PIPE
    with os.fdopen(os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as out:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=dict(environment),
                stdin=pipe,
                stdout=pipe,
                stderr=out,
                start_new_session=True,
                limit=256 * 1024 * 1024,
            )
        except OSError as error:
            raise CoreMissing(f"{command[0]} can't be run: {error.strerror}.") from error
    child = Child(process, record)
    try:
        write_private(record, {"command": list(command)} | identity(process.pid))
    except OSError:
        await child.stop()  # what can't be registered must not run
        raise
    return child


def forget(*left: Path) -> None:
    """The core has ended: remove what would lead to it, the record first."""
    for path in left:
        path.unlink(missing_ok=True)


def birth(pid: int) -> str | None:
    """When this process was started, in words that no other process with its pid shares."""
    if os.name == "posix":
        return keeper.birth(pid)
    with contextlib.suppress(psutil.Error):
        return repr(psutil.Process(pid).create_time())
    return None


def identity(pid: int) -> dict[str, Any]:
    """What tells a process from a later one with the same pid."""
    return {"pid": pid, "birth": birth(pid)}


def reap(record: Path) -> int | None:
    """End the core that an earlier server of this home left behind. Returns its pid, or None.

    Only processes that are provably the recorded ones are touched: same pid, boot and start
    time, or the core's mark (strays.py). Blocks for at most 10 s.
    """
    written = read_json(record) or {}
    core, holder = _recorded(written), _recorded(written.get("keeper"))
    if "status" in written:
        log.info("the core of the earlier server has ended", how=ending(written["status"]))
    if core is not None:
        log.warning("ending a core left by an earlier server", pid=core.pid)
        _end(core)
    if holder is not None and not _ended(holder, STOP_KILL):  # it goes with its core
        kill_group(holder.pid)
        _ended(holder, STOP_KILL)
    if "status" not in written and isinstance(written.get("socket"), str):
        end_strays(written["socket"])
    sockets = (written.get("control"), written.get("socket"))
    forget(record, *(Path(each) for each in sockets if isinstance(each, str)))
    return core.pid if core else None


def recorded(record: Path) -> tuple[int, ...]:
    """The pids of the core that an earlier server left and of its keeper, as far as they live."""
    written = read_json(record) or {}
    found = (_recorded(written.get("keeper")), _recorded(written))
    return tuple(process.pid for process in found if process is not None)


def _recorded(written: Any) -> psutil.Process | None:
    """The living process that is written here, if it is the very one."""
    match written:
        case {"pid": int(pid), "birth": str(born)} if birth(pid) == born:
            with contextlib.suppress(psutil.Error):
                return psutil.Process(pid)
        case _:
            pass
    return None


def _end(process: psutil.Process) -> None:
    for number, patience in (
        (signal.SIGTERM, DRAIN),
        (signal.SIGTERM, STOP_TERM),
        (KILL, STOP_KILL),
    ):
        _signal_group(process.pid, number)
        if _ended(process, patience):
            break
    kill_group(process.pid)


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


def kill_group(pid: int) -> None:
    """End a process group that no longer listens."""
    _signal_group(pid, KILL)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(pid, number)
        else:
            os.kill(pid, signal.SIGTERM)


def ending(status: int | None) -> str:
    """How a core ended, in words; None where its keeper could not say."""
    if status is None:
        return "its keeper was killed"
    return f"it was ended by signal {-status}" if status < 0 else f"it exited with {status}"


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
