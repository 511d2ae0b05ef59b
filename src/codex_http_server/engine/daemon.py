"""Codex's own daemon of a home: the way to its control socket, and who is at the other end.

Says nothing to it, starts, stops and changes nothing. Whether it can be spoken to: meeting.py.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from codex_http_server.engine.keeper import birth

CONTROL: Final = Path("app-server-control/app-server-control.sock")  # in the home
CONNECT: Final = 2.0  # seconds to get a connection
START: Final = "codex app-server daemon start"
RESTART: Final = "codex app-server daemon restart"
SOL_LOCAL, LOCAL_PEERCRED, LOCAL_PEERPID = 0, 1, 2  # macOS, sys/un.h


class UnfitError(Exception):
    """Something is there that is not to be touched."""


@dataclass(frozen=True)
class Daemon:
    """A running daemon: the process that listens on the home's control socket."""

    socket: str  # where the link in the home leads to
    pid: int
    birth: str | None


def look(home: Path) -> Daemon | None:
    """Who listens on the control socket; None if nobody does. Says nothing to it.

    Raises `UnfitError` for a socket or a listener that is not this user's.
    """
    if os.name != "posix":
        return None
    path = _place(home / CONTROL)
    if path is None:
        return None
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(CONNECT)
        try:
            line.connect(path)
        except OSError:  # left by one that was killed
            return None
        return Daemon(path, *_at_the_other_end(line))


def _place(link: Path) -> str | None:
    """The socket, followed to where it is: the home has a link to a short path (measured)."""
    if not link.exists():
        return None
    found = link.resolve()
    for folder in {link.parent, found.parent}:
        _check_owner(folder, stat.S_ISDIR)
        if folder.stat().st_mode & 0o022:
            raise UnfitError(f"{folder} can be written by other users")
    _check_owner(found, stat.S_ISSOCK)
    return str(found)


def _check_owner(path: Path, is_kind: Any) -> None:
    info = path.lstat()
    if info.st_uid != os.getuid() or not is_kind(info.st_mode):
        raise UnfitError(f"{path} belongs to another user, or is not what it should be")


def _at_the_other_end(line: socket.socket) -> tuple[int, str | None]:
    """Pid and birth of the process that listens. Raises `UnfitError` if it is another user's."""
    uid, pid = peer_of(line)
    if uid != os.getuid():
        raise UnfitError("another user's process listens on the home's control socket")
    if pid <= 0:
        raise UnfitError("what listens on the home's control socket runs in another container")
    return pid, birth(pid)


def program_of(pid: int | None) -> Path | None:
    """The file that a process runs, as far as this user may know."""
    try:
        return Path(psutil.Process(pid).exe()) if pid else None
    except psutil.Error:
        return None


def peer_of(line: Any) -> tuple[int, int]:
    """Uid and pid of whoever listens at the other end of a connected socket, says the kernel."""
    if sys.platform.startswith("linux"):
        said = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid, uid, _ = struct.unpack("=iII", said)
        return uid, pid
    # macOS: version and uid stand first in struct xucred. Not tested there.
    _, uid = struct.unpack("=II", line.getsockopt(SOL_LOCAL, LOCAL_PEERCRED, 76)[:8])
    (pid,) = struct.unpack("=i", line.getsockopt(SOL_LOCAL, LOCAL_PEERPID, 4))
    return uid, pid
