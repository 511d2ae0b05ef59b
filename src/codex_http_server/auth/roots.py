"""Which directories a caller may start work in (`--root`). Owns the comparison of paths.

What counts is where a path really leads, however it is spelled: links, `..`, and the case of
letters where the file system does not care for it. Directories are compared by their identity.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from codex_http_server.auth.callers import Caller, Scope

Identity = tuple[int, int]


def roots_of(caller: Caller, given: Sequence[Path], *, here: bool) -> Sequence[Path] | None:
    """The directories below which `caller` may work; None for all. `here`: on this machine."""
    if caller.may(Scope.ELEVATE):
        return None
    if given:
        return given
    return None if here else [Path.home()]


def inside(path: str, roots: Sequence[Path]) -> bool:
    """Whether an absolute path leads to one of `roots` or below it."""
    wanted = set(identities([os.path.realpath(root) for root in roots]))
    real = Path(os.path.realpath(path))
    return any(found in wanted for found in identities([real, *real.parents]))


def identities(paths: Sequence[str | Path]) -> Iterator[Identity]:
    """Device and number of those that exist."""
    for path in paths:
        try:
            info = Path(path).stat()
        except OSError:
            continue
        yield info.st_dev, info.st_ino
