"""Reading a command's output: from its deltas while it runs, from its chunks afterwards.

Fast commands send no deltas at all, and the core cuts what its finished item holds, so the
longer of the two is the output (measured: neither contains the other).
"""

from __future__ import annotations

import sqlite3
from typing import Final

import msgspec

from codex_http_server.eventlog.base import OutputPage
from codex_http_server.eventlog.fold import OUTPUT, Delta

Key = tuple[int, str, str]  # conversation, turn, item

_SEQ: Final = (
    "SELECT seq, data FROM event WHERE conv = ? AND type = ? AND mark = 1 AND turn = ?"
    " AND item = ? ORDER BY seq DESC LIMIT 1"
)
_DELTAS: Final = (
    "SELECT data FROM event WHERE conv = ? AND seq > ? AND type = ? AND turn = ? AND item = ?"
    " ORDER BY seq"
)
_delta: Final = msgspec.json.Decoder(Delta)


class _Item(msgspec.Struct):
    aggregatedOutput: str | None = None


class _End(msgspec.Struct):
    item: _Item


def read_output(
    connection: sqlite3.Connection, key: Key, offset: int, limit: int
) -> OutputPage | None:
    """See `EventLog.output`."""
    started = connection.execute(_SEQ, (key[0], "item/started", *key[1:])).fetchone()
    if started is None:
        return None
    ended = _end_of(connection, key)
    pieces = _chunks(connection, key) or _deltas(connection, key, started[0])
    if ended is not None and len(ended) > sum(len(text) for _, text in pieces):
        pieces = [(0, ended)]
    return _page(pieces, offset, limit, ended is not None)


def _end_of(connection: sqlite3.Connection, key: Key) -> str | None:
    """What the finished item holds of the output; None while it runs."""
    for kind in ("item/completed", "item/discarded"):
        found = connection.execute(_SEQ, (key[0], kind, *key[1:])).fetchone()
        if found is not None:
            return msgspec.json.decode(found[1], type=_End).item.aggregatedOutput or ""
    return None


def _chunks(connection: sqlite3.Connection, key: Key) -> list[tuple[int, str]]:
    where = "WHERE conv = ? AND turn = ? AND item = ? ORDER BY offset"
    return connection.execute(f"SELECT offset, text FROM output {where}", key).fetchall()  # noqa: S608


def _deltas(connection: sqlite3.Connection, key: Key, started: int) -> list[tuple[int, str]]:
    rows = connection.execute(_DELTAS, (key[0], started, OUTPUT, *key[1:]))
    text = "".join(_delta.decode(data).delta for (data,) in rows)
    return [(0, text)] if text else []


def _page(pieces: list[tuple[int, str]], offset: int, limit: int, ended: bool) -> OutputPage:
    """One run of text from `offset` on; it stops where the middle was dropped."""
    size = max((start + len(text) for start, text in pieces), default=0)
    parts: list[str] = []
    at = first = _next_start(pieces, offset)
    for start, text in pieces:
        if start <= at < start + len(text) and at - first < limit:
            parts.append(text[at - start : at - start + limit - (at - first)])
            at += len(parts[-1])
    held = sum(len(text) for _, text in pieces)
    return OutputPage("".join(parts), first, at, size, ended, truncated=held < size)


def _next_start(pieces: list[tuple[int, str]], offset: int) -> int:
    """`offset`, or behind the dropped middle if it lies in there."""
    for start, text in pieces:
        if offset < start + len(text):
            return max(offset, start)
    return offset
