"""Turns that no message starts: a compaction, a review, a command of the user's.

Owns how one is begun: alone, on a thread that is caught up, under the conversation's policy, and
noted on disk before the core is asked, so that a server which dies in between looks for it. What
they do is told by their events, as of any turn. The core answers at once and the turn begins a
moment later (measured); only then is it answered here.
Before: api. After: messages (who waits meanwhile), engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from codex_http_server.conversations import policy, views
from codex_http_server.conversations.conversation import SETTLE, Conversation
from codex_http_server.engine.base import Control
from codex_http_server.errors import (
    CoreRefused,
    CoreTimeout,
    CoreUnavailable,
    LoginRequired,
    Stopping,
    StorageFull,
)
from codex_http_server.events import ITEM_COMPLETED, ITEM_DISCARDED, Draft, Event, raw
from codex_http_server.records import Stated

LOST: Final = "The core was lost before it told of the turn. If it began, the events will tell."


class OwnTurn:
    """One that was asked for, from then until it has begun, is refused, or nobody can tell."""

    def __init__(self, caller: str) -> None:
        self.caller = caller
        self.turn_id: str | None = None  # once it has begun
        self.bound: str | None = None  # the id that the core announced, where it does
        self.error: str | None = None
        self.lost = False

    def began(self, turn_id: str | None) -> bool:
        """A turn has begun; whether it is this one. Nothing else of ours begins meanwhile."""
        if self.turn_id is not None or self.bound not in (None, turn_id):
            return False
        self.turn_id = turn_id
        return True

    def on_error(self, draft: Draft) -> None:
        """The core tells of an error, which may be all that it tells of this turn (measured)."""
        if self.turn_id is None and draft.turn_id == self.bound:
            self.error = _message(draft)


class _Said(msgspec.Struct):
    message: str = ""


class _Error(msgspec.Struct):
    error: _Said = msgspec.field(default_factory=_Said)


def _message(draft: Draft) -> str:
    try:
        said = msgspec.json.decode(draft.data, type=_Error).error.message
    except msgspec.MsgspecError:
        said = ""
    return said or "The core did not begin the turn, and does not say why."


Ask = Callable[[Control, Conversation, OwnTurn], Awaitable[None]]


class Wanted(NamedTuple):
    """What is to be begun. `asks_model`: whether it needs a login."""

    ask: Ask
    asks_model: bool = True


def compaction() -> Wanted:
    """A summary in the place of what the model has read."""

    async def ask(control: Control, conversation: Conversation, _: OwnTurn) -> None:
        await control.compact(conversation.record.thread_id)

    return Wanted(ask)


def review(target: dict[str, Any]) -> Wanted:
    """A review; `target` in the core's own words."""

    async def ask(control: Control, conversation: Conversation, own: OwnTurn) -> None:
        record = conversation.record
        shown = raw(views.policy_fields(policy.effective(record, Stated())))

        def bound(turn_id: str) -> None:
            own.bound = turn_id
            conversation.turn_policies[turn_id] = shown

        await control.review(record.thread_id, record.working_directory, target, bound)

    return Wanted(ask)


def shell(command: str, seconds: float | None) -> Wanted:
    """A command, run without sandbox for so many seconds at most; None: as the core decides."""
    limit = None if seconds is None else int(seconds * 1000)

    async def ask(control: Control, conversation: Conversation, _: OwnTurn) -> None:
        await control.shell(conversation.record.thread_id, command, limit)

    return Wanted(ask, asks_model=False)


class Way(Protocol):
    """The conversation's messages, as far as they make room here."""

    def alone(self) -> AbstractAsyncContextManager[None]:
        """Let no message in meanwhile. Raises `ConversationBusy`."""
        ...

    def check_idle(self) -> None:
        """Raises `ConversationBusy`."""
        ...

    def has_room(self, caller: str) -> None:
        """Raises `QuotaExceeded`."""
        ...

    def expecting(self, own: OwnTurn) -> AbstractContextManager[None]:
        """The conversation is busy from now on."""
        ...


class Began(NamedTuple):
    """A turn that has begun; `after`: the conversation's seq before it."""

    turn_id: str
    after: int


async def begin(conversation: Conversation, way: Way, wanted: Wanted, caller: str) -> Began:
    """Begin it; its start is in the log.

    Raises `ConversationBusy`, `ConversationArchived`, `ConversationOpenElsewhere`,
    `LoginRequired`, `QuotaExceeded`, `Stopping`, `StorageFull`, `CoreRefused`, and where nobody
    can tell whether it began `CoreUnavailable`, `CoreTimeout`.
    """
    async with way.alone():
        await _ready(conversation, way, wanted, caller)
        after = conversation.log.last_appended(conversation.id)
        own = OwnTurn(caller)
        try:
            with way.expecting(own):
                turn_id = await _begun(conversation, wanted, own)
        except (CoreRefused, StorageFull):  # it did not begin
            conversation.turn_is_known()
            raise
    await conversation.log.durable()
    return Began(turn_id, after)


async def _ready(conversation: Conversation, way: Way, wanted: Wanted, caller: str) -> None:
    conversation.check_usable()
    if not conversation.host.accepting:
        raise Stopping("The server is shutting down.")
    if conversation.host.holds_back:
        raise CoreUnavailable("The core is about to be started anew; try again shortly.")
    why = await conversation.host.login.missing() if wanted.asks_model else None
    if why is not None:
        raise LoginRequired(why.detail, hint=why.hint, reason=why.code)
    await conversation.engine.wait_ready()
    await conversation.thread.load()
    way.check_idle()  # what the core did while nobody heard it is known now
    way.has_room(caller)


async def _begun(conversation: Conversation, wanted: Wanted, own: OwnTurn) -> str:
    record, engine = conversation.record, conversation.engine
    conversation.turn_is_asked()
    await conversation.log.durable()
    # What the last turn ran under still holds, and it may have been looser (measured).
    now = policy.effective(record, Stated())
    await engine.set_policy(record.thread_id, record.working_directory, now)
    await wanted.ask(engine.control, conversation, own)
    return await _heard_of(conversation, own)


async def _heard_of(conversation: Conversation, own: OwnTurn) -> str:
    try:
        async with asyncio.timeout(SETTLE):
            while own.turn_id is None:
                if own.error is not None:
                    raise CoreRefused(own.error)
                if own.lost:
                    raise CoreUnavailable(LOST)
                await conversation.changed()
    except TimeoutError:
        raise CoreTimeout("The core said yes and has not begun the turn yet.") from None
    return own.turn_id


async def ended(conversation: Conversation, turn_id: str, seconds: float) -> bool:
    """Wait for its end; False when the time is up."""
    try:
        async with asyncio.timeout(seconds):
            while turn_id in conversation.open.turns:
                await conversation.changed()
    except TimeoutError:
        return False
    return True


def outcome(events: list[Event]) -> dict[str, Any]:
    """What a turn with one command came to: `exit_code` (None where it never ended by itself)
    and `output`, as far as the finished item has it."""
    for event in reversed(events):
        if event.type in (ITEM_COMPLETED, ITEM_DISCARDED) and event.item_type == "commandExecution":
            item: dict[str, Any] = msgspec.json.decode(event.data).get("item") or {}
            return {"exit_code": item.get("exitCode"), "output": item.get("aggregatedOutput") or ""}
    return {"exit_code": None, "output": ""}
