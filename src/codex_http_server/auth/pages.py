"""The page's way in: a one-time code on disk, then a session in memory.

The proof is who can write: `codex-http-server open` leaves the hash of a code as a file in the
state folder, which a sandboxed agent can read but not write. Owns the codes and the sessions, as
hashes both. Knows no cookie: api/routes/session.py.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

from codex_http_server.auth.callers import TOKENLESS, Caller, Scope
from codex_http_server.auth.tokens import digest, new_secret
from codex_http_server.errors import InvalidCode

CODE: Final = "chc_"
COOKIE: Final = "chp_"
CODE_LIFE: Final = 60.0  # seconds
SKEW: Final = 5.0  # seconds that a file may be newer than now
LIFE: Final = 12 * 3600.0  # seconds of a session
MOST: Final = 100  # sessions


def leave_code(folder: Path) -> str:
    """Write a new code's hash into `folder`; the code. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    code = new_secret(CODE)
    (folder / digest(code)).touch(mode=0o600, exist_ok=False)
    return code


def take_code(folder: Path, code: str) -> None:
    """Use a code up. Raises `InvalidCode` for one that is unknown, used or old."""
    _sweep(folder)
    path = folder / digest(code)
    try:
        fresh = _fresh(path)
        path.unlink()  # the first of two wins
    except OSError:
        fresh = False
    if not fresh:
        raise InvalidCode(
            "This code is unknown, was used before, or is older than a minute.",
            hint="Open the page again with `codex-http-server open`.",
        )


def _sweep(folder: Path) -> None:
    for path in folder.glob("*"):
        try:
            if not _fresh(path):
                path.unlink()
        except OSError:  # another request was faster
            continue


def _fresh(path: Path) -> bool:
    return -SKEW < time.time() - path.stat().st_mtime < CODE_LIFE


class Sessions:
    """The page's sessions. `clock` counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[str, tuple[str, float]] = OrderedDict()  # digest: id, end

    def begin(self) -> str:
        """A new session's secret."""
        while len(self._known) >= MOST:
            self._known.popitem(last=False)
        secret = new_secret(COOKIE)
        self._known[digest(secret)] = (secrets.token_hex(4), self._clock() + LIFE)
        return secret

    def end(self, secret: str) -> None:
        """End a session; nothing happens if there is none."""
        self._known.pop(digest(secret), None)

    def caller(self, secret: str) -> Caller | None:
        """Who calls with this session, if it is one: a local caller who may elevate."""
        key = digest(secret)

        def holds() -> bool:
            found = self._known.get(key)
            return found is not None and found[1] > self._clock()

        if not holds():
            return None
        name = f"page:{self._known[key][0]}"
        return Caller(name, "page", TOKENLESS | {Scope.ELEVATE}, holds)
