"""What the log missed while nobody was connected to the core, told from what the core keeps.

Pure: the core's past and what the log has → drafts. `conversation.py` reads both and appends.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from codex_http_server import events
from codex_http_server.engine.base import Past, PastItem, PastTurn
from codex_http_server.events import Draft, Event, raw
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
        elif adopted or turn.status != "interrupted" or _ended_by_others(turn, known):
            drafts.append(_turn(events.TURN_COMPLETED, turn, thread_id, at_ms))
    return drafts


def _ended_by_others(turn: PastTurn, known: Collection[str]) -> bool:
    """Whether another process ran it to its end. One that died wrote no end."""
    return turn.id not in known and turn.body.get("completedAt") is not None


def told(
    turn: PastTurn, items: Sequence[PastItem], thread_id: str, diff: Event | None = None
) -> list[Draft]:
    """A turn that another process or conversation ran and ended, as events: all at the time they
    happened. `diff` is the last one that was told of it there."""
    began = int((turn.body.get("startedAt") or 0) * 1000)
    ended = int((turn.body.get("completedAt") or 0) * 1000) or max(
        (item.ended_ms for item in items), default=began
    )
    return [
        _turn(events.TURN_STARTED, turn, thread_id, began),
        *(_item(item, turn.id, thread_id, item.ended_ms or began) for item in items),
        *([] if diff is None else [_diff(diff, thread_id)]),
        _turn(events.TURN_COMPLETED, turn, thread_id, ended),
    ]


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


def _diff(diff: Event, thread_id: str) -> Draft:
    return Draft(
        type=events.TURN_DIFF,
        data=raw(msgspec.json.decode(diff.data) | {"threadId": thread_id}),
        at_ms=diff.at_ms,
        turn_id=diff.turn_id,
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
