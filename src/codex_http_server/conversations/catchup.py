"""What the log missed while nobody was connected to the core, told from what the core keeps.

Pure: the core's past and what the log has → drafts. `conversation.py` reads both and appends.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from codex_http_server import events
from codex_http_server.engine.base import Past, PastItem, PastTurn
from codex_http_server.events import Draft, raw
from codex_http_server.logs import redact_value

HISTORY = "history"


def missed(
    past: Past,
    thread_id: str,
    known: Collection[str],
    ended: Mapping[str, Collection[str]],
    open_items: Collection[str],
    *,
    adopted: bool,
    at_ms: int,
) -> list[Draft]:
    """The events that the log does not have, oldest first.

    `known` are the turns whose start is in the log, `ended` by turn the items whose end is,
    `open_items` those that are open in it. A turn that a dead core left says `interrupted` in
    its history: it is not ended here but with all else that was lost with that core.
    """
    drafts: list[Draft] = []
    for turn in past.turns:
        if turn.id not in known:
            drafts.append(_turn(events.TURN_STARTED, turn, thread_id, at_ms))
        had = ended.get(turn.id, ())
        drafts += [_item(i, turn.id, thread_id, at_ms) for i in turn.items if i.id not in had]
        if turn.status == "inProgress":
            fresh = past.running.keys() - set(had) - set(open_items)
            drafts += [
                _started(past.running[item_id], turn.id, thread_id, at_ms)
                for item_id in sorted(fresh)
            ]
        elif adopted or turn.status != "interrupted":
            drafts.append(_turn(events.TURN_COMPLETED, turn, thread_id, at_ms))
    return drafts


def _turn(kind: str, turn: PastTurn, thread_id: str, at_ms: int) -> Draft:
    status = turn.status if kind == events.TURN_COMPLETED else "inProgress"
    body: dict[str, Any] = turn.body | {"items": [], "itemsView": "notLoaded", "status": status}
    body |= {"error": redact_value(body.get("error"))}
    if kind == events.TURN_STARTED:
        body |= {"completedAt": None, "durationMs": None, "error": None}
    return Draft(
        type=kind,
        data=raw({"threadId": thread_id, "turn": body}),
        at_ms=at_ms,
        turn_id=turn.id,
        status=status,
        synthetic=HISTORY,
    )


def _started(item: dict[str, Any], turn_id: str, thread_id: str, at_ms: int) -> Draft:
    """The start of a command that runs and was not heard of before."""
    return Draft(
        type=events.ITEM_STARTED,
        data=raw({"item": item, "threadId": thread_id, "turnId": turn_id, "startedAtMs": at_ms}),
        at_ms=at_ms,
        turn_id=turn_id,
        item_id=item["id"],
        item_type=item["type"],
        status="inProgress",
        synthetic=HISTORY,
    )


def _item(item: PastItem, turn_id: str, thread_id: str, at_ms: int) -> Draft:
    body = {
        "item": item.body,
        "threadId": thread_id,
        "turnId": turn_id,
        "completedAtMs": item.ended_ms,
    }
    return Draft(
        type=events.ITEM_COMPLETED,
        data=raw(body),
        at_ms=at_ms,
        turn_id=turn_id,
        item_id=item.id,
        item_type=item.type,
        status=item.status or "completed",
        synthetic=HISTORY,
    )
