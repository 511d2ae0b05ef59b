"""Reading the index: a page of what was found, with the words around it.

Runs in a reader thread, on its connection. A row of the index is shown only if its conversation
is there and its item is on the pages of it too: what was taken back is not found.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from codex_http_server.errors import SearchUnavailable
from codex_http_server.eventlog import rows
from codex_http_server.eventlog.base import SearchFilter, SearchHit, Snippet
from codex_http_server.eventlog.search.index import TITLE
from codex_http_server.eventlog.search.query import expression
from codex_http_server.eventlog.search.text import BREAK, CLOSE, KINDS, OPEN, Kind
from codex_http_server.logs import get_logger

log = get_logger(__name__)

SHOWN: Final = 240  # characters of a snippet
LEAD: Final = 80  # of them before what was found
# Not `sqlite3.SQLITE_CORRUPT`: that is of the log itself.
OF_INDEX: Final = (sqlite3.SQLITE_CORRUPT_VTAB, sqlite3.SQLITE_ERROR)
NEWEST: Final = 2**63 - 1

_FOUND: Final = """
SELECT d.id, e.seq, e.turn, e.item, e.status, e.at_ms, c.body, {marked}
FROM search_text CROSS JOIN search_doc AS d ON d.id = search_text.rowid
CROSS JOIN conversation AS c ON c.num = d.conv LEFT JOIN event AS e ON e.position = d.position
WHERE search_text MATCH ? AND search_text.rowid < ?
AND (d.position IS NULL OR (e.mark = 1 AND e.position <= ?)){more}
ORDER BY search_text.rowid DESC LIMIT ?"""


def page(
    connection: sqlite3.Connection, wanted: SearchFilter, upto: int, before: int, limit: int
) -> list[SearchHit]:
    """The newest hits with ids below `before`, of events up to position `upto`."""
    more, values = _where(wanted)
    marked = ", ".join(
        f"highlight(search_text, {KINDS.index(kind)}, '{OPEN}', '{CLOSE}')" for kind in wanted.kinds
    )
    sql = _FOUND.format(marked=marked, more=more)
    asked = (expression(wanted.words, wanted.kinds), before, upto, *values, limit)
    try:
        return [_hit(row, wanted.kinds) for row in connection.execute(sql, asked)]
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode not in OF_INDEX:
            raise
        log.warning("the search index can't be read", error=repr(error))
        raise SearchUnavailable("The search index can't be read; it is made anew.") from error


def _where(wanted: SearchFilter) -> tuple[str, list[object]]:
    clauses, values = "", list[object]()
    if wanted.conversations:
        clauses += f" AND c.id IN ({','.join('?' * len(wanted.conversations))})"
        values += wanted.conversations
    if wanted.working_directory is not None:
        clauses += " AND c.directory = ?"
        values.append(wanted.working_directory)
    if wanted.archived is not None:
        clauses += " AND c.archived = ?"
        values.append(int(wanted.archived))
    return clauses, values


def _hit(row: tuple[Any, ...], kinds: tuple[Kind, ...]) -> SearchHit:
    identity, seq, turn, item, status, at_ms, body, *texts = row
    record = rows.conversation_of(body)
    kind, text = _first(kinds, texts)
    return SearchHit(
        id=identity,
        kind=kind,
        record=record,
        seq=seq,
        turn_id=turn,
        item_id=item,
        status=status,
        at_ms=record.created_ms if identity >= TITLE else at_ms,
        snippet=snippet(text),
    )


def _first(kinds: tuple[Kind, ...], texts: list[str | None]) -> tuple[Kind, str]:
    """The first of the kinds in which anything was found."""
    for kind, text in zip(kinds, texts, strict=True):
        if text and OPEN in text:
            return kind, text
    return kinds[0], ""


def snippet(marked: str) -> Snippet:
    """The part of a marked text around what was found first."""
    text, found = _unmarked(marked.replace(BREAK, ""))
    first = found[0][0] if found else 0
    start = _word_start(text, max(0, min(first - LEAD, len(text) - SHOWN)), first)
    end = min(len(text), start + SHOWN)
    shown = [(a - start, min(b, end) - start) for a, b in found if a < end]
    return Snippet(text[start:end], shown, start > 0, end < len(text))


def _word_start(text: str, start: int, upto: int) -> int:
    """Where the next word begins, if there is one before `upto`."""
    if start == 0:
        return 0
    spaces = (place + 1 for place in range(start - 1, upto) if text[place].isspace())
    return next(spaces, start)


def _unmarked(marked: str) -> tuple[str, list[tuple[int, int]]]:
    """The text, and where in it what was found begins and ends."""
    first, *rest = marked.split(OPEN)
    parts, at, found = [first], len(first), list[tuple[int, int]]()
    for piece in rest:
        inside, _, after = piece.partition(CLOSE)
        found.append((at, at + len(inside)))
        parts += (inside, after)
        at += len(inside) + len(after)
    return "".join(parts), found
