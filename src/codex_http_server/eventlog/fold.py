"""The fold: when an item ends, its deltas give way to it, and the log stays small.

Runs in the writer thread, in the transaction that stores the end. Message, plan and reasoning
deltas go only if joined they equal the finished item's text, character by character. A
command's output is joined into chunks, because neither its deltas nor its finished item hold
all of it (the core cuts both, measured). Whatever does not fit this stays as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgspec

from codex_http_server.events import ITEM_COMPLETED, ITEM_DISCARDED

OUTPUT: Final = "item/commandExecution/outputDelta"
DELTAS: Final[dict[str, tuple[str, ...]]] = {
    "agentMessage": ("item/agentMessage/delta",),
    "plan": ("item/plan/delta",),
    "reasoning": ("item/reasoning/summaryTextDelta", "item/reasoning/textDelta"),
    "commandExecution": (OUTPUT,),
}
ENDS: Final = frozenset({ITEM_COMPLETED, ITEM_DISCARDED})
CHUNK: Final = 64 * 1024  # characters
KEEP: Final = 16 * 1024 * 1024  # characters of one command's output: half head, half tail

_STARTED: Final = (
    "SELECT seq FROM event WHERE conv = ? AND type = 'item/started' AND mark = 1 AND seq < ?"
    " AND turn = ? AND item = ? ORDER BY seq DESC LIMIT 1"
)


class Delta(msgspec.Struct, gc=False):
    """What the core says in a delta."""

    delta: str = ""
    summaryIndex: int = 0
    contentIndex: int = 0


class _Item(msgspec.Struct):
    text: str | None = None
    summary: list[str] = []
    content: list[Any] = []


class _End(msgspec.Struct):
    item: _Item


_delta: Final = msgspec.json.Decoder(Delta)
_end: Final = msgspec.json.Decoder(_End)

Row = tuple[str, bytes]  # type, data


class End(NamedTuple):
    """An event that ends an item, as far as the fold looks at it."""

    conv: int
    seq: int
    turn: str | None
    item: str | None
    item_type: str | None
    data: bytes | msgspec.Raw


def fold(connection: sqlite3.Connection, end: End) -> int:
    """Fold the deltas of the item that ended; how many are gone. Cheap if there are none."""
    kinds = DELTAS.get(end.item_type or "")
    if kinds is None or end.turn is None or end.item is None:
        return 0
    place = (end.conv, end.seq, end.turn, end.item)
    started = connection.execute(_STARTED, place).fetchone()
    if started is None:
        return 0
    where, values = _where(kinds, (end.conv, started[0], end.seq, end.turn, end.item))
    sql = f"SELECT type, data FROM event {where}"  # noqa: S608
    rows = connection.execute(sql, values).fetchall()
    if not rows:
        return 0
    if kinds == (OUTPUT,):
        _keep_output(connection, (end.conv, end.turn, end.item), [_text(data) for _, data in rows])
    elif not says_the_same(end.item_type or "", rows, end.data):
        return 0
    connection.execute(f"DELETE FROM event {where}", values)  # noqa: S608
    return len(rows)


def _where(kinds: Sequence[str], values: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    marks = ",".join("?" * len(kinds))
    clause = (
        f"WHERE conv = ? AND seq > ? AND seq < ? AND turn = ? AND item = ? AND type IN ({marks})"
    )
    return clause, (*values, *kinds)


def _text(data: bytes) -> str:
    try:
        return _delta.decode(data).delta
    except msgspec.MsgspecError:
        return ""


def says_the_same(item_type: str, rows: Sequence[Row], end: bytes | msgspec.Raw) -> bool:
    """Whether the deltas, joined, are the finished item's text. Pure."""
    try:
        item = _end.decode(end).item
        deltas = [_delta.decode(data) for _, data in rows]
    except msgspec.MsgspecError:
        return False
    if item_type != "reasoning":
        return "".join([delta.delta for delta in deltas]) == item.text
    kinds = [kind for kind, _ in rows]
    pairs = list(zip(kinds, deltas, strict=True))
    summary = _parts(
        [(d.summaryIndex, d.delta) for k, d in pairs if k.endswith("summaryTextDelta")]
    )
    content = _parts([(d.contentIndex, d.delta) for k, d in pairs if k.endswith("/textDelta")])
    return summary == item.summary and content == item.content


def _parts(deltas: Sequence[tuple[int, str]]) -> list[str]:
    found: dict[int, list[str]] = {}
    for index, text in deltas:
        found.setdefault(index, []).append(text)
    return ["".join(found[index]) for index in sorted(found)]


# --- command output -----------------------------------------------------------------------------


def _keep_output(
    connection: sqlite3.Connection, key: tuple[int, str, str], texts: list[str]
) -> None:
    connection.execute("DELETE FROM output WHERE conv = ? AND turn = ? AND item = ?", key)
    connection.executemany(
        "INSERT INTO output(conv, turn, item, offset, text) VALUES (?,?,?,?,?)",
        [(*key, offset, text) for offset, text in chunks("".join(texts), KEEP)],
    )


def chunks(text: str, keep: int) -> list[tuple[int, str]]:
    """`text` in chunks with their offsets; past `keep` characters only its head and tail."""
    if len(text) <= keep:
        return _cut(text, 0)
    half = keep // 2
    return _cut(text[:half], 0) + _cut(text[-half:], len(text) - half)


def _cut(text: str, base: int) -> list[tuple[int, str]]:
    edges = [*range(0, len(text), CHUNK), len(text)]
    return [(base + start, text[start:end]) for start, end in pairwise(edges)]


# --- old logs -------------------------------------------------------------------------------------


def fold_all(connection: sqlite3.Connection) -> None:
    """Fold every item that has ended, in a log that was written before there was a fold."""
    ends = connection.execute(
        "SELECT conv, seq, turn, item, item_type, data FROM event"
        " WHERE conv > 0 AND type IN ('item/completed', 'item/discarded')"
    ).fetchall()
    for end in map(End._make, ends):
        count = fold(connection, end)
        if count:
            mark(connection, end.conv, end.seq, count)


def mark(connection: sqlite3.Connection, conv: int, seq: int, count: int) -> None:
    """Write on the ending event how many deltas it stands for."""
    connection.execute("UPDATE event SET folded = ? WHERE conv = ? AND seq = ?", (count, conv, seq))
