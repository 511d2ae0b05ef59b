"""Keeping the index: one small step at a time, each within a commit of the log.

Every function runs in the writer thread, on its connection. What is in the index and up to which
event is committed together, so it survives whatever the log survives, and nothing is in it twice.
A fault of the index is told and never stops the log; the index is then made anew.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import Final, NamedTuple

from codex_http_server.eventlog import rows
from codex_http_server.eventlog.search import text
from codex_http_server.eventlog.search.text import KINDS, Columns
from codex_http_server.events import ITEM_COMPLETED, ITEM_DISCARDED
from codex_http_server.logs import get_logger

log = get_logger(__name__)

VERSION: Final = "2"  # with another the index is made anew: raise it with what text.py does
STEP: Final = 0.004  # seconds of a step; a row that has been begun comes on top
WINDOW: Final = 4096  # events looked at in a step
PAGES: Final = 32  # of the index that are rubbed out in a step
TITLES: Final = 64
DISTRUST: Final = "UPDATE search_state SET version = ''"
TITLE: Final = 2**62  # ids of titles begin here
_SLOTS: Final = 20  # bits that keep ids of the same millisecond apart
_MS_MAX: Final = 2**42 - 1

_CREATE: Final = (
    f"CREATE VIRTUAL TABLE search_text USING fts5({', '.join(KINDS)},"
    """ tokenize="unicode61 remove_diacritics 2 categories 'L* N* Co So'")"""
)
_PUT: Final = (
    f"INSERT INTO search_text(rowid, {', '.join(KINDS)})"  # noqa: S608 # nothing of a caller's
    f" VALUES ({', '.join('?' * (len(KINDS) + 1))})"
)
_PUT_DOC: Final = "INSERT INTO search_doc(id, conv, position) VALUES (?,?,?)"
_BEGIN: Final = "UPDATE search_state SET version = ?, position = 0, cleaning = 0"
# By the position alone: no other index leads through the log in its order.
_ENDED: Final = f"""
SELECT position, conv, type, item_type, synthetic, at_ms, data FROM event NOT INDEXED
WHERE position > ? AND position <= ? AND conv > 0 AND mark = 1 AND type IN (?, ?)
AND item_type IN ({", ".join("?" * len(text.ITEMS))}) ORDER BY position"""  # noqa: S608


class Progress(NamedTuple):
    """What a step has left: rows to put in, remains to rub out; or why it failed."""

    behind: bool = False
    unclean: bool = False
    failure: str | None = None


def step(connection: sqlite3.Connection) -> Progress:
    """Go on with whatever is to be done, within the transaction that is open."""
    connection.execute("SAVEPOINT search")
    try:
        done = _step(connection)
    except Exception as error:  # the log goes on, whatever the index has
        if not connection.in_transaction:  # the disk, not the index: all of it is tried again
            raise
        log.warning("the search index failed", error=repr(error))
        connection.execute("ROLLBACK TO search")
        connection.execute(DISTRUST)
        done = Progress(behind=True, unclean=_is_there(connection), failure=str(error))
    connection.execute("RELEASE search")
    return done


def _step(connection: sqlite3.Connection) -> Progress:
    (version,) = connection.execute("SELECT version FROM search_state").fetchone()
    if version != VERSION:
        _make(connection)
        return Progress(behind=True)
    end = time.perf_counter() + STEP
    behind = _put_titles(connection, end) or _put_items(connection, end)
    return Progress(behind, _clean(connection))


def _make(connection: sqlite3.Connection) -> None:
    """Begin anew, with an empty index."""
    if _is_there(connection):
        # The form that a newer SQLite may have given it, which an older one does not open.
        connection.execute("UPDATE search_text_config SET v = 4 WHERE k = 'version'")
        connection.execute("DROP TABLE search_text")
    connection.execute(_CREATE)
    connection.execute("DELETE FROM search_doc")
    connection.execute("DELETE FROM search_gone")
    connection.execute("INSERT OR IGNORE INTO search_dirty SELECT num FROM conversation")
    connection.execute(_BEGIN, (VERSION,))


def _is_there(connection: sqlite3.Connection) -> bool:
    named = "SELECT 1 FROM sqlite_master WHERE name = 'search_text'"
    return connection.execute(named).fetchone() is not None


# --- putting in -------------------------------------------------------------------------------


def _put_titles(connection: sqlite3.Connection, end: float) -> bool:
    """Titles that are new or have changed; whether any are left."""
    dirty = connection.execute("SELECT num FROM search_dirty LIMIT ?", (TITLES,)).fetchall()
    for (num,) in dirty:
        _put_title(connection, num)
        connection.execute("DELETE FROM search_dirty WHERE num = ?", (num,))
        if time.perf_counter() > end:
            return True
    return len(dirty) == TITLES


def _put_title(connection: sqlite3.Connection, num: int) -> None:
    before = "SELECT id FROM search_doc WHERE conv = ? AND position IS NULL"
    for (old,) in connection.execute(before, (num,)).fetchall():
        connection.execute("DELETE FROM search_text WHERE rowid = ?", (old,))
        connection.execute("DELETE FROM search_doc WHERE id = ?", (old,))
    found = connection.execute("SELECT body FROM conversation WHERE num = ?", (num,)).fetchone()
    if found:
        record = rows.conversation_of(found[0])
        identity = TITLE + _id(record.created_ms, num)
        _put(connection, identity, (num, None), text.of_conversation(record))


def _put_items(connection: sqlite3.Connection, end: float) -> bool:
    """Items that ended since; whether there is more to look at."""
    (after,) = connection.execute("SELECT position FROM search_state").fetchone()
    (last,) = connection.execute("SELECT coalesce(max(position), 0) FROM event").fetchone()
    upto = min(last, after + WINDOW)
    values = (after, upto, ITEM_COMPLETED, ITEM_DISCARDED, *text.ITEMS)
    with closing(connection.execute(_ENDED, values)) as ended:
        for position, conv, kind, item_type, reason, at_ms, data in ended:
            found = text.of_item(kind, item_type, reason, data)
            _put(connection, _id(at_ms, position), (conv, position), found)
            if time.perf_counter() > end:
                upto = position
                break
    if upto > after:
        connection.execute("UPDATE search_state SET position = ?", (upto,))
    return upto < last


def _id(at_ms: int, number: int) -> int:
    """A place in the order of time."""
    return (min(max(at_ms, 0), _MS_MAX) << _SLOTS) + number % (1 << _SLOTS)


def _put(
    connection: sqlite3.Connection, identity: int, place: tuple[int, int | None], found: Columns
) -> None:
    if not found:
        return
    while connection.execute("SELECT 1 FROM search_doc WHERE id = ?", (identity,)).fetchone():
        identity += 1
    connection.execute(_PUT_DOC, (identity, *place))
    connection.execute(_PUT, (identity, *(found.get(kind) for kind in KINDS)))


# --- rubbing out ------------------------------------------------------------------------------


def _clean(connection: sqlite3.Connection) -> bool:
    """Rub out what was deleted; whether anything of it is left.

    A row that is deleted leaves its words in the index until that is merged to one piece.
    """
    end = time.perf_counter() + STEP
    gone = connection.execute("SELECT id FROM search_gone LIMIT ?", (TITLES,)).fetchall()
    for (identity,) in gone:
        connection.execute("DELETE FROM search_text WHERE rowid = ?", (identity,))
        connection.execute("DELETE FROM search_gone WHERE id = ?", (identity,))
        if time.perf_counter() > end:
            return True
    if gone:
        return True
    (cleaning,) = connection.execute("SELECT cleaning FROM search_state").fetchone()
    if not cleaning:
        return False
    done = cleaning == _MERGING and not _merge(connection, PAGES)
    if cleaning != _MERGING:
        _merge(connection, -PAGES)
    connection.execute("UPDATE search_state SET cleaning = ?", (0 if done else _MERGING,))
    return not done


_MERGING: Final = 2


def _merge(connection: sqlite3.Connection, pages: int) -> bool:
    """Go on merging, or begin to (`pages` below 0); whether there was anything to do."""
    before = connection.total_changes
    connection.execute("INSERT INTO search_text(search_text, rank) VALUES ('merge', ?)", (pages,))
    return connection.total_changes - before >= _MERGING


def remove(num: int) -> list[tuple[str, tuple[object, ...]]]:
    """The statements that take a conversation out, in the transaction that deletes it; the steps
    that follow rub its words out."""
    return [
        ("INSERT OR IGNORE INTO search_gone SELECT id FROM search_doc WHERE conv = ?", (num,)),
        ("DELETE FROM search_doc WHERE conv = ?", (num,)),
        ("DELETE FROM search_dirty WHERE num = ?", (num,)),
        ("UPDATE search_state SET cleaning = 1 WHERE EXISTS (SELECT 1 FROM search_gone)", ()),
    ]
