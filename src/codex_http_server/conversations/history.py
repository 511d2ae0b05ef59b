"""Turns and items of a conversation, by pages, as the API shows them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from codex_http_server.clock import rfc3339
from codex_http_server.conversations import spending, views
from codex_http_server.conversations.conversation import Conversation
from codex_http_server.eventlog.base import Span, TurnRow
from codex_http_server.events import Event

SMALL: Final = 16 * 1024  # bytes of a diff that stands in a list of turns


class _Turn(msgspec.Struct):
    turn: msgspec.Raw = msgspec.Raw(b"null")


class _Diff(msgspec.Struct):
    diff: str = ""


_turn: Final = msgspec.json.Decoder(_Turn)
_diff: Final = msgspec.json.Decoder(_Diff)


def turn(conversation_id: str, row: TurnRow) -> dict[str, Any]:
    """A turn: how it stands, what went into it, what it took, and what it changed."""
    started, ended = row.started, row.ended
    there = f"/conversations/{conversation_id}"
    return {
        "turn_id": started.turn_id,
        "seq": started.seq,
        "end_seq": ended.seq if ended else None,
        "status": ended.status if ended else started.status,
        "synthetic": (ended or started).synthetic,
        "started_at": rfc3339(started.at_ms),
        "ended_at": rfc3339(ended.at_ms) if ended else None,
        "submit_ids": row.submit_ids,
        "items": row.items,
        "items_url": f"{there}/items?turn={started.turn_id}",
        "usage": spending.turn(row.spent) if row.spent else None,
        "policy": started.policy,
        "diff": _diff.decode(row.diff).diff if row.diff else None,
        "plan": views.plan(row.plan) if row.plan else None,
        "diff_url": f"{there}/diff?turn_id={started.turn_id}" if row.has_diff else None,
        "turn": _turn.decode((ended or started).data).turn,
    }


def turn_diff(turn_id: str, told: Event | None) -> dict[str, Any]:
    """What a turn changed, from its last `turn/diff/updated`."""
    text = _diff.decode(told.data).diff if told else ""
    return {"of": "turn", "turn_id": turn_id, "seq": told.seq if told else None, "diff": text}


async def items(
    conversation: Conversation, span: Span, limit: int, turn_id: str | None
) -> dict[str, Any]:
    """A page of ended items; where it reaches the newest, the open ones with their text so far.
    Read at one committed seq, so that an item is in one of the two. Raises `StorageFull`."""
    log, uid = conversation.log, conversation.id
    upto = log.last_appended(uid)
    found = [each for each in conversation.open.items.values() if turn_id in (None, each.turn_id)]
    opened = [views.open_item(each) for each in found]
    if log.head(uid) < upto:
        await log.durable()
    rows = await log.items(uid, Span(min(span.before, upto + 1), span.after), limit, turn_id)
    is_end = span.before > upto and not rows.after
    return {
        "data": [views.item(event) for event in rows.items],
        "items_before": rows.before,
        "items_after": rows.after,
        "open_items": opened if is_end else [],
        "seq": upto,
    }
