"""The ledger in SQLite: one row for each turn that has ended. Reading it, and making it of an
old log.

Every function runs in a thread of the database, on its connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

from codex_http_server.eventlog import rows
from codex_http_server.eventlog.base import ConversationSpent, LedgerSums
from codex_http_server.events import TURN_COMPLETED, TURN_STARTED, USAGE, Event
from codex_http_server.records import Spent, TurnRecord
from codex_http_server.usage import Meter

_SPENT: Final = f"SELECT {rows.SPENT} FROM turn"  # noqa: S608
# In the order of the index: a turn's id begins with its time, so the newest are the last.
_NEWEST: Final = "SELECT body FROM turn WHERE conv = ? AND turn < ? ORDER BY turn DESC LIMIT ?"
_KEPT: Final = (
    "SELECT body FROM turn WHERE conv = ? AND turn < ?"
    " AND NOT EXISTS (SELECT 1 FROM reverted AS r WHERE r.conv = turn.conv AND r.turn = turn.turn)"
    " ORDER BY turn DESC LIMIT ?"
)
_LAST_ID: Final = "\U0010ffff"


def sums(connection: sqlite3.Connection, since_ms: int) -> LedgerSums:
    """Of all turns, and by caller of those that ended since."""
    total = rows.spent_of(connection.execute(_SPENT).fetchone())
    found = connection.execute(
        f"SELECT caller, {rows.SPENT} FROM turn WHERE ended_ms >= ? GROUP BY caller",  # noqa: S608
        (since_ms,),
    )
    return LedgerSums(total, {row[0]: rows.spent_of(row[1:]) for row in found})


def spent(connection: sqlite3.Connection, conversation_id: str) -> Spent:
    """By one conversation."""
    row = connection.execute(f"{_SPENT} WHERE conv = ?", (conversation_id,)).fetchone()
    return rows.spent_of(row)


def turns(
    connection: sqlite3.Connection, conversation_id: str, before: str | None, limit: int
) -> list[TurnRecord]:
    """The newest turns with ids below `before`, newest first."""
    found = connection.execute(_NEWEST, (conversation_id, before or _LAST_ID, limit))
    return [rows.turn_of(row[0]) for row in found]


def kept_turns(
    connection: sqlite3.Connection, conversation_id: str, before: str | None, limit: int
) -> list[TurnRecord]:
    """As `turns`, without those that were taken back."""
    found = connection.execute(_KEPT, (conversation_id, before or _LAST_ID, limit))
    return [rows.turn_of(row[0]) for row in found]


def costliest(connection: sqlite3.Connection, limit: int) -> list[ConversationSpent]:
    """The conversations with the most tokens."""
    found = connection.execute(
        f"SELECT conv, max(ended_ms), {rows.SPENT} FROM turn GROUP BY conv"  # noqa: S608
        " ORDER BY sum(total) DESC, conv LIMIT ?",
        (limit,),
    )
    return [ConversationSpent(row[0], row[1], rows.spent_of(row[2:])) for row in found]


# --- old logs ---------------------------------------------------------------------------------


def write_ledger(connection: sqlite3.Connection) -> None:
    """Make the ledger of a log that was written before there was one."""
    for num, uid in connection.execute("SELECT num, id FROM conversation").fetchall():
        meter = Meter(uid)
        for event in _turn_events(connection, num, uid):
            if event.type == TURN_STARTED and event.turn_id:
                meter.began(event.turn_id, _caller(connection, uid, event.turn_id))
            change = meter.note(event)
            if change is not None:
                connection.execute(rows.PUT_TURN, rows.turn_row(change.record))


def _turn_events(connection: sqlite3.Connection, num: int, uid: str) -> Iterable[Event]:
    found = connection.execute(
        f"SELECT {rows.EVENT_COLUMNS} FROM event WHERE conv = ? AND type IN (?,?,?) ORDER BY seq",  # noqa: S608
        (num, TURN_STARTED, USAGE, TURN_COMPLETED),
    )
    return (rows.event_of(row, uid, "") for row in found)


def _caller(connection: sqlite3.Connection, uid: str, turn_id: str) -> str:
    """Whose message started the turn; a steered one only joined it."""
    found = connection.execute(
        "SELECT body FROM submit WHERE conv = ? AND turn = ? AND state = 'started'"
        " ORDER BY created_ms LIMIT 1",
        (uid, turn_id),
    ).fetchone()
    return rows.submit_of(found[0]).caller if found else "core"
