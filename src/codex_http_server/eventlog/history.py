"""Pages of a conversation's turns and ended items, out of SQLite.

Every function runs in a reader thread, on its connection. No query walks more than the page and
the index entries of the conversation (or of the turn) that are counted beside it.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from itertools import islice
from typing import Final, NamedTuple

from codex_http_server.eventlog import rows
from codex_http_server.eventlog.base import ItemRows, KnownTurn, Span, TurnRow, TurnRows
from codex_http_server.events import (
    ITEM_COMPLETED,
    ITEM_DISCARDED,
    TURN_COMPLETED,
    TURN_DIFF,
    TURN_PLAN,
    TURN_STARTED,
    Event,
)
from codex_http_server.records import TurnRecord

ITEM_MARKS: Final = (ITEM_COMPLETED, ITEM_DISCARDED)
SELECT: Final = f"SELECT {rows.EVENT_COLUMNS} FROM event"  # noqa: S608
# What the indexes event_mark and event_turn serve; `mark = 1` must stand there to the letter.
MARKED: Final = "conv = ? AND type = ? AND mark = 1"
OF_TURN: Final = "conv = ? AND turn = ? AND type = ? AND mark = 1"
NEWEST: Final = 2**62  # above every seq
PAGE_BYTES: Final = 4 * 1024 * 1024  # of events; one more may come on top

_DIFF: Final = (
    f"SELECT CASE WHEN length(data) <= ? THEN data END FROM event WHERE {OF_TURN}"  # noqa: S608
    " ORDER BY seq DESC LIMIT 1"
)


# Told by the core: as it happened, or out of its history.
_KNOWN: Final = f"""
SELECT turn, seq, EXISTS (SELECT 1 FROM event AS ended WHERE ended.conv = event.conv
  AND ended.turn = event.turn AND ended.type = ? AND ended.mark = 1
  AND coalesce(ended.synthetic, 'history') = 'history')
FROM event WHERE {MARKED} AND json_extract(CAST(data AS TEXT), '$.threadId') = ? ORDER BY seq"""  # noqa: S608


class Place(NamedTuple):
    """Whose events are read, and how they become events."""

    connection: sqlite3.Connection
    num: int
    conversation_id: str
    log_tag: str

    def stream(self, where: str, values: Sequence[object]) -> Generator[Event]:
        """The events that a condition finds, read as they are taken."""
        with closing(self.connection.execute(f"{SELECT} WHERE {where}", tuple(values))) as found:
            for row in found:
                yield rows.event_of(row, self.conversation_id, self.log_tag)

    def events(self, where: str, values: Sequence[object]) -> list[Event]:
        """The events that a condition finds."""
        return list(self.stream(where, values))

    def how_many(self, where: str, values: Sequence[object]) -> int:
        """How many events a condition finds."""
        sql = f"SELECT count(*) FROM event WHERE {where}"  # noqa: S608
        return self.connection.execute(sql, tuple(values)).fetchone()[0]


def items(place: Place, span: Span, limit: int, turn_id: str | None = None) -> ItemRows:
    """Ended items of the conversation, or of one turn, in one piece."""
    # One range of the index for each type: `IN` would sort them all first.
    ranges = [_range(place, kind, turn_id) for kind in ITEM_MARKS]
    page = _page(place, ranges, span, limit)
    return ItemRows(page, *_around(place, ranges, page, span))


def turns(place: Place, span: Span, limit: int, diff_size: int) -> TurnRows:
    """Turns of the conversation, placed by the seq of their starts."""
    ranges = [_range(place, TURN_STARTED, None)]
    page = _page(place, ranges, span, limit)
    found = [_turn(place, started, diff_size) for started in page]
    return TurnRows(found, *_around(place, ranges, page, span))


def turn(place: Place, turn_id: str, diff_size: int) -> TurnRow | None:
    """One turn; None if its start is not in the log."""
    started = _newest(place, turn_id, TURN_STARTED)
    return None if started is None else _turn(place, started, diff_size)


def turn_events(place: Place, turn_id: str) -> list[Event]:
    """The turn's start, items' ends, diffs, plans and end, oldest first."""
    kinds = (TURN_STARTED, *ITEM_MARKS, TURN_DIFF, TURN_PLAN, TURN_COMPLETED)
    found = [each for kind in kinds for each in place.events(OF_TURN, (place.num, turn_id, kind))]
    return sorted(found, key=lambda event: event.seq)


def known_turns(place: Place, thread_id: str) -> list[KnownTurn]:
    """The turns that the log has of this thread, oldest first."""
    values = (TURN_COMPLETED, place.num, TURN_STARTED, thread_id)
    return [
        KnownTurn(t, seq, bool(end)) for t, seq, end in place.connection.execute(_KNOWN, values)
    ]


def last_diff(place: Place, turn_id: str | None) -> tuple[str, Event | None] | None:
    """The turn, by default the newest, and its last diff. None where there is no such turn."""
    if turn_id is None:
        newest = place.events(f"{MARKED} ORDER BY seq DESC LIMIT 1", (place.num, TURN_STARTED))
        turn_id = newest[0].turn_id if newest else None
    if turn_id is None or _newest(place, turn_id, TURN_STARTED) is None:
        return None
    return turn_id, _newest(place, turn_id, TURN_DIFF)


# --- a page -----------------------------------------------------------------------------------

_Range = tuple[str, tuple[object, ...]]  # a condition without seq, and its values


def _range(place: Place, kind: str, turn_id: str | None) -> _Range:
    if turn_id is None:
        return MARKED, (place.num, kind)
    return OF_TURN, (place.num, turn_id, kind)


def bounded(events: Iterable[Event]) -> list[Event]:
    """These, but for what is left when they have `PAGE_BYTES`."""
    found: list[Event] = []
    size = 0
    for event in events:
        found.append(event)
        size += len(event.data)
        if size >= PAGE_BYTES:
            break
    return found


def _page(place: Place, ranges: Iterable[_Range], span: Span, limit: int) -> list[Event]:
    """Oldest first: the newest before `span.before`, or the oldest after `span.after`. It ends
    early where it is large: an item can be a megabyte."""
    back = span.after is None
    seek = f"seq > ? AND seq < ? ORDER BY seq {'DESC' if back else ''} LIMIT ?"
    bounds = (span.after or 0, span.before, limit)
    streams = [place.stream(f"{where} AND {seek}", (*of, *bounds)) for where, of in ranges]
    merged = heapq.merge(*streams, key=lambda event: event.seq, reverse=back)
    found = bounded(islice(merged, limit))
    for stream in streams:
        stream.close()
    return found[::-1] if back else found


def _around(
    place: Place, ranges: Iterable[_Range], page: Sequence[Event], span: Span
) -> tuple[int, int]:
    """How many lie before the page and how many after it."""
    edge = span.before if span.after is None else span.after + 1  # where an empty page stands
    first, last = (page[0].seq, page[-1].seq) if page else (edge, edge - 1)
    before = after = 0
    for where, values in ranges:
        before += place.how_many(f"{where} AND seq < ?", (*values, first))
        after += place.how_many(f"{where} AND seq > ?", (*values, last))
    return before, after


# --- a turn -----------------------------------------------------------------------------------


def _turn(place: Place, started: Event, diff_size: int) -> TurnRow:
    turn_id = started.turn_id or ""
    diff = place.connection.execute(_DIFF, (diff_size, place.num, turn_id, TURN_DIFF)).fetchone()
    return TurnRow(
        started=started,
        ended=_newest(place, turn_id, TURN_COMPLETED),
        items=sum(place.how_many(OF_TURN, (place.num, turn_id, kind)) for kind in ITEM_MARKS),
        has_diff=diff is not None,
        diff=diff[0] if diff else None,
        plan=_newest(place, turn_id, TURN_PLAN),
        submit_ids=_submit_ids(place, turn_id),
        spent=_spent(place, turn_id),
    )


def _newest(place: Place, turn_id: str, kind: str) -> Event | None:
    values = (place.num, turn_id, kind)
    found = place.events(f"{OF_TURN} ORDER BY seq DESC LIMIT 1", values)
    return found[0] if found else None


def _submit_ids(place: Place, turn_id: str) -> list[str]:
    """The messages that went into the turn, in the order in which they were sent."""
    sql = "SELECT id FROM submit WHERE conv = ? AND turn = ? ORDER BY created_ms, id"
    return [row[0] for row in place.connection.execute(sql, (place.conversation_id, turn_id))]


def _spent(place: Place, turn_id: str) -> TurnRecord | None:
    sql = "SELECT body FROM turn WHERE conv = ? AND turn = ?"
    found = place.connection.execute(sql, (place.conversation_id, turn_id)).fetchone()
    return rows.turn_of(found[0]) if found else None
