"""What was appended in one turn of the event loop, and the transaction that commits it."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Final

from codex_http_server.eventlog import rows
from codex_http_server.eventlog.fold import ENDS, End, fold, mark
from codex_http_server.eventlog.search import index
from codex_http_server.events import Event
from codex_http_server.logs import get_logger

log = get_logger(__name__)

_REFUSED: Final = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    UnicodeError,
)
FEW: Final = 256  # deltas that are committed on the event loop: at most 1 ms of it


class Batch:
    """What was appended in one turn of the event loop; it is committed together."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.convs: list[int] = []
        self.records: list[tuple[str, tuple[object, ...]]] = []
        self.heads: dict[int, int] = {}
        self.waiters: list[asyncio.Future[None]] = []
        self.sync = False
        self.step = False  # go on with the search index
        self.stepped: index.Progress | None = None
        self.size = 0  # bytes in memory, roughly

    @property
    def must_sync(self) -> bool:
        """Only deltas may wait for the disk: they are mended by their item's end."""
        return self.sync or bool(self.records) or bool(self.waiters)

    @property
    def is_few(self) -> bool:
        """A few deltas and nothing else."""
        return len(self.events) <= FEW and not self.must_sync and not self.step


def apply(connection: sqlite3.Connection, group: list[Batch]) -> None:
    """One transaction for the whole group; in the writer thread, but for a few deltas."""
    for batch in group:
        if batch.sync:
            rowed = map(rows.event_row, batch.events, batch.convs)
            connection.executemany(rows.INSERT_EVENT, rowed)
            _fold(connection, batch)
        else:
            rowed = map(rows.delta_row, batch.events, batch.convs)
            connection.executemany(rows.INSERT_DELTA, rowed)
        for statement, values in batch.records:
            _put(connection, statement, values)
    if any(batch.must_sync for batch in group):
        _move_heads(connection, group)
    for batch in group:
        if batch.step:
            batch.stepped = index.step(connection)


def _move_heads(connection: sqlite3.Connection, group: list[Batch]) -> None:
    heads: dict[int, int] = {}
    for batch in group:
        heads.update(batch.heads)
    connection.executemany(
        "UPDATE conversation SET last_seq = ? WHERE num = ?",
        [(seq, num) for num, seq in heads.items()],
    )


def _fold(connection: sqlite3.Connection, batch: Batch) -> None:
    """Items that end in this batch stand for their deltas from now on."""
    for event, conv in zip(batch.events, batch.convs, strict=True):
        if event.type in ENDS and conv:
            event.folded = None  # a second try of this commit counts anew
            place = (conv, event.seq, event.turn_id, event.item_id, event.item_type)
            count = fold(connection, End(*place, event.data))
            if count:
                event.folded = count
                mark(connection, conv, event.seq, count)


def _put(connection: sqlite3.Connection, statement: str, values: tuple[object, ...]) -> None:
    """Write one record. One that SQLite refuses is a fault of ours: it is told and left out,
    because trying it again for ever would stop the log for everyone."""
    try:
        connection.execute(statement, values)
    except _REFUSED as error:
        log.critical("a record can't be stored", error=repr(error), statement=statement[:60])
