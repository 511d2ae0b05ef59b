"""What /proc tells of processes: their parents, their sockets, the mark of a core. Linux.

Owns how it is read. All of it may be outdated when it is returned: a process that has ended reads
as none, and whoever draws conclusions (`whose.py`) has to allow for that.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, NamedTuple

KERNEL_THREAD: Final = 0x00200000  # PF_KTHREAD
SOCKET: Final = "socket:["


class Born(NamedTuple):
    """A process as it is now: its parent, when it was started (ticks), and its kernel flags."""

    parent: int
    at: int
    flags: int = 0


class Processes:
    """The processes below one /proc."""

    def __init__(self, root: Path = Path("/proc")) -> None:
        self._root = str(root)

    def all(self, known: Mapping[int, Born]) -> dict[int, Born]:
        """Every process, by pid: 16 µs for each that is not `known`.

        One that is known is not read again while its parent lives. So it may be another by now,
        if its number was used again.
        """
        names = os.listdir(self._root)  # noqa: PTH208 # pathlib takes three times as long
        living = {int(name) for name in names if name.isdigit()}
        found: dict[int, Born] = {}
        for pid in living:
            born = known.get(pid)
            if born is None or (born.parent and born.parent not in living):
                born = self.born(pid)
            if born is not None:
                found[pid] = born
        return found

    def newest(self) -> bytes:
        """The number that was given to a process last: another one means that some were born."""
        with open(f"{self._root}/loadavg", "rb") as file:  # noqa: PTH123
            return file.read().rpartition(b" ")[2]

    def born(self, pid: int) -> Born | None:
        """One process; None if there is none."""
        content = self._read(pid, "stat", 1024)
        return parse_stat(content) if content else None

    def sockets(self, pid: int) -> Collection[int] | None:
        """The inodes of the sockets that a process holds; None where that can't be read.

        A link is read, never followed: what it leads to may hang.
        """
        folder = f"{self._root}/{pid}/fd"
        found: set[int] = set()
        try:
            for name in os.listdir(folder):  # noqa: PTH208 # as above
                inode = _inode(f"{folder}/{name}")
                if inode:
                    found.add(inode)
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended
        except OSError:
            return None
        return found

    def variable(self, pid: int, name: str) -> str | None:
        """A variable that the process was started with; None too where that can't be read."""
        start = f"{name}=".encode()
        for line in self._read(pid, "environ", 1024 * 1024).split(b"\0"):
            if line.startswith(start):
                return os.fsdecode(line[len(start) :])
        return None

    def _read(self, pid: int, name: str, most: int) -> bytes:
        try:
            file = os.open(f"{self._root}/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            return os.read(file, most)
        except OSError:
            return b""
        finally:
            os.close(file)


def parse_stat(content: bytes) -> Born | None:
    """/proc/<pid>/stat; the name in it, in brackets, may hold anything. None if it is cut off."""
    words = content.rpartition(b")")[2].split()  # from the third field on: state, parent, …
    if len(words) < 20:
        return None
    return Born(parent=int(words[1]), at=int(words[19]), flags=int(words[6]))


def below(roots: Collection[int], known: Mapping[int, Born]) -> set[int]:
    """The roots that live and all that descends from them."""
    children: dict[int, list[int]] = {}
    for pid, born in known.items():
        children.setdefault(born.parent, []).append(pid)
    found: set[int] = set()
    waiting = [pid for pid in roots if pid in known]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def _inode(link: str) -> int | None:
    try:
        target = os.readlink(link)  # noqa: PTH115 # as above
    except (FileNotFoundError, ProcessLookupError):
        return None  # closed meanwhile
    return int(target[len(SOCKET) : -1]) if target.startswith(SOCKET) else None
