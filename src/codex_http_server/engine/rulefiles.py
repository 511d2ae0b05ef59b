"""The `.rules` files of a Codex home: read whole, and written without one rule. In a thread.

Owns the one way to write them. The core appends to `default.rules` under a lock of that file; we
take the same lock, so that neither undoes what the other writes; and what was read must still be
there before it is replaced. What the core appends in the very moment of that may be lost: then it
asks again one day. Knows nothing of who asked.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Final

from codex_http_server.engine import rules
from codex_http_server.engine.rules import Rule
from codex_http_server.errors import RuleNotFound, RuleNotRemovable, RulesUnusable
from codex_http_server.logs import get_logger

try:
    import fcntl
except ImportError:  # Windows: what was read is compared
    fcntl = None

log = get_logger(__name__)

FILES: Final = 100
BYTES: Final = 262_144  # of one file; a larger one is not looked into
TRIES: Final = 5
LOCK_WAIT: Final = 3.0  # seconds for another writer to let go of a file


class RuleFiles:
    """The files of one home."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "rules"

    def read(self) -> list[Rule]:
        """All rules, by file and in order; none where there are no files. Raises
        `RulesUnusable`."""
        try:
            names = sorted(each.name for each in self.folder.iterdir() if each.suffix == ".rules")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unusable(self.folder, f"can't be read: {error.strerror}") from error
        return [rule for name in names[:FILES] for rule in self._of(name)]

    def _of(self, name: str) -> list[Rule]:
        try:
            with _opened(self.folder / name) as descriptor:
                content = _content(descriptor)
        except FileNotFoundError:  # removed in the same moment, or a link to nothing
            return []
        except OSError as error:
            return [rules.unread(name, b"", error.strerror or "it is no file")]
        if len(content) > BYTES:
            return [rules.unread(name, b"", f"it has more than {BYTES} bytes")]
        return rules.read(name, content)

    def remove(self, rule_id: str) -> Rule:
        """Take a rule out of its file, whole or not at all. Raises `RuleNotFound`,
        `RuleNotRemovable`, `RulesUnusable`."""
        for _ in range(TRIES):
            found = self._find(rule_id)
            if self._write_without(found):
                return found
        raise _unusable(self.folder, "changes all the time", hint="Try again.")

    def _find(self, rule_id: str) -> Rule:
        """A rule that can be taken out. Raises `RuleNotFound`, `RuleNotRemovable`."""
        found = next((each for each in self.read() if each.id == rule_id), None)
        if found is None:
            raise RuleNotFound(f"There is no rule {rule_id[:100]!r}.")
        if found.why_not is not None:
            raise RuleNotRemovable(found.why_not, file=str(self.folder / str(found.file)))
        return found

    def _write_without(self, rule: Rule) -> bool:
        """False where the file is another one by now."""
        name = str(rule.file)
        target = Path(os.path.realpath(self.folder / name))  # a link stays one
        try:
            with _opened(target) as descriptor, _locked(descriptor, target):
                content = _content(descriptor)
                if all(each.id != rule.id for each in rules.read(name, content)):
                    return False
                mode = _writable(descriptor, target)
                part = _written(target, rules.without(name, content, rule.id), mode)
                return _swapped(part, target, descriptor, content)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _unusable(target, f"can't be written: {error.strerror}") from error


@contextlib.contextmanager
def _opened(path: Path) -> Generator[int]:
    """A regular file; a pipe or a device is refused, and never waited for."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is no regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def _content(descriptor: int) -> bytes:
    """The whole file, or one byte more than is looked into."""
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        return file.read(BYTES + 1)


@contextlib.contextmanager
def _locked(descriptor: int, path: Path) -> Generator[None]:
    """Hold the lock that the core takes to append. Closing the file lets go of it."""
    end = time.monotonic() + LOCK_WAIT
    while fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError as error:
            if time.monotonic() > end:
                hint = "Try again."
                raise _unusable(path, "is held by another writer", hint=hint) from error
        time.sleep(0.02)
    yield


def _writable(descriptor: int, path: Path) -> int:
    """The file's mode. A file that its owner may not write is not replaced, either."""
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if not mode & stat.S_IWUSR:
        raise _unusable(path, "is read-only", hint=f"chmod u+w {path}")
    return mode


def _written(target: Path, content: bytes, mode: int) -> Path:
    """The new content beside the file, on disk."""
    descriptor, part = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(part).chmod(mode)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    return Path(part)


def _swapped(part: Path, target: Path, descriptor: int, content: bytes) -> bool:
    """Put the new file in the place of the one that was read; False where that has changed."""
    try:
        same = os.path.samestat(os.fstat(descriptor), target.stat())
        if not same or _content(descriptor) != content:
            return False
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(target.parent)
    return True


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _unusable(path: Path, what: str, hint: str | None = None) -> RulesUnusable:
    return RulesUnusable(f"{path} {what}.", hint=hint)
