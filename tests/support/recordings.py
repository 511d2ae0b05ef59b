"""What clients got of real conversations (scripts/recordings.py), and the server's fold of it.

The fold is made of the server's own parts: what is open by `state.Open`, the rest by the views.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from codex_http_server import events
from codex_http_server.conversations import views
from codex_http_server.events import Event
from codex_http_server.state import Open

Json = dict[str, Any]
FOLDER = Path(__file__).parents[1] / "recordings"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
# What of a snapshot is folded from events.
FOLDED = ("items", "open_items", "turns", "retrying", "usage")
ENDS = (events.ITEM_COMPLETED, events.ITEM_DISCARDED)
MARKS = (events.TURN_STARTED, events.TURN_DIFF, events.TURN_PLAN, events.TURN_COMPLETED)


def recording(name: str) -> Json:
    """`core`, `events` as they came, `log` as it was at the end, `snapshots` on the way."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def states(happened: list[Json]) -> Iterator[Json]:
    """The state after each event that has a number: its `seq`, and what of a snapshot follows."""
    fold = _Fold()
    for each in happened:
        if each.get("seq") is not None:
            fold.take(_event(each))
            yield {"seq": each["seq"], **fold.view()}


class _Fold:
    def __init__(self) -> None:
        self.open = Open()
        self.items: list[Event] = []
        self.marks: list[Event] = []
        self.usage: Any = None

    def take(self, event: Event) -> None:
        self.open.apply(event)
        if event.type in ENDS:
            self.items.append(event)
        elif event.type in MARKS:
            self.marks.append(event)
        elif event.type == events.USAGE:
            self.usage = msgspec.json.decode(event.data)["tokenUsage"]

    def view(self) -> Json:
        wanted = {event.turn_id for event in self.items} | set(self.open.turns)
        found = {
            "items": [views.item(event) for event in self.items],
            "open_items": [views.open_item(item) for item in self.open.items.values()],
            "turns": views.turns([event for event in self.marks if event.turn_id in wanted]),
            "retrying": views.retrying(self.open.retrying),
            "usage": self.usage,
        }
        return json.loads(msgspec.json.encode(found))


def _event(told: Json) -> Event:
    at = datetime.fromisoformat(told["at"])
    return Event(
        seq=told["seq"],
        position=0,
        conversation_id=told["conversation_id"],
        turn_id=told["turn_id"],
        item_id=told["item_id"],
        type=told["type"],
        item_type=told.get("item_type"),
        text=told.get("text"),
        status=told.get("status"),
        synthetic=told.get("synthetic"),
        at_ms=round(at.timestamp() * 1000),
        core=told["core"],
        data=events.raw(told["data"]),
        log_tag="",
    )
