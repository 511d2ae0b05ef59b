"""The token file: read when it changes, written whole, refused where others could read it.

Owns the file and its lock. Two writers (the command line and a server) take turns by a lock file
beside it, because the file itself is replaced by each. What a token is: tokens.py.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Final

import msgspec

from codex_http_server.auth.tokens import ENV, Token
from codex_http_server.errors import TokenFileUnusable, TokenNameTaken, TokenNotFound
from codex_http_server.logs import get_logger

if os.name == "nt":
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


log = get_logger(__name__)

MAX: Final = 1024 * 1024  # bytes: thousands of tokens
LOCK_WAIT: Final = 5.0  # seconds for another writer to be done
State = tuple[int, ...]
ABSENT: Final[State] = ()


class _File(msgspec.Struct, forbid_unknown_fields=True):
    tokens: list[Token]


class TokenFile:
    """The tokens of one file. `trouble` says why it is not used as it stands, if it is not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble: str | None = None
        self._tokens: tuple[Token, ...] = ()
        self._state: State | None = None

    def load(self) -> tuple[Token, ...]:
        """Read the file; none is no token. Raises `TokenFileUnusable`."""
        self._state = _state(self.path)
        self._tokens = _read(self.path)
        self.trouble = None
        return self._tokens

    def tokens(self) -> tuple[Token, ...]:
        """The tokens in force, read again if the file has changed: one `stat` where it has not.

        A damaged file leaves the last good ones in force; one that others could have read or
        written leaves none.
        """
        if _state(self.path) != self._state:
            try:
                self.load()
            except TokenFileUnusable as error:
                self.trouble = error.detail
                if error.extra.get("exposed"):
                    self._tokens = ()
                reason = {"reason": error.detail, "hint": error.hint}
                log.error("the token file is not used as it stands", **reason)  # noqa: TRY400
        return self._tokens

    def add(self, token: Token) -> None:
        """Write one more. Raises `TokenNameTaken`, `TokenFileUnusable`, OSError."""
        with self._writing() as known:
            if token.name == ENV or any(each.name == token.name for each in known):
                raise TokenNameTaken(f"There is a token named {token.name} already.")
            known.append(token)

    def remove(self, name: str) -> Token:
        """Take one out. Raises `TokenNotFound`, `TokenFileUnusable`, OSError."""
        with self._writing() as known:
            for token in known:
                if token.name == name:
                    known.remove(token)
                    return token
            raise TokenNotFound(f"There is no token named {name[:100]!r}.")

    @contextlib.contextmanager
    def _writing(self) -> Generator[list[Token]]:
        """The tokens, to be changed; what is left of them at the end is on disk after it."""
        target = Path(os.path.realpath(self.path))  # a link stays one
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = os.open(f"{target}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(held, target)
            known = list(_read(target))
            yield known
            _write(target, msgspec.json.format(msgspec.json.encode(_File(known)), indent=2))
        finally:
            os.close(held)


def _take(descriptor: int, path: Path) -> None:
    end = time.monotonic() + LOCK_WAIT
    while True:
        try:
            return _try_lock(descriptor)
        except OSError as error:
            if time.monotonic() > end:
                raise _unusable(path, "is held by another writer", "Try again.") from error
        time.sleep(0.02)


def _state(path: Path) -> State:
    """What tells one version of the file from another, its owner and mode included."""
    try:
        info = path.stat()
    except OSError:
        return ABSENT
    # ctime too: an inode may be used again within one tick of the clock.
    version = (info.st_ino, info.st_mtime_ns, info.st_ctime_ns, info.st_size)
    return (*version, info.st_mode, info.st_uid)


def _read(path: Path) -> tuple[Token, ...]:
    try:
        with path.open("rb") as file:
            _check_private(path, os.fstat(file.fileno()))
            content = file.read(MAX + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise _unusable(path, f"can't be read: {error.strerror}", "Check the path.") from error
    return _parse(path, content)


def _check_private(path: Path, info: os.stat_result) -> None:
    if os.name != "posix":
        return
    if info.st_mode & 0o077 or info.st_uid != os.getuid():
        what = "is open to others" if info.st_mode & 0o077 else "belongs to another user"
        raise _unusable(
            path, f"{what}, who could know or change the tokens", f"chmod 600 {path}", exposed=True
        )


def _parse(path: Path, content: bytes) -> tuple[Token, ...]:
    hint = "Correct it, or remove it and make new tokens: codex-http-server token create"
    if len(content) > MAX:
        raise _unusable(path, "is too large", hint)
    try:
        found = msgspec.json.decode(content, type=_File).tokens
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unusable(path, f"is damaged: {error}", hint) from error
    names = [ENV, *(token.name for token in found)]
    if len(set(names)) != len(names):
        raise _unusable(path, f"has two tokens of one name, or one named {ENV}", hint)
    return tuple(found)


def _unusable(path: Path, what: str, hint: str, **extra: bool) -> TokenFileUnusable:
    return TokenFileUnusable(f"The token file {path} {what}.", hint=hint, **extra)


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, and on disk when this returns."""
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content + b"\n")
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
