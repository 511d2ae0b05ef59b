"""What is open in one conversation, and how everything that starts ends once. Pure.

Everything that affects which turn or item is open is in this file: `apply` folds one event
into the state, `admit` decides what one event of the core becomes (with the ends that the core
owes and never sends), `lost` ends all that a dead core left open. Replaying the log through
`apply` gives the same state, which is how a restarted server knows what to end.

What the core does not end itself (measured on 0.163):
- a model stream that breaks and is retried leaves its open items; the retry opens new ones;
- a steer or an interrupt in mid-answer leaves the open message;
- a dead core sends nothing at all, and a living one repeats nothing that was missed.
- a command that waits for an approval when its turn is interrupted is never heard of again;
- the end of what was refused goes only to those who were connected when it was asked;
- what a reviewer writes is never ended: its words come as another message.
A command is different once it runs: sent to the background it outlives its turn and ends by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from enum import Enum
from typing import Any, Final, Literal, Protocol

import msgspec

from codex_http_server import events
from codex_http_server.events import Draft, raw

WhileBusy = Literal["queue", "steer", "reject", "interrupt"]
Action = Literal["start", "queue", "steer", "reject", "interrupt"]

MODEL_ITEMS: Final = frozenset({"agentMessage", "reasoning", "plan"})
OF_MODEL: Final = MODEL_ITEMS | {"contextCompaction"}  # what only the model can end
OUTLIVES_TURN: Final = frozenset({"commandExecution"})
TEXT_MAX: Final = 1024 * 1024  # characters of a command's output kept here; the log has all
NOES: Final = frozenset({"decline", "cancel", "denied", "abort"})  # decisions not to do it
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
    def status(self) -> str | None: ...
    @property
    def at_ms(self) -> int: ...
    @property
    def data(self) -> msgspec.Raw: ...


Key = tuple[str, str]  # turn id and item id: an item's id alone is the provider's


def _key(event: Happened) -> Key:
    return event.turn_id or "", event.item_id or ""


class OpenItem:
    """An item that has started and not ended, with all text so far."""

    def __init__(self, event: Happened) -> None:
        self.turn_id = event.turn_id or ""
        self.item_id = event.item_id or ""
        self.item_type = event.item_type
        self.left_ms: int | None = None  # when its turn ended without it
        self.has_gap = False  # deltas of it were missed
        self.asked = False  # an approval of it waits or was refused: it has not begun
        self.refused = False
        self._approval: str | None = None  # its approval
        self.left_out = False  # the last delta of it was not given to the log
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

    def note(self, event: Happened) -> None:
        """Take in what happened to it on its way."""
        match event.type:
            case events.ITEM_GAP:
                self.has_gap = True
            case events.APPROVAL_REQUESTED | events.APPROVAL_RESOLVED:
                self._note_approval(event.type, _approval(event.data))
            case _:
                self.add(event)

    def _note_approval(self, kind: str, told: _Approval) -> None:
        if kind == events.APPROVAL_REQUESTED:
            # One with an id of the core's is about a part of it: input, say, to what runs.
            if told.request.approvalId is None:
                self.asked, self._approval = True, told.approval_id
        elif told.approval_id == self._approval:
            self.asked = self.refused = told.decision in NOES

    def gap(self, reason: str, at_ms: int) -> Draft:
        """That deltas are missing here."""
        return _gap((self.turn_id, self.item_id), self.item_type, reason, at_ms)

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


class _Request(msgspec.Struct):
    approvalId: str | None = None


class _Approval(msgspec.Struct):
    approval_id: str = ""
    decision: str | None = None  # None where nobody here decided
    request: _Request = msgspec.field(default_factory=_Request)


def _approval(data: msgspec.Raw) -> _Approval:
    """What an event about an approval says; nothing, where a newer core asks in another shape."""
    try:
        return msgspec.json.decode(data, type=_Approval)
    except msgspec.MsgspecError:
        return _Approval()


class _Started(msgspec.Struct):
    threadId: str = ""
    turn: dict[str, Any] = {}


def _root(start: Draft) -> str | None:
    """The turn that a start is of: a review begins with that of a turn within it, and all that
    follows has the id of the review (measured)."""
    root = _started(start.data).turn.get("rootTurnId")
    return root if isinstance(root, str) else start.turn_id


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
        self.retrying: Happened | None = None  # what said that the core tries its model again
        self._ended: deque[Key] = deque(maxlen=ENDED_KEPT)
        self._finished: deque[Key] = deque(maxlen=ENDED_KEPT)
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
        key = _key(event)
        match event.type:
            case events.TURN_STARTED:
                self.turns[key[0]] = OpenTurn(event)
            case events.TURN_COMPLETED:
                self._end_turn(event, key[0])
            case events.ITEM_STARTED:
                self.items[key] = OpenItem(event)
            case events.ITEM_COMPLETED | events.ITEM_DISCARDED:
                self.items.pop(key, None)
                self._ended.append(key)
                if event.type == events.ITEM_COMPLETED:
                    self._finished.append(key)
            case _ if key in self.items:
                self.items[key].note(event)
            case _:
                pass
        self._note_retry(event)

    def _note_retry(self, event: Happened) -> None:
        """A retry is over when its turn ends, fails or brings something."""
        if event.type == events.ERROR and event.status == "retrying":
            self.retrying = event if event.turn_id in self.turns else self.retrying
        elif self.retrying is not None and event.turn_id == self.retrying.turn_id:
            self.retrying = None if _goes_on(event) else self.retrying

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
        if draft.type == events.TURN_STARTED:
            draft.turn_id = _root(draft)
        if self._is_repeat(draft):
            return []
        ends: list[Draft] = []
        match draft.type:
            case events.ITEM_STARTED:
                ends = self._replaced_by(draft)
            case events.TURN_COMPLETED:
                ends = self._left_by_turn(draft)
            case events.ERROR if will_retry:
                broken = self._of_turn(draft.turn_id or "", MODEL_ITEMS)
                ends = self._discard(broken, "retried", draft.at_ms)
            case kind if kind in events.DELTA_OF and draft.item_id:
                ends = [] if _key(draft) in self.items else _missed_start(draft)
            case _:
                pass
        return [*ends, draft]

    def _is_repeat(self, draft: Draft) -> bool:
        """Whether this has happened before: the history of the core told it, or its end is in."""
        key = _key(draft)
        match draft.type:
            case events.TURN_STARTED:
                return key[0] in self.turns or key[0] in self._ended_turns
            case events.TURN_COMPLETED:
                return key[0] in self._ended_turns
            case events.ITEM_STARTED:
                return key in self.items or key in self._finished
            case events.TURN_DIFF:
                return not self._new_diff(draft)
            case kind if kind == events.ITEM_COMPLETED or kind in events.DELTA_OF:
                return self._was_ended(key)
            case _:
                return False

    def lost(self, reason: str, at_ms: int) -> list[Draft]:
        """Ends for all that is open, because the core that ran it is gone."""
        ends = self._discard(list(self.items.values()), "core_lost", at_ms)
        return ends + [turn.end(at_ms, reason) for turn in self.turns.values()]

    def after_gap(
        self, running: Collection[str], alive: Collection[str], adopted: bool, at_ms: int
    ) -> list[Draft]:
        """What becomes of all that is open once the core's history has been told.

        In an `adopted` core what still runs goes on, with a gap; all else was lost with a core.
        `running` are the item ids of commands that run. `alive` are the turns that the core says
        are in progress: they go on in any core, as those that another client of it began.
        """
        turns = self.turns.keys() if adopted else set(alive)
        commands = running if adopted else ()
        goes_on = [
            item for item in self.items.values()
            if item.turn_id in turns or item.item_id in commands
        ]  # fmt: skip
        lost = [item for item in self.items.values() if item not in goes_on]
        return [
            *(item.gap("not_connected", at_ms) for item in goes_on),
            *self._discard(lost, "core_lost", at_ms),
            *(each.end(at_ms, "core_lost") for key, each in self.turns.items() if key not in turns),
        ]

    def reverted(self, turn_ids: Collection[str], at_ms: int) -> list[Draft]:
        """Ends for what is open of turns that were taken back: the core ends their commands."""
        left = [item for item in self.items.values() if item.turn_id in turn_ids]
        return self._discard(left, "reverted", at_ms)

    def waits_for_model(self, turn_id: str) -> bool:
        """Whether nothing but the model can be what this turn waits for: no command or tool."""
        return all(
            item.item_type in MODEL_ITEMS
            for item in self.items.values()
            if item.turn_id == turn_id and item.item_type != "userMessage"
        )

    def turn_ids(self) -> set[str]:
        """The turns that are open, and those of open items."""
        return {*self.turns, *(item.turn_id for item in self.items.values())}

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
        if turn is not None and draft.item_type == "exitedReviewMode":
            # What the reviewer wrote as data comes in words, and its own item is never ended.
            return self._discard(self._of_turn(turn.turn_id, MODEL_ITEMS), "replaced", draft.at_ms)
        if turn is None or draft.item_type not in MODEL_ITEMS:
            return []
        dead = self._of_turn(turn.turn_id, MODEL_ITEMS - {"plan"})
        if turn.steered:
            return self._discard(dead, "steered", draft.at_ms)
        # A model makes one item after the other: its end was missed because there was none.
        return self._discard([item for item in dead if item.has_gap], "retried", draft.at_ms)

    def _left_by_turn(self, draft: Draft) -> list[Draft]:
        """Items of a turn that ends, but for those that may outlive it."""
        left = [
            item
            for item in self.items.values()
            if item.turn_id == draft.turn_id and (item.item_type not in OUTLIVES_TURN or item.asked)
        ]
        turn = self.turns.get(draft.turn_id or "")
        steered = turn is not None and turn.steered and draft.status == "completed"
        reason = "steered" if steered else _LEFT.get(draft.status or "", "failed")
        refused = [item for item in left if item.refused]
        rest = [item for item in left if not item.refused]
        return [
            *self._discard(refused, "declined", draft.at_ms),
            *self._discard(rest, reason, draft.at_ms),
        ]

    def _new_diff(self, draft: Draft) -> bool:
        """The core repeats an unchanged diff after every response."""
        digest = hash(bytes(draft.data))
        if self._diffs.get(draft.turn_id or "") == digest:
            return False
        self._diffs[draft.turn_id or ""] = digest
        return True

    def _discard(self, items: list[OpenItem], reason: str, at_ms: int) -> list[Draft]:
        return [_discarded(item, reason, at_ms) for item in items]


def _goes_on(event: Happened) -> bool:
    """Whether it shows that a retry is over. An item may end without a start where it is told from
    the core's history; a command ends while the model is tried again."""
    if event.type == events.ITEM_COMPLETED:
        return event.item_type in OF_MODEL
    return event.type in (events.ERROR, events.ITEM_STARTED, events.TURN_COMPLETED)


_LEFT: Final = {"interrupted": "interrupted", "failed": "failed"}


_BEGUN: Final = {"status": "inProgress"}
_UNHEARD: Final[dict[str, dict[str, Any]]] = {
    "agentMessage": {"text": ""},
    "plan": {"text": ""},
    "reasoning": {"summary": [], "content": []},
    "commandExecution": _BEGUN | {"command": "", "cwd": "", "commandActions": []},
    "fileChange": _BEGUN | {"changes": []},
}
"""What an item has in the core's shape of which nothing is known but that it goes on."""


def _missed_start(delta: Draft) -> list[Draft]:
    """A start for an item that is first heard of by a delta: its own was missed."""
    turn_id, item_id = delta.turn_id or "", delta.item_id or ""
    item_type = events.DELTA_OF[delta.type]
    thread: dict[str, Any] = msgspec.json.decode(delta.data)
    body = {
        "item": {"type": item_type, "id": item_id} | _UNHEARD[item_type],
        "threadId": thread.get("threadId"),
        "turnId": turn_id,
        "startedAtMs": delta.at_ms,
    }
    start = Draft(
        type=events.ITEM_STARTED,
        data=raw(body),
        at_ms=delta.at_ms,
        turn_id=turn_id,
        item_id=item_id,
        item_type=item_type,
        status="inProgress",
        synthetic="history",
    )
    return [start, _gap(_key(delta), item_type, "not_connected", delta.at_ms)]


def _gap(key: Key, item_type: str | None, reason: str, at_ms: int) -> Draft:
    turn_id, item_id = key
    body = {"turnId": turn_id, "itemId": item_id, "reason": reason}
    return Draft(
        type=events.ITEM_GAP,
        data=raw(body),
        at_ms=at_ms,
        turn_id=turn_id,
        item_id=item_id,
        item_type=item_type,
    )


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
