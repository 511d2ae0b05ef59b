"""The server's folders, its event log, the disk below them, memory and open files."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import struct
from pathlib import Path
from typing import Final

import psutil

from codex_http_server.db import APPLICATION_ID, MEND, is_damage
from codex_http_server.doctor.case import Case
from codex_http_server.doctor.home import existing, owner, writable
from codex_http_server.doctor.results import Result, fail, ok, skip, warn, worst
from codex_http_server.eventlog.sqlite import schema_version

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB
LOW: Final = GIB  # free space that warns
FULL: Final = 100 * MIB  # and that fails
INODES: Final = 10_000
WAL: Final = GIB  # size of the side file that warns: it is emptied all the time
MEMORY: Final = 512 * MIB  # a core takes 150, and 1.1 for each conversation it has loaded
FILES: Final = 1024
HEADER: Final = struct.Struct(">16s44xI4xI")  # SQLite's: magic, user_version, application_id
MAGIC: Final = b"SQLite format 3\0"


def folders(case: Case) -> list[Result]:
    """State and data folder: there or to be made, writable, private."""
    both = {case.places.state, case.places.data}
    return [worst([_folder(path) for path in sorted(both)])]


def _folder(path: Path) -> Result:
    above = existing(path)
    if not path.exists():
        if not writable(above):
            advice = "Give this user write access, or choose another folder with --data-dir."
            return fail("state", f"{path} can't be made: {above} can't be written.", advice)
        return ok("state", f"{path} (made at the first start)")
    if not path.is_dir() or not writable(path):
        advice = "Give this user write access, or choose another folder with --data-dir."
        return fail("state", f"{path} can't be written.", advice)
    info = path.stat()
    if os.name == "posix" and info.st_uid != os.getuid():
        advice = "Run the server as its owner, or choose another folder with --data-dir."
        return warn("state", f"{path} belongs to {owner(info.st_uid)}.", advice)
    if os.name == "posix" and info.st_mode & 0o077:
        mode = stat.filemode(info.st_mode)
        advice = f"It holds all that was said, readable: chmod 700 {path}"
        return warn("state", f"{path} is open to other users ({mode}).", advice)
    return ok("state", str(path))


# --- the event log --------------------------------------------------------------------------


def log(case: Case) -> list[Result]:
    """The event log opens, is of this version and of this home. It is only read."""
    path = case.places.database
    try:
        size = path.stat().st_size
        owned, version = _header(path)
    except FileNotFoundError:
        return [ok("log", f"there is no {path} yet")]
    except OSError as error:
        advice = "Check the disk and the file's owner, or choose another --data-dir."
        return [fail("log", f"{path} can't be read: {error.strerror}.", advice)]
    if size and not owned:
        advice = "Move it away, or choose another --data-dir."
        return [fail("log", f"{path} is not an event log of this server.", advice)]
    if version > schema_version():
        advice = "Upgrade codex-http-server, or choose another --data-dir."
        return [fail("log", f"{path} was written by a newer codex-http-server.", advice)]
    return [_opened(case, path, size)]


def _header(path: Path) -> tuple[bool, int]:
    """Whether it is a log of ours, and its version, from the bytes of the file itself."""
    with path.open("rb") as file:
        first = file.read(HEADER.size)
    if len(first) < HEADER.size:
        return not first, 0
    magic, version, application = HEADER.unpack(first)
    # Before its first checkpoint a new log has all that in its side file.
    return magic == MAGIC and application in (APPLICATION_ID, 0), version


def _opened(case: Case, path: Path, size: int) -> Result:
    side = path.with_name(path.name + "-wal")
    wal = side.stat().st_size if side.exists() else 0
    found = f"{path}, {shown(size)} and {shown(wal)} in -wal"
    serving = case.running is not None and case.running.alive
    if wal and not serving:
        # Reading it would write: SQLite mends what was not closed.
        return ok("log", f"{found}; it was not closed, the next start reads on from there")
    try:
        home = _home_of(path, serving=serving)
    except sqlite3.Error as error:
        advice = MEND if is_damage(error) else "Check the disk, or choose another --data-dir."
        return fail("log", f"{path} can't be opened: {error}.", advice)
    if home not in (None, str(case.places.home)):
        advice = "Choose another --data-dir, or the home it belongs to."
        return fail("log", f"{path} belongs to the Codex home {home}.", advice)
    if wal > WAL:
        advice = "Something holds it open for reading. Restart the server, and tell us."
        return warn("log", f"{found}.", advice)
    return ok("log", found)


def _home_of(path: Path, *, serving: bool) -> str | None:
    """The home that the log remembers. Without a server the file is read as it lies there, so
    that SQLite makes no files beside it."""
    mode = "mode=ro" if serving else "immutable=1"
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True)) as connection:
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return None
        row = connection.execute("SELECT value FROM meta WHERE name='home'").fetchone()
        return row and str(row[0])


# --- the machine ----------------------------------------------------------------------------


def disk(case: Case) -> list[Result]:
    """Room for the home and for the log."""
    home, data = existing(case.places.home), existing(case.places.data)
    if home.stat().st_dev == data.stat().st_dev:
        return [_room(home, "home and the log")]
    return [worst([_room(home, "home"), _room(data, "log")])]


def _room(path: Path, name: str) -> Result:
    free = shutil.disk_usage(path).free
    found = f"{shown(free)} free for the {name}"
    if free < FULL:
        advice = f"Make room on the disk of {path}: messages are refused when it is full."
        return fail("disk", found, advice)
    if free < LOW:
        return warn("disk", found, f"Make room on the disk of {path} soon.")
    inodes = _inodes(path)
    if inodes is not None and inodes < INODES:
        advice = f"Remove files on the disk of {path}: it can hold few more, however small."
        return warn("disk", f"{found}, and {inodes} more files", advice)
    return ok("disk", found)


def _inodes(path: Path) -> int | None:
    """How many files more; None where the file system has no such limit."""
    if os.name != "posix":
        return None
    info = os.statvfs(path)
    return info.f_favail if info.f_files else None


def memory(_: Case) -> list[Result]:
    """Room for a core."""
    free = psutil.virtual_memory().available
    found = f"{shown(free)} available"
    if free < MEMORY:
        advice = "A core takes 150 MiB and about 1 MiB for each conversation it has loaded."
        return [warn("memory", found, advice)]
    return [ok("memory", found)]


def files(_: Case) -> list[Result]:
    """How many files a process may open: each stream and each conversation takes some."""
    if os.name != "posix":
        return [skip("files", "There is no such limit on this system.")]
    import resource  # noqa: PLC0415 # not there on Windows

    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return [ok("files", "any number may be open")]
    if limit < FILES:
        more = f"ulimit -n {FILES}" if most == resource.RLIM_INFINITY or most >= FILES else ""
        advice = f"Raise it before the server starts{f': {more}' if more else ''}."
        return [warn("files", f"only {limit} files may be open.", advice)]
    return [ok("files", f"{limit} may be open")]


def shown(size: int) -> str:
    """A size for people."""
    if size >= GIB:
        return f"{size / GIB:.1f} GiB"
    return f"{size / MIB:.1f} MiB" if size else "0 MiB"
