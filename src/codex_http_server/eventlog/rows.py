"""Events and records ↔ rows of the SQLite log. Pure: SQL text and tuples, no connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from codex_http_server import events
from codex_http_server.eventlog.search.text import named
from codex_http_server.events import TEXT_DELTAS, Draft, Event
from codex_http_server.records import (
    AnswerRecord,
    ApprovalRecord,
    ConversationRecord,
    RevertRecord,
    Spent,
    SubmitRecord,
    Tokens,
    TurnRecord,
)

EVENT_COLUMNS: Final = (
    "position, conv, seq, at_ms, type, turn, item, item_type, text, status, synthetic, core,"
    " data, policy, folded, mark"
)
INSERT_EVENT: Final = f"INSERT INTO event({EVENT_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608

# A delta has these columns only: 3.6 µs a row, and 5.5 with all of them (measured).
INSERT_DELTA: Final = (
    "INSERT INTO event(position, conv, seq, at_ms, type, turn, item, core, data)"
    " VALUES (?,?,?,?,?,?,?,?,?)"
)

PUT_CONVERSATION: Final = """
INSERT INTO conversation(
  num, id, thread_id, directory, search, named, status, archived, open_since, forked_from, body)
VALUES (?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT(id) DO UPDATE SET thread_id=excluded.thread_id, directory=excluded.directory,
  search=excluded.search, named=excluded.named, status=excluded.status, archived=excluded.archived,
  open_since=excluded.open_since, body=excluded.body"""

PUT_SUBMIT: Final = """
INSERT INTO submit(id, conv, key, state, turn, place, created_ms, body) VALUES (?,?,?,?,?,?,?,?)
ON CONFLICT(id) DO UPDATE SET key=excluded.key, state=excluded.state, turn=excluded.turn,
  place=excluded.place,
  body=excluded.body"""

PUT_ANSWER: Final = """
INSERT INTO answer(scope, key, created_ms, body) VALUES (?,?,?,?)
ON CONFLICT(scope, key) DO UPDATE SET created_ms=excluded.created_ms, body=excluded.body"""

_SUMMED: Final = (
    "spent_ms", "input", "cached_input", "cache_write_input", "output", "reasoning_output", "total"
)  # fmt: skip

PUT_TURN: Final = f"""
INSERT OR REPLACE INTO turn(conv, turn, caller, ended_ms, {", ".join(_SUMMED)}, body)
VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"""  # noqa: S608

SPENT: Final = "count(*), " + ", ".join(f"coalesce(sum({name}), 0)" for name in _SUMMED)

PUT_APPROVAL: Final = """
INSERT INTO approval(id, conv, state, body) VALUES (?,?,?,?)
ON CONFLICT(id) DO UPDATE SET state=excluded.state, body=excluded.body"""

PUT_REVERTED: Final = "INSERT OR IGNORE INTO reverted(conv, turn, first) VALUES (?,?,?)"
UNMARK: Final = "UPDATE event SET mark = NULL WHERE conv = ? AND turn = ? AND mark = 1"

# What pages, snapshots and the fold look for by its type.
MARKED: Final = frozenset(
    {
        events.ITEM_STARTED,
        events.ITEM_COMPLETED,
        events.ITEM_DISCARDED,
        events.TURN_STARTED,
        events.TURN_COMPLETED,
        events.TURN_DIFF,
        events.TURN_PLAN,
        events.USAGE,
    }
)

_encoder: Final = msgspec.json.Encoder()
_conversation: Final = msgspec.json.Decoder(ConversationRecord)
_submit: Final = msgspec.json.Decoder(SubmitRecord)
_answer: Final = msgspec.json.Decoder(AnswerRecord)
_turn: Final = msgspec.json.Decoder(TurnRecord)
_approval: Final = msgspec.json.Decoder(ApprovalRecord)


class _DeltaText(msgspec.Struct):
    delta: str


_delta_text: Final = msgspec.json.Decoder(_DeltaText)


def event_row(event: Event, conv: int) -> tuple[Any, ...]:
    """An event as the values of `INSERT_EVENT`. A delta's text is in its data already."""
    return (
        event.position,
        conv,
        event.seq if conv else event.position,
        event.at_ms,
        event.type,
        event.turn_id,
        event.item_id,
        event.item_type,
        None if event.type in TEXT_DELTAS else event.text,
        event.status,
        event.synthetic,
        event.core,
        bytes(event.data),
        None if event.policy is None else bytes(event.policy),
        event.folded,
        1 if event.type in MARKED else None,
    )


def is_delta(draft: Draft) -> bool:
    """Whether it has nothing but what `INSERT_DELTA` stores."""
    return (
        draft.type in TEXT_DELTAS
        and draft.item_type is None
        and draft.status is None
        and draft.synthetic is None
        and draft.policy is None
    )


def delta_row(event: Event, conv: int) -> tuple[Any, ...]:
    """A delta as the values of `INSERT_DELTA`. Its text is in its data already."""
    return (
        event.position,
        conv,
        event.seq if conv else event.position,
        event.at_ms,
        event.type,
        event.turn_id,
        event.item_id,
        event.core,
        bytes(event.data),
    )


def event_of(row: tuple[Any, ...], conversation_id: str | None, log_tag: str) -> Event:
    """A row with `EVENT_COLUMNS` as an event."""
    (position, _, seq, at_ms, kind, turn, item, item_type, text, status, synthetic, core, data,
     policy, folded, _) = row  # fmt: skip
    if text is None and kind in TEXT_DELTAS:
        text = _text_of(data)
    return Event(
        seq=seq if conversation_id is not None else 0,
        position=position,
        conversation_id=conversation_id,
        turn_id=turn,
        item_id=item,
        type=kind,
        item_type=item_type,
        text=text,
        status=status,
        synthetic=synthetic,
        at_ms=at_ms,
        core=core,
        data=msgspec.Raw(data),
        log_tag=log_tag,
        policy=None if policy is None else msgspec.Raw(policy),
        folded=folded,
    )


def _text_of(data: bytes) -> str | None:
    try:
        return _delta_text.decode(data).delta
    except msgspec.MsgspecError:
        return None


def conversation_row(record: ConversationRecord, num: int) -> tuple[Any, ...]:
    """The values of `PUT_CONVERSATION`."""
    search = f"{record.title or ''}\n{record.preview}".casefold()
    return (
        num,
        record.id,
        record.thread_id,
        record.working_directory,
        search,
        named(record),
        record.status,
        int(record.archived),
        record.open_since,
        record.forked_from.conversation_id if record.forked_from else None,
        _encoder.encode(record),
    )


def submit_row(record: SubmitRecord) -> tuple[Any, ...]:
    """The values of `PUT_SUBMIT`."""
    return (
        record.id,
        record.conversation_id,
        record.key,
        record.state,
        record.turn_id,
        record.place,
        record.created_ms,
        _encoder.encode(record),
    )


def answer_row(record: AnswerRecord) -> tuple[Any, ...]:
    """The values of `PUT_ANSWER`."""
    return (record.scope, record.key, record.created_ms, _encoder.encode(record))


def turn_row(record: TurnRecord) -> tuple[Any, ...]:
    """The values of `PUT_TURN`."""
    return (
        record.conversation_id,
        record.turn_id,
        record.caller,
        record.ended_ms,
        record.spent.ms,
        *msgspec.structs.astuple(record.tokens),
        _encoder.encode(record),
    )


def spent_of(row: Sequence[int]) -> Spent:
    """A row of `SPENT`."""
    return Spent(row[0], row[1], Tokens(*row[2:]))


def turn_of(body: bytes) -> TurnRecord:
    """The record in a turn's `body`."""
    return _turn.decode(body)


def approval_row(record: ApprovalRecord) -> tuple[Any, ...]:
    """The values of `PUT_APPROVAL`."""
    return (record.id, record.conversation_id, record.state, _encoder.encode(record))


def reverted_row(record: RevertRecord) -> tuple[Any, ...]:
    """The values of `PUT_REVERTED`."""
    return (record.conversation_id, record.turn_id, record.first)


def conversation_of(body: bytes) -> ConversationRecord:
    """The record in a conversation's `body`."""
    return _conversation.decode(body)


def submit_of(body: bytes) -> SubmitRecord:
    """The record in a submit's `body`."""
    return _submit.decode(body)


def answer_of(body: bytes) -> AnswerRecord:
    """The record in an answer's `body`."""
    return _answer.decode(body)


def approval_of(body: bytes) -> ApprovalRecord:
    """The record in an approval's `body`."""
    return _approval.decode(body)
