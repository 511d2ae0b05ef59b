"""One server per Codex home: an exclusive lock that dies with its holder.

Owns `server.lock` and `server.json`. The lock is the kernel's, so a killed server leaves none.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from codex_http_server.errors import HomeInUse
from codex_http_server.places import Places

if os.name == "nt":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class ServerLock:
    """Held from before anything is touched until everything has ended."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._descriptor: int | None = None

    def __enter__(self) -> ServerLock:
        """Take the lock. Raises `HomeInUse`, naming the server that holds it."""
        descriptor = os.open(self._places.server_lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise _in_use(self._places) from error
        self._descriptor = descriptor
        self._places.discovery.unlink(missing_ok=True)
        return self

    def announce(self, url: str, version: str) -> None:
        """Write the discovery file (0600): url, pid, start time, version, home."""
        me = psutil.Process()
        record = {
            "url": url,
            "pid": me.pid,
            "started_at": me.create_time(),
            "version": version,
            "codex_home": str(self._places.home),
        }
        write_private(self._places.discovery, record)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._descriptor is not None:
            self._places.discovery.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in `path`, or None if there is none or it is torn."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]


def write_private(path: Path, value: object) -> None:
    """Write JSON to `path` with mode 0600, whole or not at all, and on disk when this returns."""
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _in_use(places: Places) -> HomeInUse:
    other = read_json(places.discovery)
    where = f"at {other['url']} (pid {other['pid']})" if other else "that is still starting"
    return HomeInUse(
        f"A codex-http-server for {places.home} already runs {where}.",
        hint="Use that one, stop it, or give this one another home with --codex-home.",
    )
