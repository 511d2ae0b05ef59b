"""One receiver's notices, in order, each told at least once: also when it or we were away.

Owns what waits, the tries and how far a receiver has been told. Commits call `push`, which costs
them a look at the type; everything else is in the one task of `run`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from codex_http_server.clock import now_ms
from codex_http_server.eventlog.base import EventLog
from codex_http_server.events import Event
from codex_http_server.logs import get_logger
from codex_http_server.notify.marks import Marks
from codex_http_server.notify.notices import Notice, notice_of
from codex_http_server.notify.telling import Outcome, Receiver, Told

log = get_logger(__name__)

WAITING: Final = 1000  # notices that wait for a receiver; past them the oldest are dropped
PAGE: Final = 512  # events read from the log at once
LIFETIME: Final = 24 * 3600.0  # seconds for which a notice is worth telling
FIRST, LONGEST = 0.5, 300.0  # seconds between two tries: doubled each time


class CourierView(msgspec.Struct):
    """How a receiver stands. `trouble`: why the last try failed, None once one worked."""

    name: str
    waiting: int = 0
    told: int = 0
    refused: int = 0
    dropped: int = 0
    trouble: str | None = None


class Courier:
    """Tells one receiver. `kinds`: the types of the events that it is told."""

    def __init__(
        self, receiver: Receiver, events: EventLog, marks: Marks, kinds: frozenset[str]
    ) -> None:
        self._receiver = receiver
        self._events = events
        self._marks = marks
        self._kinds = kinds
        self._from: int | None = None  # the position after which `push` is listened to
        self._waiting: deque[Notice] = deque()
        self._wake = asyncio.Event()
        self.view = CourierView(receiver.name)

    def push(self, events: Sequence[Event]) -> None:
        """Take in what was committed."""
        for event in events:
            if event.type in self._kinds and self._from is not None:
                notice = notice_of(event, self._kinds)
                if notice is not None and notice.position > self._from:
                    self._add(notice)

    def _add(self, notice: Notice) -> None:
        if len(self._waiting) >= WAITING:
            self._waiting.popleft()
            self.view.dropped += 1
            log.warning("a notice was dropped: too many wait", receiver=self.view.name)
        self._waiting.append(notice)
        self.view.waiting = len(self._waiting)
        self._wake.set()

    async def run(self) -> None:
        """Tell what there is to tell, until cancelled."""
        try:
            async for notice in self._notices():
                await self._tell(notice)
                await self._mark(notice.position)
        finally:
            await self._receiver.close()

    async def _notices(self) -> AsyncIterator[Notice]:
        """First what happened since the last notice was told, from the log; then what comes."""
        upto = self._from = self._events.last_position
        after = self._marks.get(self._receiver.name, self._events.log_tag)
        if after is None:  # a new receiver, or a new log: what was is not told
            await self._mark(upto)
            after = upto
        while after < upto:
            page = await self._events.read_all(after, PAGE)
            for event in page:
                notice = notice_of(event, self._kinds)
                if notice is not None and notice.position <= upto:
                    yield notice
            after = page[-1].position if page else upto
        while True:
            while self._waiting:
                notice = self._waiting.popleft()
                self.view.waiting = len(self._waiting)
                yield notice
            self._wake.clear()
            await self._wake.wait()

    async def _mark(self, position: int) -> None:
        name, log_tag = self._receiver.name, self._events.log_tag
        await asyncio.to_thread(self._marks.put, name, log_tag, position)

    async def _tell(self, notice: Notice) -> None:
        """Tell it until the receiver has it, refuses it, or nobody would want it any more."""
        pause = FIRST
        while True:
            told = await self._receiver.tell(notice, notice.body(await self._title(notice)))
            if self._is_over(notice, told):
                return
            await asyncio.sleep(max(pause, told.after))
            pause = min(pause * 2, LONGEST)

    def _is_over(self, notice: Notice, told: Told) -> bool:
        """Whether a notice need not be told again, after it went like this."""
        about = {"receiver": self.view.name, "notice": notice.id, "reason": told.detail}
        if told.outcome is Outcome.TOLD:
            self.view.told += 1
            self.view.trouble = None
            log.debug("notice told", **about)
            return True
        if told.outcome is Outcome.AGAIN and now_ms() - notice.at_ms < LIFETIME * 1000:
            if self.view.trouble is None:
                log.warning("a receiver of notices is away", **about)
            self.view.trouble = told.detail
            return False
        self.view.refused += 1
        self.view.trouble = told.detail
        log.warning("a notice was not taken", type=notice.type, **about)
        return True

    async def _title(self, notice: Notice) -> str | None:
        """What the conversation is called now, if it still is."""
        if notice.conversation_id is None:
            return None
        record = await self._events.conversation(notice.conversation_id)
        return record.title if record is not None else None
