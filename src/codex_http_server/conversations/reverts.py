"""Turns that were taken back: the core forgets them, and the log tells which.

Owns how the log follows the core. The core says only that something was reverted, not what
(measured), so its list of turns is held against the log's, whoever asked: a caller here, a retry,
another client, or one that was there while nobody heard the core. What the log has behind the last
turn that both have was taken back. A revert is noted on disk before the core is asked, so that a
server which dies in between finds out what became of it. Events stay in the log; pages and
snapshots are without them from the commit on that tells of the revert.
Before: api, messages, thread. After: engine, eventlog.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from codex_http_server import events
from codex_http_server.clock import now_ms
from codex_http_server.engine.base import Engine, Kept
from codex_http_server.errors import (
    CoreRefused,
    CoreUnavailable,
    ServerError,
    Stopping,
    TurnNotFound,
    Unavailable,
)
from codex_http_server.eventlog.base import EventLog, KnownTurn
from codex_http_server.events import Draft, raw
from codex_http_server.logs import get_logger
from codex_http_server.records import (
    ConversationRecord,
    Record,
    Reverting,
    RevertRecord,
    SubmitRecord,
)
from codex_http_server.state import Open

log = get_logger(__name__)

CLIENT = "client"  # who asked, where it was nobody here


def taken_back(
    known: Sequence[KnownTurn], kept: Kept, running: set[str], asked: str | None
) -> list[KnownTurn]:
    """Which of the log's turns the core has no more, oldest first. Pure.

    Without the turn that was `asked` for, what stands at the end and the core lacks; not what a
    core that died took with it before it was written down: that was not ended by the core.
    """
    gone = [turn.turn_id not in kept.turn_ids | running for turn in known]
    named = next((n for n, turn in enumerate(known) if turn.turn_id == asked and gone[n]), None)
    if named is not None:
        return [turn for turn, is_gone in zip(known[named:], gone[named:], strict=True) if is_gone]
    first = len(known)
    while first and gone[first - 1]:
        first -= 1
    while first < len(known) and not known[first].ended_by_core:
        first += 1
    return list(known[first:])


class Owner(Protocol):
    """The conversation, as far as it is needed here."""

    record: ConversationRecord
    log: EventLog
    engine: Engine
    open: Open

    def append(self, drafts: Sequence[Draft], records: Sequence[Record] = ()) -> None:
        """Fold drafts into what is open and append them."""
        ...

    def save(self) -> None:
        """Write the record."""
        ...

    def in_doubt(self) -> None:
        """Nobody knows what the core did: find out before anything else is asked."""
        ...

    def forgot(self, turn_ids: Sequence[str]) -> None:
        """The core has forgotten these turns."""
        ...


class Reverts:
    """See the head of this file. One for each conversation, made by it."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._lock = asyncio.Lock()

    async def ask(self, turn_id: str, caller: str, *, sent_again: bool = False) -> None:
        """Have the core forget this turn and all after it; the log tells of it then. `sent_again`:
        its message is sent again, so its key is still answered with what became of it.

        Raises `CoreRefused`, `StorageFull`, and where nobody can tell what was done
        `CoreUnavailable`, `CoreTimeout`.
        """
        owner = self._owner
        owner.record.reverts = Reverting(turn_id, caller, sent_again)
        owner.record.open_since = owner.record.open_since or self._next_seq()
        owner.save()
        await owner.log.durable()
        try:
            await owner.engine.revert_turn(owner.record.thread_id, turn_id)
            await self.settle()
        except CoreRefused:
            self._clear()
            owner.save()
            raise
        except Unavailable:
            owner.in_doubt()
            raise

    async def settle(self) -> None:
        """Put into the log what was taken back, also what was asked for. Raises as `Engine`."""
        async with self._lock:
            await self._look(2**62)
            if self._owner.record.reverts is not None:
                self._clear()
                self._owner.save()
        await self._owner.log.durable()

    async def heard(self, upto: int) -> None:
        """The core told that something was taken back, of what began before seq `upto`."""
        try:
            async with self._lock:
                await self._look(upto)
        except ServerError as error:  # it is found out when the thread is loaded again
            log.info("what was taken back is not known yet", reason=error.detail)

    def _clear(self) -> None:
        record = self._owner.record
        record.reverts = None
        record.open_since = record.open_since if self._owner.open or record.begins else 0

    def _next_seq(self) -> int:
        return self._owner.log.last_appended(self._owner.record.id) + 1

    async def _look(self, upto: int) -> None:
        owner, record = self._owner, self._owner.record
        await owner.log.durable()
        found = await owner.log.known_turns(record.id, record.thread_id)
        known = [turn for turn in found if turn.seq < upto]
        kept = await owner.engine.kept_turns(record.thread_id, {turn.turn_id for turn in known})
        if kept is None:
            return
        asked = record.reverts
        gone = taken_back(known, kept, set(owner.open.turns), asked.turn_id if asked else None)
        if gone:
            await self._tell(gone, asked)

    async def _tell(self, gone: Sequence[KnownTurn], asked: Reverting | None) -> None:
        owner, uid = self._owner, self._owner.record.id
        ids, at_ms = [turn.turn_id for turn in gone], now_ms()
        again = asked is not None and asked.sent_again and asked.turn_id in ids
        messages = [] if again else await owner.log.submits_of(uid, ids)
        body: dict[str, Any] = {
            "before_turn_id": ids[0],
            "turn_ids": ids,
            "from_seq": gone[0].seq,
            "by": asked.caller if asked and asked.turn_id in ids else CLIENT,
        }
        owner.forgot(ids)
        owner.append(
            [
                *owner.open.reverted(ids, at_ms),
                Draft(events.CONVERSATION_REVERTED, raw(body), at_ms),
            ],
            [
                *(RevertRecord(conversation_id=uid, turn_id=each, first=ids[0]) for each in ids),
                *(_reverted(message) for message in messages),
            ],
        )
        await owner.log.durable()


def _reverted(message: SubmitRecord) -> SubmitRecord:
    message.state = "reverted"
    return message


# --- asked by a caller ------------------------------------------------------------------------


class Host(Protocol):
    """What is needed of the conversation's host."""

    @property
    def accepting(self) -> bool: ...
    @property
    def holds_back(self) -> bool: ...


class Thread(Protocol):
    """The conversation's thread."""

    async def load(self) -> None:
        """Have it in the core."""
        ...


class Way(Protocol):
    """The conversation's messages, as far as they make room here."""

    def alone(self) -> AbstractAsyncContextManager[None]:
        """Let no message in meanwhile. Raises `ConversationBusy`."""
        ...

    def check_idle(self) -> None:
        """Raises `ConversationBusy`."""
        ...


class Asked(Owner, Protocol):
    """A conversation that somebody wants put back."""

    reverts: Reverts

    @property
    def host(self) -> Host: ...
    @property
    def thread(self) -> Thread: ...
    def check_usable(self) -> None:
        """Raises `ConversationNotFound`, `ConversationArchived`."""
        ...


async def revert(conversation: Asked, way: Way, turn_id: str, caller: str) -> list[str]:
    """Go back to before this turn; the turns that were taken back with it, oldest first. Asked
    again, the same answer, and nothing is done. Messages wait meanwhile.

    Raises `ConversationBusy`, `ConversationArchived`, `ConversationOpenElsewhere`, `TurnNotFound`,
    `Stopping`, `StorageFull`, `CoreRefused`, and where nobody can tell what was done
    `CoreUnavailable`, `CoreTimeout`.
    """
    conversation.check_usable()
    async with way.alone():
        conversation.check_usable()
        _check_accepting(conversation.host)
        await conversation.engine.wait_ready()
        await conversation.thread.load()
        way.check_idle()  # what the core did while nobody heard it is known now
        done = await _done(conversation, turn_id)
        if not done:
            await _check_turn(conversation, turn_id)
            await conversation.reverts.ask(turn_id, caller)
            done = await _done(conversation, turn_id)
        return done


def _check_accepting(host: Host) -> None:
    if not host.accepting:
        raise Stopping("The server is shutting down.")
    if host.holds_back:
        raise CoreUnavailable("The core is about to be started anew; try again shortly.")


async def _done(conversation: Owner, turn_id: str) -> list[str]:
    await conversation.log.durable()
    found = await conversation.log.reverted(conversation.record.id)
    return [each for each, first in found.items() if first == turn_id]


async def _check_turn(conversation: Owner, turn_id: str) -> None:
    known = await conversation.log.known_turns(
        conversation.record.id, conversation.record.thread_id
    )
    if turn_id not in (turn.turn_id for turn in known):
        raise TurnNotFound(
            f"before_turn_id: this conversation has no turn {turn_id[:100]}.",
            hint=f"GET /conversations/{conversation.record.id}/turns lists them.",
        )
