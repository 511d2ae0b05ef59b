"""A SQLite file with one writer thread and a few readers.

Owns the file, its version, the threads and the connections; knows nothing of what is stored.
Batches given to `write` are committed in order, as many as are waiting in one transaction
(group commit), then handed to `on_commit` on the event loop. A transaction is synced to the
disk if `must_sync` says so of one of its batches. A commit that fails is tried
again until it works or the database is closed: nothing given to `write` is dropped.
While nothing is with the writer, `commit_now` commits on the event loop itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TypeVar

from codex_http_server.checkpoints import Checkpoints
from codex_http_server.errors import LogDamaged, LogUnusable
from codex_http_server.logs import get_logger

log = get_logger(__name__)

T = TypeVar("T")
R = TypeVar("R")

APPLICATION_ID: Final = 0x43485453  # "CHTS", in the file's header
GROUP_MAX: Final = 4096  # batches in one transaction
RETRY: Final = 0.5  # seconds between tries of a commit that failed
BUSY: Final = 5.0  # seconds to wait for another process that writes to the file
CLOSE: Final = 3.0  # seconds for the writer to finish at close
READERS: Final = 3


BACKUP: Final = "Stop the server and put a backup back; its operations guide says how."
MEND: Final = (
    "Stop the server; put a backup back, or save what is left with `sqlite3 log.db .recover`."
)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file itself is broken."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Migration(NamedTuple):
    """One step of the schema: a script, and what is done to the data in the same transaction."""

    script: str
    then: Callable[[sqlite3.Connection], None] | None = None


class Database(Generic[T]):
    """Open it on the event loop that uses it. `apply` runs in the writer thread."""

    def __init__(
        self,
        path: Path,
        migrations: Sequence[Migration],
        apply: Callable[[sqlite3.Connection, list[T]], None],
        on_commit: Callable[[list[T]], None],
        must_sync: Callable[[T], bool],
    ) -> None:
        self._path = path
        self._must_sync = must_sync
        self._mode = (True, True)
        self._writer: sqlite3.Connection | None = None
        self._checkpoints = Checkpoints(self._connect)
        self._migrations = migrations
        self._apply = apply
        self._on_commit = on_commit
        self._queue: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self.failure: str | None = None  # why nothing can be written at the moment
        self.damage: str | None = None  # what was found broken; for good

    def open(self) -> sqlite3.Connection:
        """Open the file, bring it up to date, start the writer.

        Returns the writer's connection, for reading what is needed at start, before the first
        `write`. Raises `LogUnusable`.
        """
        connection = self._writer = self._prepare()
        self._loop = asyncio.get_running_loop()
        self._readers = ThreadPoolExecutor(READERS, "log-reader")
        self._thread = threading.Thread(target=self._run, args=(connection,), name="log-writer")
        self._thread.start()
        self._checkpoints.open()
        return connection

    def _prepare(self) -> sqlite3.Connection:
        try:
            # Before SQLite: it gives its side files the mode of the database.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = self._connect()
            try:
                self._set_up(connection)
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise LogUnusable(
                f"The event log {self._path} can't be opened: {error}.",
                hint="Check the disk and the file's owner, or choose another --data-dir.",
            ) from error
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, timeout=BUSY
        )
        connection.execute("PRAGMA fullfsync=1")  # macOS: fsync alone stops at the drive
        connection.execute("PRAGMA wal_autocheckpoint=0")  # see checkpoints.py
        # What is deleted is overwritten, also where text is folded: no slower (measured).
        connection.execute("PRAGMA secure_delete=ON")
        return connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        self._check(connection)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        self._migrate(connection)

    def _check(self, connection: sqlite3.Connection) -> None:
        (owner,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if tables and owner != APPLICATION_ID:
            raise LogUnusable(f"{self._path} is not an event log of codex-http-server.")
        if version > len(self._migrations):
            raise LogUnusable(
                f"{self._path} was written by a newer codex-http-server.",
                hint="Upgrade codex-http-server, or choose another --data-dir.",
            )

    def _migrate(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for number, migration in enumerate(self._migrations[version:], version + 1):
            # executescript ends an open transaction first, so the script opens its own.
            connection.executescript(f"BEGIN IMMEDIATE; {migration.script}")
            if migration.then is not None:
                migration.then(connection)
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={number}")
            connection.execute("COMMIT")

    # --- writing ------------------------------------------------------------------------

    def write(self, batch: T) -> None:
        """Queue a batch for the next commit. Call from the event loop."""
        self._queue.put(batch)

    def commit_now(self, batch: T) -> bool:
        """Commit on the event loop; False if that can't be: then `write` it.

        Only for a batch that need not be synced, while no other is with the writer. There and
        back through a thread costs more than the commit of a few rows. It waits for no disk
        and no other process.
        """
        if self._writer is None or self.failure is not None or self._checkpoints.behind:
            return False
        try:
            self._transact(self._writer, [batch], (False, False))
        except Exception as error:  # noqa: BLE001 # the writer tries again, and tells
            log.info("a commit goes to the writer", error=repr(error))
            self._roll_back(self._writer)
            return False
        return True

    def _run(self, connection: sqlite3.Connection) -> None:
        ended = False
        while not ended:
            group, ended = self._next_group()
            if group and not self._commit(connection, group):
                break
        connection.close()

    def _next_group(self) -> tuple[list[T], bool]:
        """All batches that are waiting, at least one; and whether they are the last."""
        first = self._queue.get()
        if first is None:
            return [], True
        group = [first]
        with contextlib.suppress(queue.Empty):
            while len(group) < GROUP_MAX:
                batch = self._queue.get_nowait()
                if batch is None:
                    return group, True
                group.append(batch)
        return group, False

    def _commit(self, connection: sqlite3.Connection, group: list[T]) -> bool:
        if self._checkpoints.behind:
            self._checkpoints.catch_up(connection)
        while True:
            try:
                self._transact(connection, group, (any(map(self._must_sync, group)), True))
            except Exception as error:  # noqa: BLE001 # this thread must outlive any of them
                self._failed(connection, error)
                if self._closing.wait(RETRY):
                    return False
                continue
            self._tell(group)
            return True

    def _transact(
        self, connection: sqlite3.Connection, group: list[T], mode: tuple[bool, bool]
    ) -> None:
        self._choose(connection, mode)
        connection.execute("BEGIN IMMEDIATE")
        self._apply(connection, group)
        connection.execute("COMMIT")
        self._checkpoints.note()

    def _choose(self, connection: sqlite3.Connection, mode: tuple[bool, bool]) -> None:
        """Synced: on disk when the commit returns; else with the next synced one, or soon. A
        crash of this process loses nothing in either, only a power cut does. Patient: waits
        for another process that writes."""
        if mode != self._mode:
            synced, patient = self._mode = mode
            connection.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")
            connection.execute(f"PRAGMA busy_timeout={int(BUSY * 1000) if patient else 0}")

    def _failed(self, connection: sqlite3.Connection, error: Exception) -> None:
        if self.failure is None:
            log.error("the event log can't be written", error=repr(error))
        self.failure = str(error)
        self._roll_back(connection)

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        with contextlib.suppress(sqlite3.Error):  # no transaction was begun
            connection.execute("ROLLBACK")

    def _tell(self, group: list[T]) -> None:
        if self.failure is not None:
            log.info("the event log can be written again")
        self.failure = None
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._on_commit, group)

    # --- reading ------------------------------------------------------------------------

    async def read(self, query: Callable[[sqlite3.Connection], R]) -> R:
        """Run `query` in a reader thread, in one read transaction of what is committed."""
        assert self._readers is not None
        assert self._loop is not None
        return await self._loop.run_in_executor(self._readers, self._read, query)

    def _read(self, query: Callable[[sqlite3.Connection], Any]) -> Any:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only=1")
            self._local.connection = connection
            self._connections.append(connection)
        connection.execute("BEGIN")
        try:
            return query(connection)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self.damage = str(error)
            log.critical("the event log is damaged", error=self.damage)
            raise LogDamaged("A part of the event log can't be read.", hint=BACKUP) from error
        finally:
            self._roll_back(connection)  # nothing was written

    async def empty_wal(self) -> bool:
        """Move all that was committed into the database and empty the write-ahead file, where
        old pages stand as they were; False if that could not be done soon enough."""
        assert self._readers is not None
        assert self._loop is not None
        return await self._loop.run_in_executor(self._readers, self._empty_wal)

    def _empty_wal(self) -> bool:
        connection = self._connect()  # it waits `BUSY` s for those who read and write
        try:
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            log.warning("the write-ahead file could not be emptied", error=repr(error))
            return False
        finally:
            connection.close()
        return not busy

    def close(self) -> None:
        """Commit what is waiting, end the threads. May be called twice; bounded by `CLOSE`, and
        `END` of the checkpoints."""
        if self._thread is None or self._readers is None:
            return
        self._writer = None
        self._checkpoints.close()
        self._queue.put(None)
        self._thread.join(CLOSE / 2)
        self._closing.set()
        self._thread.join(CLOSE / 2)
        self._readers.shutdown(wait=True, cancel_futures=True)
        for connection in self._connections:
            connection.close()
        self._thread = None
