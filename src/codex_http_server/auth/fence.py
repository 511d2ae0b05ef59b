"""A file is opened here, or it is refused: nothing outside some folders, nothing that is secret.

A path is resolved first, links and `..` and all. What comes of it is then opened folder by folder
from the top, following no link, and what was opened is judged by its identity: a folder that is
swapped for a link in between is not followed, another name of a secret file is still that file.
Pipes, devices and sockets are never opened. On Windows, which has no such opening, the path is
judged before and after.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from codex_http_server.auth.roots import Identity, identities
from codex_http_server.errors import FileNotThere, FileProtected, FileUnreadable, OutsideRoots

BY_HAND: Final = os.open in os.supports_dir_fd
_SAFE: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FOLDER: Final = getattr(os, "O_DIRECTORY", 0) | _SAFE
_PASS: Final = getattr(os, "O_PATH", os.O_RDONLY) | _FOLDER  # only to go on from there
_FILE: Final = (
    os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | _SAFE
    | getattr(os, "O_BINARY", 0)
)  # fmt: skip
_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR})
_HINT: Final = "Only the conversation's working directory and the server's --root can be read."


@dataclass(frozen=True)
class Opened:
    """A file or a directory that may be read. `path` is where it really is."""

    path: str
    fd: int
    info: os.stat_result

    @property
    def is_directory(self) -> bool:
        """Whether it can be listed; else it can be read."""
        return stat.S_ISDIR(self.info.st_mode)


@dataclass
class _Walk:
    """What was met on the way down so far."""

    inside: bool = False
    secret: bool = False

    def check(self) -> None:
        """Raises OSError where nothing may be opened."""
        if self.secret or not self.inside:
            raise OSError(errno.EACCES, "not to be read")


class Fence:
    """Paths count from `directory`; it and `roots` may be read, `secrets` in them may not.

    All of it does I/O: not on the event loop.
    """

    def __init__(self, directory: str, roots: Sequence[Path], secrets: Sequence[Path] = ()) -> None:
        self._directory = os.path.realpath(directory)
        own = _identities([self._directory])
        self._directory_is_gone = not own
        self._folders = own | _identities(roots)
        self._secrets = _identities(secrets)

    @contextmanager
    def open(self, given: str) -> Generator[Opened]:
        """Open a file or a directory. Raises `OutsideRoots`, of which nothing else is said;
        `FileProtected`, `FileNotThere`, `FileUnreadable`."""
        walk, path = _Walk(), ""
        try:
            path = os.path.realpath(os.path.join(self._directory, given))  # noqa: PTH118 # as given
            fd = self._descend(path, walk) if BY_HAND else self._at_once(path, walk)
        except OSError as error:
            gone = error.errno in _GONE
            if not (gone and self._directory_is_gone and self._named(path)):
                self._check(walk, given)
            if gone:
                raise FileNotThere(f"There is no {given[:300]!r}.") from error
            raise FileUnreadable(f"{given[:300]!r} can't be read: {error.strerror}.") from error
        except ValueError as error:  # a zero byte, half a character
            raise FileUnreadable(f"{given[:300]!r} is not a path.") from error
        try:
            self._check(walk, given)
            yield Opened(path, fd, os.fstat(fd))
        finally:
            os.close(fd)

    def shown(self, path: str) -> str:
        """A real path as callers see it: from the working directory, else absolute. `.` is the
        working directory itself."""
        with suppress(ValueError):
            path = str(Path(path).relative_to(self._directory))
        return printable(path)

    def _named(self, path: str) -> bool:
        """Whether a path is spelled as one in the directory."""
        return Path(path).is_relative_to(self._directory)

    @staticmethod
    def _check(walk: _Walk, given: str) -> None:
        if not walk.inside:
            raise OutsideRoots(
                f"{given[:300]!r} is outside what can be read of this conversation.", hint=_HINT
            )
        if walk.secret:
            raise FileProtected(f"{given[:300]!r} belongs to Codex or to this server.")

    def _descend(self, path: str, walk: _Walk) -> int:
        """The file or directory at `path`, opened; the caller closes it."""
        top, *names = Path(path).parts
        fd = os.open(top, _PASS)
        try:
            self._meet(os.fstat(fd), walk)
            for name in names[:-1]:
                fd = _replace(fd, os.open(name, _PASS, dir_fd=fd))
                self._meet(os.fstat(fd), walk)
            return self._last(names[-1] if names else ".", fd, walk)
        finally:
            os.close(fd)

    def _last(self, name: str, folder: int, walk: _Walk) -> int:
        """Only what is a file or a directory is opened, and it must be what was looked at."""
        info = os.stat(name, dir_fd=folder, follow_symlinks=False)
        self._meet(info, walk)
        walk.check()
        fd = os.open(name, _flags(info), dir_fd=folder)
        now = os.fstat(fd)
        # The number alone is not enough: a pipe gets that of the file that it replaced (measured).
        if not os.path.samestat(info, now) or stat.S_IFMT(info.st_mode) != stat.S_IFMT(now.st_mode):
            os.close(fd)
            raise OSError(errno.EAGAIN, "it was changed just now")
        return fd

    def _at_once(self, path: str, walk: _Walk) -> int:
        """Without folders that are open: there is a moment between judging and opening."""
        for each in (Path(path), *Path(path).parents):
            with suppress(OSError):
                self._meet(each.stat(), walk)
        walk.check()
        fd = os.open(path, _flags(os.lstat(path)))
        if os.path.realpath(path) != path:
            os.close(fd)
            raise OSError(errno.EAGAIN, "it was changed just now")
        return fd

    def _meet(self, info: os.stat_result, walk: _Walk) -> None:
        identity = (info.st_dev, info.st_ino)
        walk.inside = walk.inside or identity in self._folders
        walk.secret = walk.secret or identity in self._secrets


def printable(path: str) -> str:
    """A path as text: bytes that are no UTF-8 become the replacement character."""
    return os.fsencode(path).decode("utf-8", "replace")


def _replace(old: int, new: int) -> int:
    os.close(old)
    return new


def _flags(info: os.stat_result) -> int:
    """How to open what is of this kind. Raises OSError where it is neither file nor directory."""
    if stat.S_ISREG(info.st_mode):
        return _FILE
    if stat.S_ISDIR(info.st_mode):
        return os.O_RDONLY | _FOLDER
    raise OSError(errno.EINVAL, "it is no file and no directory")


def _identities(paths: Iterable[str | Path]) -> set[Identity]:
    return set(identities([os.path.realpath(path) for path in paths]))
