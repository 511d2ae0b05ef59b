"""The rules that every conversation and every reader is held to, whatever happened."""

from __future__ import annotations

from collections import Counter
from typing import Any

from codex_http_server.testing.reader import Event, short

ENDS = ("item/completed", "item/discarded")


def check_whole(events: list[Event], *, open_items: int = 0) -> None:
    """Promise 2: every turn and every item that started has exactly one end, in rising seqs."""
    seqs = [event["seq"] for event in events]
    assert seqs == sorted(set(seqs)), "seqs do not rise"
    started = Counter(_turn(e) for e in events if e["type"] == "turn/started")
    ended = Counter(_turn(e) for e in events if e["type"] == "turn/completed")
    assert started == ended, f"turns: {started} started, {ended} ended"
    assert all(count == 1 for count in ended.values()), f"a turn ended twice: {ended}"
    items = Counter(_item(e) for e in events if e["type"] == "item/started")
    ends = Counter(_item(e) for e in events if e["type"] in ENDS)
    assert all(count == 1 for count in ends.values()), f"an item ended twice: {ends}"
    left = set(items) - set(ends)
    assert len(left) == open_items, f"items without an end: {left}"


def reduce(events: list[Event]) -> dict[str, Any]:
    """What a client would show: turns with their status, items with their text or final form."""
    turns: dict[str, Any] = {}
    items: dict[str, Any] = {}
    for event in events:
        key = f"{event.get('turn_id')}/{event.get('item_id')}"
        kind = event["type"]
        if kind.startswith("turn/") and event.get("status"):
            turns[str(event["turn_id"])] = event["status"]
        elif kind == "item/started":
            items[key] = {"text": ""}
        elif kind in ENDS:
            items[key] = {"status": kind, "item": event["data"]["item"]}
        elif event.get("text") is not None and "text" in items.get(key, {}):
            items[key]["text"] += event["text"]
    return {"turns": turns, "items": items}


def check_reader(got: list[Event], log: list[Event], after: int = 0) -> None:
    """Promise 1: the reader's seqs only rise, it got every event that the log holds after its
    start, and what it shows equals what the log says."""
    numbered = [event for event in got if "seq" in event]
    seqs = [event["seq"] for event in numbered]
    assert seqs == sorted(set(seqs)), f"the reader's seqs do not rise: {seqs}"
    wanted = [event for event in log if event["seq"] > after]
    missing = {event["seq"] for event in wanted} - set(seqs)
    assert not missing, [short(e) for e in wanted if e["seq"] in missing][:10]
    before = [event for event in log if event["seq"] <= after]
    assert reduce(before + numbered) == reduce(log)


def text_of(events: list[Event]) -> list[str]:
    """The texts of the finished agent messages."""
    return [
        str(event["data"]["item"]["text"])
        for event in events
        if event["type"] == "item/completed" and event.get("item_type") == "agentMessage"
    ]


def _turn(event: Event) -> str:
    return str(event["turn_id"])


def _item(event: Event) -> str:
    return f"{event['turn_id']}/{event['item_id']}"
