"""Other processes that use this Codex home: the TUI, an app, `codex exec`, Codex's own daemon.

Owns what "uses" means: a process of this user that has a file of the home open for writing (the
core's databases, a thread's lock), or a codex program that was started for this home. Our server,
its core and all that is below them are not meant, nor what a neighbour has started itself.
Processes in another container or of another user can't be seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from codex_http_server.clock import rfc3339
from codex_http_server.engine.daemon import CONTROL
from codex_http_server.engine.keeper import birth
from codex_http_server.engine.lock import read_json
from codex_http_server.engine.strays import MARK
from codex_http_server.places import Places

FRESH: Final = 5.0  # seconds that an answer is good for
FILES: Final = 2048  # open files looked at in one process; a core with 100 threads has 300
NAMED: Final = 3  # threads named of one process; the rest is counted
PROC: Final = Path("/proc")
LOCKS: Final = "thread-writer-locks/"
ADVICE: Final = (
    "Quit it, or give this server a home of its own with --codex-home: two processes on one home"
    " redeem the same refresh token, which signs one of them out, and lock each other out of"
    " threads."
)
# Only these words of a command line are shown: the others may be a prompt.
COMMANDS: Final = frozenset(
    {
        "agents", "exec", "e", "review", "login", "logout", "mcp", "plugin", "app-server",
        "remote-control", "resume", "queue", "fork", "cloud", "exec-server", "mcp-server", "proto",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Neighbour:
    """A process that uses the home, and what it holds there, in words."""

    pid: int
    command: str
    since: str
    holds: tuple[str, ...]
    threads: tuple[str, ...] = ()  # that it has open: nobody else can write to them

    def __str__(self) -> str:
        held = f", {', '.join(self.holds)}" if self.holds else ""
        return f"{self.command} (pid {self.pid}, since {self.since}{held})"


class Neighbours:
    """The neighbours of one server's home; each look is good for `FRESH` s. `joined` is the daemon
    that is our core, if it is one."""

    def __init__(self, places: Places, joined: Callable[[], Collection[int]]) -> None:
        self._places = places
        self._joined = joined
        self._found: list[Neighbour] = []
        self._until = 0.0
        self._looking = asyncio.Lock()

    async def look(self) -> list[Neighbour]:
        """Who uses the home besides us; the oldest first."""
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if now >= self._until:
                ours = {os.getpid()}
                self._found = await asyncio.to_thread(find, self._places, ours, self._joined())
                self._until = asyncio.get_running_loop().time() + FRESH
            return self._found


def find(places: Places, ours: Collection[int], joined: Collection[int] = ()) -> list[Neighbour]:
    """Who uses the home besides `ours`, the recorded core, a daemon that we `joined`, and what is
    below them.

    With a daemon joined, a codex that holds none of the core's files is a client of it, or its
    updater. Blocks: 6 ms for 100 processes, and 4 µs more for each open file (measured).
    """
    record = read_json(places.core_record) or {}
    excluded = {*ours, *joined, *_recorded(record)}
    users = dict(_users(places.home, str(record.get("socket"))))
    found = [
        _neighbour(pid, files)
        for pid, files in users.items()
        if _stranger(pid, users, excluded) and (not joined or _works_alone(files))
    ]
    return sorted((each for each in found if each), key=lambda each: each.since)


def _recorded(record: Mapping[str, Any]) -> Iterator[int]:
    """The pids of the recorded core and its keeper, if they are still the same processes."""
    for each in (record, record.get("keeper")):
        match each:
            case {"pid": int(pid), "birth": str(born)} if birth(pid) in (born, None):
                yield pid
            case _:
                pass


def _stranger(pid: int, users: Collection[int], excluded: Collection[int]) -> bool:
    """Whether it is neither ours nor started by a neighbour that is listed itself."""
    with contextlib.suppress(psutil.Error):
        above = {each.pid for each in psutil.Process(pid).parents()}
        return pid not in excluded and not above & {*excluded, *users}
    return False


def _neighbour(pid: int, files: Collection[str]) -> Neighbour | None:
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        since = rfc3339(int(process.create_time() * 1000))
        command = _command(process.name(), process.cmdline())
        return Neighbour(pid, command, since, tuple(_words(files)), tuple(_threads(files)))
    return None  # it has ended


def _command(name: str, words: list[str]) -> str:
    """`codex exec`, `codex`, `sqlite3`: the program, and which command of codex it is."""
    known = [word for word in words[1:] if word in COMMANDS] if _is_codex(name) else []
    return " ".join([name, *known[:1]])


def _is_codex(name: str) -> bool:
    return name.lower().startswith("codex")


def writer_of(places: Places, thread_id: str, joined: Collection[int] = ()) -> str | None:
    """Who besides us has this thread open, in words. Blocks, as `find`."""
    found = find(places, {os.getpid()}, joined)
    return next((str(each) for each in found if thread_id in each.threads), None)


def _users(home: Path, mark: str) -> Iterator[tuple[int, Collection[str]]]:
    """Each process that uses the home, with the files that it holds there; not those that carry
    the mark."""
    look = _look_linux if sys.platform.startswith("linux") else _look_elsewhere
    for pid, files, named in look(home):
        environment: dict[str, str] = {}
        if files or named:
            with contextlib.suppress(psutil.Error, OSError):
                environment = psutil.Process(pid).environ()
        if environment.get(MARK) == mark:
            continue
        if files or (named and _home_of(environment) == home):
            yield pid, files


def _home_of(environment: Mapping[str, str]) -> Path | None:
    """The home that a codex with this environment uses."""
    given, user = environment.get("CODEX_HOME"), environment.get("HOME")
    if given:
        return Path(given).resolve()
    return (Path(user) / ".codex").resolve() if user else None


def _works_alone(files: Collection[str]) -> bool:
    """Whether these are the files of a process that has a core of its own."""
    return any(".sqlite" in name or name.startswith(LOCKS) for name in files)


def _threads(files: Collection[str]) -> list[str]:
    return sorted(name.removeprefix(LOCKS)[:-5] for name in files if _LOCK.fullmatch(name))


def _words(files: Collection[str]) -> Iterator[str]:
    """What these files, named from the home on, are to a reader."""
    threads = _threads(files)
    if threads:
        more = f" and {len(threads) - NAMED} more" if len(threads) > NAMED else ""
        yield f"writes thread {', '.join(threads[:NAMED])}{more}"
    if str(CONTROL) in files:
        yield "listens on the home's control socket"
    if any(".sqlite" in name for name in files):
        yield "has its databases open"
    elif files and not threads:
        yield f"has {min(files)} open"


_LOCK: Final = re.compile(rf"{LOCKS}[\w-]+\.lock")

Seen = tuple[int, set[str], bool]  # pid, files of the home from the home on, is it a codex


def _look_linux(home: Path) -> Iterator[Seen]:
    """Every process of this user. Plain /proc: psutil takes ten times as long for open files."""
    prefix, listening = f"{home}/", _listening(home / CONTROL)
    for entry in os.scandir(PROC):
        with contextlib.suppress(OSError):  # ended, or not to be looked into
            if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
                files = set(_written(f"{entry.path}/fd", prefix, listening))
                yield int(entry.name), files, _is_codex(Path(entry.path, "comm").read_text())


def _written(folder: str, prefix: str, listening: Collection[str]) -> Iterator[str]:
    for name in os.listdir(folder)[:FILES]:  # noqa: PTH208 # plain strings: thousands
        target = _target(f"{folder}/{name}")
        if target.startswith(prefix) and os.lstat(f"{folder}/{name}").st_mode & 0o200:
            yield target.removeprefix(prefix)  # it is open for writing
        elif target in listening:
            yield str(CONTROL)


def _target(descriptor: str) -> str:
    try:
        return os.readlink(descriptor)  # noqa: PTH115 # the same
    except OSError:  # closed meanwhile
        return ""


def _listening(path: Path) -> set[str]:
    """The descriptors, as /proc/<pid>/fd has them, that are bound to a socket's path.

    The path in the home is a link to a short one in the temporary folder (measured).
    """
    with contextlib.suppress(OSError):
        path = path.resolve(strict=True)
        lines = (PROC / "net/unix").read_text(errors="replace").splitlines()
        return {f"socket:[{line.split()[6]}]" for line in lines if line.endswith(f" {path}")}
    return set()


def _look_elsewhere(home: Path) -> Iterator[Seen]:
    """macOS, Windows: processes with the name of codex only, by psutil. Not tested there."""
    me = psutil.Process().username()
    for process in psutil.process_iter(["name", "username"]):
        info: dict[str, Any] = process.info
        if _is_codex(info["name"] or "") and info["username"] == me:
            files: set[str] = set()
            with contextlib.suppress(psutil.Error, OSError):
                paths = (Path(each.path) for each in process.open_files())
                files = {str(p.relative_to(home)) for p in paths if p.is_relative_to(home)}
            yield process.pid, files, True
