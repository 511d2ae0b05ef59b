"""A conversation's thread in the present core: not loaded, behind, or heard.

Owns what comes while the log is behind the core. `catchup.py` says what was missed; the owner
appends it. A thread is behind from the moment the core can't be heard while something of it is
open or in doubt, until its history has been read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from codex_http_server.clock import now_ms
from codex_http_server.conversations.catchup import missed, told
from codex_http_server.engine.base import Engine, PastTurn
from codex_http_server.errors import CoreRefused, CoreUnavailable
from codex_http_server.eventlog.base import EventLog
from codex_http_server.events import Draft, Event
from codex_http_server.logs import get_logger
from codex_http_server.records import ConversationRecord
from codex_http_server.state import Open

log = get_logger(__name__)


class Owner(Protocol):
    """The conversation, as far as its thread needs it."""

    record: ConversationRecord
    log: EventLog
    engine: Engine
    open: Open

    def append(self, drafts: Sequence[Draft]) -> None:
        """Fold drafts into what is open and append them."""
        ...

    async def on_caught_up(self, *, adopted: bool) -> None:
        """The log has all that was missed. In an `adopted` core what is open goes on."""
        ...

    async def past_diff(self, turn_id: str) -> Event | None:
        """The last diff of a turn that a fork shares with its source; the core keeps none."""
        ...

    async def find_reverted(self) -> None:
        """Put into the log which turns were taken back while nobody heard the core."""
        ...

    async def replace_thread(self) -> None:
        """Put a new thread in the place of one that the core does not know."""
        ...


class ThreadLink:
    """See the head of this file. `on_loaded` is called when the core has been reached."""

    def __init__(self, owner: Owner, on_loaded: Callable[[], None]) -> None:
        self._owner = owner
        self._on_loaded = on_loaded
        self._held: list[Callable[[], None]] = []  # what comes before we have caught up
        self._loading = asyncio.Lock()
        self._life = 0  # of the connection to the core
        self.loaded = False
        self.behind = False  # the core may have gone on while nobody heard it

    @property
    def loading(self) -> bool:
        """Whether `load` is at work."""
        return self._loading.locked()

    def hold(self, take: Callable[[], None]) -> None:
        """Keep what came before what was missed is told; `take` takes it in then."""
        self._held.append(take)

    def unheard(self, in_doubt: bool) -> None:
        """The core can't be heard any more.

        What was held goes: it would come before what was missed, and its history tells it.
        """
        self._held.clear()
        self._life += 1
        self.loaded = False
        self.behind = self.behind or in_doubt or bool(self._owner.open)

    async def load(self, *, replace: bool = True) -> None:
        """Make sure that the core has the thread loaded and sends us its events, and that the
        log has what happened while it could not.

        A thread without a turn is unknown to a restarted core: then a new one takes its place, or,
        without `replace`, it is refused.
        Raises `CoreUnavailable`, `CoreTimeout`, `CoreRefused`, `ConversationOpenElsewhere`,
        `StorageFull`.
        """
        async with self._loading:
            if self.loaded:
                return
            life, was_behind = self._life, self.behind
            self.behind = True  # others may have gone on with it: first what they did, then ours
            try:
                await self._resume(replace=replace)
                self._on_loaded()
                self.loaded = life == self._life
                self.behind = not self.loaded
            except CoreRefused:
                self.behind = was_behind
                raise
            finally:
                if not self.behind:  # else the next try finds what came since this one
                    self._release()
            if not self.loaded:
                raise CoreUnavailable("The core was lost while its thread was loaded.")

    async def _resume(self, *, replace: bool) -> None:
        owner = self._owner
        thread = await owner.engine.resume_thread(owner.record.thread_id)
        if thread is not None:
            await self._catch_up()
        elif not replace:
            raise CoreRefused("The core has no history of this thread yet.")
        else:
            owner.append(owner.open.lost("core_lost", now_ms()))
            await owner.on_caught_up(adopted=False)
            await owner.replace_thread()

    async def tell_others(self) -> bool:
        """Put into the log what other processes did in the thread, without taking it from them;
        whether that is all. A turn that one of them runs is told when it has ended.

        A turn comes in one commit, the oldest first: cut short, the next try goes on behind it.
        Raises `CoreUnavailable`, `CoreTimeout`, `CoreRefused`.
        """
        owner = self._owner
        async with self._loading:
            if self.loaded or self.behind:
                return True  # we hear it ourselves, or `load` tells it
            await owner.find_reverted()
            await owner.log.durable()
            known = await owner.log.turn_ids(owner.record.id)
            thread_id = owner.record.thread_id
            for turn in await owner.engine.past_turns(thread_id, known):
                if await self._goes_on(turn):
                    return False
                items = await owner.engine.past_items(thread_id, turn)
                owner.append(told(turn, items, thread_id, await owner.past_diff(turn.id)))
            return True

    async def _goes_on(self, turn: PastTurn) -> bool:
        """Whether somebody runs it. The core says `interrupted` of one that runs elsewhere, and
        of one that was left by a dead process (measured)."""
        if turn.status == "interrupted" and turn.body.get("completedAt") is None:
            return await self._owner.engine.writer_of(self._owner.record.thread_id) is not None
        return turn.status == "inProgress"

    def _release(self) -> None:
        """Take what came while we caught up; what is known by now is recognised as a repeat."""
        held, self._held = self._held, []
        for take in held:
            take()

    async def _catch_up(self) -> None:
        """Fill the log from what the core keeps; then what is open goes on or is ended."""
        owner, adopted = self._owner, self._owner.engine.state.adopted
        uid, thread_id = owner.record.id, owner.record.thread_id
        await owner.find_reverted()
        await owner.log.durable()
        wanted = owner.open.turn_ids()
        known = await owner.log.turn_ids(uid)
        past = await owner.engine.read_past(thread_id, wanted, known)
        ended = {turn: await self._ended(turn) for turn in wanted}
        open_items = {item.item_id for item in owner.open.items.values()}
        drafts = missed(past, thread_id, known, ended, open_items, adopted=adopted, at_ms=now_ms())
        for draft in drafts:
            owner.append(owner.open.admit(draft))
        alive = {turn.id for turn in past.turns if turn.status == "inProgress"}
        owner.append(owner.open.after_gap(past.running, alive, adopted, now_ms()))
        await owner.on_caught_up(adopted=adopted)
        log.info("caught up with the core", events=len(drafts), adopted=adopted)

    async def _ended(self, turn_id: str) -> list[str]:
        """The items of a turn whose end is in the log."""
        found = await self._owner.log.turn_events(self._owner.record.id, turn_id)
        return [event.item_id for event in found if event.item_id]
