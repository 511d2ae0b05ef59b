"""Moves what was committed from SQLite's write-ahead file into the database, in the background.

SQLite does this itself at every so-many-th commit, and that commit waits for the disk: 18 ms on
an idle one, 70 ms on a busy one (measured). Here a thread of its own does it, beside the commits,
which wait at most 2 ms for it. Beside a writer that never rests the file is never moved whole and
so would grow; past `LIMIT` the writer itself moves the rest.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Final

from codex_http_server.logs import get_logger

log = get_logger(__name__)

PAUSE: Final = 2.0  # seconds from the first commit after a checkpoint to the next one
LIMIT: Final = 8000  # pages of 4 KB in the write-ahead file
END: Final = 2.0  # seconds for a checkpoint that runs at close
CHECKPOINT: Final = "PRAGMA wal_checkpoint(PASSIVE)"  # takes what it can, never waits for anyone


class Checkpoints:
    """A thread that checkpoints on a connection of its own, from `open`."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._thread: threading.Thread | None = None
        self._dirty = threading.Event()
        self._closing = threading.Event()
        self.behind = False

    def open(self) -> None:
        """Start. Raises `sqlite3.Error`."""
        connection = self._connect()
        self._thread = threading.Thread(
            target=self._run, args=(connection,), name="log-checkpoints"
        )
        self._thread.start()

    def note(self) -> None:
        """Something was committed."""
        if not self._dirty.is_set():
            self._dirty.set()

    def catch_up(self, connection: sqlite3.Connection) -> None:
        """Move all, on the writer's connection, between two commits."""
        self.behind = False
        self._checkpoint(connection)

    def _run(self, connection: sqlite3.Connection) -> None:
        while self._dirty.wait() and not self._closing.wait(PAUSE):
            self._dirty.clear()
            self.behind = self._checkpoint(connection) > LIMIT
        connection.close()

    def _checkpoint(self, connection: sqlite3.Connection) -> int:
        """How many pages the write-ahead file holds."""
        try:
            return connection.execute(CHECKPOINT).fetchone()[1]
        except sqlite3.Error as error:  # a full disk, say: what was committed stays where it is
            log.warning("the event log could not be checkpointed", error=repr(error))
            return 0

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._dirty.set()
        if self._thread is not None:
            self._thread.join(END)
            self._thread = None
