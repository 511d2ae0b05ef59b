"""How far each receiver has been told: a small file beside the log.

A power cut may leave it a notice behind: then that is told again, under the same id.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from codex_http_server.engine.lock import write_private
from codex_http_server.logs import get_logger

log = get_logger(__name__)


class Mark(msgspec.Struct, frozen=True):
    """A position of one log."""

    log: str
    position: int


class Marks:
    """The marks, by receiver. A file that is not there or is torn has none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._marks = _read(path)

    def get(self, name: str, log_tag: str) -> int | None:
        """The last position that was told; None for a new receiver and for another log."""
        mark = self._marks.get(name)
        return mark.position if mark is not None and mark.log == log_tag else None

    def put(self, name: str, log_tag: str, position: int) -> None:
        """Write it down. What can't be written is told again after a restart, and logged."""
        self._marks[name] = Mark(log_tag, position)
        try:
            write_private(self._path, msgspec.to_builtins(self._marks))
        except OSError as error:
            log.warning("how far receivers were told can't be written", reason=str(error))


def _read(path: Path) -> dict[str, Mark]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Mark])
    except (OSError, msgspec.DecodeError):
        return {}
