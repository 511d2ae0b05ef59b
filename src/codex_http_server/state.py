"""What is open in one conversation, and how everything that starts ends once. Pure.

Everything that affects which turn or item is open is in this file: `apply` folds one event
into the state, `admit` decides what one event of the core becomes (with the ends that the core
owes and never sends), `lost` ends all that a dead core left open. Replaying the log through
`apply` gives the same state, which is how a restarted server knows what to end.

What the core does not end itself (measured on 0.163):
- a model stream that breaks and is retried leaves its open items; the retry opens new ones;
- a steer or an interrupt in mid-answer leaves the open message;
- a dead core sends nothing at all.
A command is different: sent to the background it outlives its turn and ends by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import Enum
from typing import Any, Final, Literal, Protocol

import msgspec

from codex_http_server import events
from codex_http_server.events import Draft, raw

WhileBusy = Literal["queue", "steer", "reject", "interrupt"]
Action = Literal["start", "queue", "steer", "reject", "interrupt"]

MODEL_ITEMS: Final = frozenset({"agentMessage", "reasoning", "plan"})
OUTLIVES_TURN: Final = frozenset({"commandExecution"})
TEXT_MAX: Final = 1024 * 1024  # characters of a command's output kept here; the log has all
ENDED_KEPT: Final = 512  # ends remembered, so that a late one of the core is known as second


class Phase(Enum):
    """Where a conversation stands, for a message that arrives."""

    IDLE = "idle"
    STARTING = "starting"  # a turn was asked for, the core has not answered yet
    RUNNING = "running"
    STOPPING = "stopping"  # the running turn was asked to end


DECISIONS: Final[dict[tuple[Phase, WhileBusy], Action]] = {
    (Phase.IDLE, "queue"): "start",
    (Phase.IDLE, "steer"): "start",
    (Phase.IDLE, "reject"): "start",
    (Phase.IDLE, "interrupt"): "start",
    (Phase.STARTING, "queue"): "queue",
    (Phase.STARTING, "steer"): "queue",
    (Phase.STARTING, "reject"): "reject",
    (Phase.STARTING, "interrupt"): "interrupt",
    (Phase.RUNNING, "queue"): "queue",
    (Phase.RUNNING, "steer"): "steer",
    (Phase.RUNNING, "reject"): "reject",
    (Phase.RUNNING, "interrupt"): "interrupt",
    (Phase.STOPPING, "queue"): "queue",
    (Phase.STOPPING, "steer"): "queue",
    (Phase.STOPPING, "reject"): "reject",
    (Phase.STOPPING, "interrupt"): "interrupt",
}


class Happened(Protocol):
    """What `apply` needs to know: a draft or an event."""

    @property
    def type(self) -> str: ...
    @property
    def turn_id(self) -> str | None: ...
    @property
    def item_id(self) -> str | None: ...
    @property
    def item_type(self) -> str | None: ...
    @property
    def text(self) -> str | None: ...
    @property
    def at_ms(self) -> int: ...
    @property
    def data(self) -> msgspec.Raw: ...


Key = tuple[str, str]  # turn id and item id: an item's id alone is the provider's


class OpenItem:
    """An item that has started and not ended, with all text so far."""

    def __init__(self, event: Happened) -> None:
        self.turn_id = event.turn_id or ""
        self.item_id = event.item_id or ""
        self.item_type = event.item_type
        self.left_ms: int | None = None  # when its turn ended without it
        self._data = event.data
        self._parts: dict[tuple[str, int], list[str]] = {}
        self._size = 0

    def add(self, event: Happened) -> None:
        """Take a delta. Past `TEXT_MAX` characters of output nothing more is kept here."""
        if event.text is None or self._size > TEXT_MAX:
            return
        self._size += len(event.text) if self.item_type in OUTLIVES_TURN else 0
        index = _index(event) if self.item_type == "reasoning" else 0
        self._parts.setdefault((event.type, index), []).append(event.text)

    def form(self) -> dict[str, Any]:
        """The item in the core's shape, as far as it got."""
        item: dict[str, Any] = msgspec.json.decode(self._data).get("item") or {}
        texts = {key: "".join(parts) for key, parts in sorted(self._parts.items())}
        if self.item_type == "reasoning":
            item["summary"] = _texts(texts, "item/reasoning/summaryTextDelta")
            item["content"] = _texts(texts, "item/reasoning/textDelta")
        elif self.item_type == "commandExecution":
            item["aggregatedOutput"] = "".join(texts.values())
        elif texts and self.item_type in MODEL_ITEMS:
            item["text"] = "".join(texts.values())
        return item


def _texts(texts: dict[tuple[str, int], str], kind: str) -> list[str]:
    return [text for (each, _), text in texts.items() if each == kind]


class _Index(msgspec.Struct):
    summaryIndex: int = 0
    contentIndex: int = 0


_index_of: Final = msgspec.json.Decoder(_Index)


def _index(event: Happened) -> int:
    try:
        found = _index_of.decode(event.data)
    except msgspec.MsgspecError:
        return 0
    return found.summaryIndex or found.contentIndex


class _Started(msgspec.Struct):
    threadId: str = ""
    turn: dict[str, Any] = {}


def _started(data: msgspec.Raw) -> _Started:
    """What turn/started says; nothing, where a newer core says it in another shape."""
    try:
        return msgspec.json.decode(data, type=_Started)
    except msgspec.MsgspecError:
        return _Started()


class OpenTurn:
    """A turn that has started and not ended."""

    def __init__(self, event: Happened) -> None:
        self.turn_id = event.turn_id or ""
        self.started_ms = event.at_ms
        self.steered = False
        self._data = event.data

    def end(self, at_ms: int, reason: str) -> Draft:
        """The terminal event that the core did not send: interrupted, with our reason."""
        started = _started(self._data)
        turn: dict[str, Any] = started.turn | {
            "id": self.turn_id,
            "items": [],
            "itemsView": "notLoaded",
            "status": "interrupted",
            "completedAt": at_ms // 1000,
            "durationMs": max(0, at_ms - self.started_ms),
        }
        return Draft(
            type=events.TURN_COMPLETED,
            data=raw({"threadId": started.threadId, "turn": turn}),
            at_ms=at_ms,
            turn_id=self.turn_id,
            status="interrupted",
            synthetic=reason,
        )


class Open:
    """All that is open in one conversation. Falsy when nothing is."""

    def __init__(self) -> None:
        self.turns: dict[str, OpenTurn] = {}
        self.items: dict[Key, OpenItem] = {}
        self._ended: deque[Key] = deque(maxlen=ENDED_KEPT)
        self._ended_turns: deque[str] = deque(maxlen=ENDED_KEPT)
        self._diffs: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self.turns or self.items)

    @property
    def current(self) -> OpenTurn | None:
        """The running turn, the newest if there are several."""
        return next(reversed(self.turns.values()), None)

    # --- folding --------------------------------------------------------------------------

    def apply(self, event: Happened) -> None:
        """Fold one event into the state."""
        key = (event.turn_id or "", event.item_id or "")
        match event.type:
            case events.TURN_STARTED:
                self._start_turn(event, key[0])
            case events.TURN_COMPLETED:
                self._end_turn(event, key[0])
            case events.ITEM_STARTED:
                self.items[key] = OpenItem(event)
            case events.ITEM_COMPLETED | events.ITEM_DISCARDED:
                self.items.pop(key, None)
                self._ended.append(key)
            case _:
                if event.text is not None and key in self.items:
                    self.items[key].add(event)

    def _start_turn(self, event: Happened, turn_id: str) -> None:
        self.turns[turn_id] = OpenTurn(event)
        if turn_id in self._ended_turns:  # a turn that goes on will end again
            self._ended_turns.remove(turn_id)

    def _end_turn(self, event: Happened, turn_id: str) -> None:
        self.turns.pop(turn_id, None)
        self._diffs.pop(turn_id, None)
        self._ended_turns.append(turn_id)
        for item in self.items.values():
            if item.turn_id == turn_id:
                item.left_ms = event.at_ms

    def steered(self, turn_id: str) -> None:
        """Note that a turn was given more input: its open message will not be ended."""
        if turn_id in self.turns:
            self.turns[turn_id].steered = True

    # --- what one event of the core becomes -------------------------------------------------

    def admit(self, draft: Draft, *, will_retry: bool = False) -> list[Draft]:
        """The drafts to append for one event of the core, in order; none if it is a repeat."""
        turn_id = draft.turn_id or ""
        ends: list[Draft] = []
        match draft.type:
            case events.ITEM_COMPLETED if self._was_ended((turn_id, draft.item_id or "")):
                return []
            case events.TURN_COMPLETED if turn_id in self._ended_turns:
                return []
            case events.TURN_DIFF if not self._new_diff(draft):
                return []
            case events.ITEM_STARTED:
                ends = self._replaced_by(draft)
            case events.TURN_COMPLETED:
                ends = self._left_by_turn(draft)
            case events.ERROR if will_retry:
                ends = self._discard(self._of_turn(turn_id, MODEL_ITEMS), "retried", draft.at_ms)
            case _:
                pass
        return [*ends, draft]

    def lost(self, reason: str, at_ms: int) -> list[Draft]:
        """Ends for all that is open, because the core that ran it is gone."""
        ends = self._discard(list(self.items.values()), "core_lost", at_ms)
        return ends + [turn.end(at_ms, reason) for turn in self.turns.values()]

    def expired(self, before_ms: int, at_ms: int) -> list[Draft]:
        """Ends for background commands whose turn ended before `before_ms`."""
        old = [
            item
            for item in self.items.values()
            if item.left_ms is not None and item.left_ms < before_ms
        ]
        return self._discard(old, "expired", at_ms)

    def _was_ended(self, key: Key) -> bool:
        return key not in self.items and key[1] != "" and key in self._ended

    def _of_turn(self, turn_id: str, kinds: Iterable[str]) -> list[OpenItem]:
        wanted = frozenset(kinds)
        return [
            item
            for item in self.items.values()
            if item.turn_id == turn_id and item.item_type in wanted
        ]

    def _replaced_by(self, draft: Draft) -> list[Draft]:
        """After a steer the first new item of the model shows that the open one is dead."""
        turn = self.turns.get(draft.turn_id or "")
        if turn is None or not turn.steered or draft.item_type not in MODEL_ITEMS:
            return []
        dead = self._of_turn(turn.turn_id, MODEL_ITEMS - {"plan"})
        return self._discard(dead, "steered", draft.at_ms)

    def _left_by_turn(self, draft: Draft) -> list[Draft]:
        """Items of a turn that ends, but for those that may outlive it."""
        left = [
            item
            for item in self.items.values()
            if item.turn_id == draft.turn_id and item.item_type not in OUTLIVES_TURN
        ]
        turn = self.turns.get(draft.turn_id or "")
        steered = turn is not None and turn.steered and draft.status == "completed"
        reason = "steered" if steered else _LEFT.get(draft.status or "", "failed")
        return self._discard(left, reason, draft.at_ms)

    def _new_diff(self, draft: Draft) -> bool:
        """The core repeats an unchanged diff after every response."""
        digest = hash(bytes(draft.data))
        if self._diffs.get(draft.turn_id or "") == digest:
            return False
        self._diffs[draft.turn_id or ""] = digest
        return True

    def _discard(self, items: list[OpenItem], reason: str, at_ms: int) -> list[Draft]:
        return [_discarded(item, reason, at_ms) for item in items]


_LEFT: Final = {"interrupted": "interrupted", "failed": "failed"}


def _discarded(item: OpenItem, reason: str, at_ms: int) -> Draft:
    body = {
        "turnId": item.turn_id,
        "itemId": item.item_id,
        "reason": reason,
        "item": item.form(),
    }
    return Draft(
        type=events.ITEM_DISCARDED,
        data=raw(body),
        at_ms=at_ms,
        turn_id=item.turn_id,
        item_id=item.item_id,
        item_type=item.item_type,
        status="discarded",
        synthetic=reason,
    )
