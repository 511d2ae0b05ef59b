"""Every reader of a stream: from the log first, then live, no gap and no repeat.

Owns the recent end of each stream that has readers (bounded in bytes, shared by all of them)
and the wake-up signal; the log owns the events. A reader is only a cursor: a slow one falls
off the recent end and goes back to the log, so it costs no memory and can lose nothing.
Before: eventlog. After: api/streams.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from codex_http_server.eventlog.base import EventLog
from codex_http_server.events import Event

PAGE: Final = 512  # events read from the log at once
OVERHEAD: Final = 400  # bytes that an event costs beside its data, roughly
NOTICES: Final = 16  # notices kept for readers that have not woken yet


def _cost(event: Event) -> int:
    """Bytes in memory: its data, the same again once it is rendered, and the rest."""
    return 2 * len(event.data) + OVERHEAD


class Tail:
    """The newest committed events of one stream, in order, bounded by `limit` bytes."""

    def __init__(self, floor: int, limit: int, key: Callable[[Event], int]) -> None:
        self._floor = floor
        self._limit = limit
        self._key = key
        self._events: list[Event] = []
        self._size = 0
        self.grew = asyncio.Event()

    def push(self, events: Iterable[Event]) -> None:
        """Take newly committed events and wake the readers."""
        for event in events:
            self._events.append(event)
            self._size += _cost(event)
        if self._size > self._limit:
            self._trim()
        self.wake()

    def _trim(self) -> None:
        keep = len(self._events)
        size = 0
        while keep and size < self._limit // 2:
            keep -= 1
            size += _cost(self._events[keep])
        if keep:
            self._floor = self._key(self._events[keep - 1])
            del self._events[:keep]
        self._size = size

    def wake(self) -> None:
        """Wake every reader."""
        grew, self.grew = self.grew, asyncio.Event()
        grew.set()

    def after(self, cursor: int) -> Sequence[Event] | None:
        """Events after `cursor`; None if it is older than what is held here."""
        if cursor < self._floor:
            return None
        return self._events[bisect_right(self._events, cursor, key=self._key) :]


def by_seq(event: Event) -> int:
    """The cursor of a conversation's stream."""
    return event.seq


def by_position(event: Event) -> int:
    """The cursor of the stream of everything."""
    return event.position


class Batch(NamedTuple):
    """What a reader gets: events, and notices (frames that are not in the log)."""

    events: Sequence[Event] = ()
    notices: Sequence[bytes] = ()
    ended: bool = False


class Reader:
    """A cursor on one stream. Made by `Feed.reader`."""

    def __init__(self, feed: Feed, tail: Tail, conversation_id: str | None, after: int) -> None:
        self._feed = feed
        self._tail = tail
        self._conversation_id = conversation_id
        self._key = by_seq if conversation_id else by_position
        self._seen = feed.noticed
        self.cursor = after

    async def next(self, seconds: float) -> Batch:
        """The next events, oldest first; an empty batch after `seconds` without any.

        After the feed was closed: what is committed, then a batch with `ended`.
        """
        batch = self._at_hand()
        if batch is not None:  # without a timer, which costs more than the look
            return batch
        try:
            async with asyncio.timeout(seconds):
                while (batch := await self._look()) is None:
                    pass
                return batch
        except TimeoutError:
            return Batch()

    def _at_hand(self) -> Batch | None:
        """What the recent end of the stream has for us, if it reaches back far enough."""
        events = self._tail.after(self.cursor)
        return self._take(events) if events else None

    def _take(self, events: Sequence[Event]) -> Batch:
        if events:
            self.cursor = self._key(events[-1])
        return Batch(events, self._notices())

    def _notices(self) -> Sequence[bytes]:
        """On the stream of everything the log itself holds what a notice says."""
        fresh = self._feed.notices_after(self._seen) if self._conversation_id else ()
        self._seen = self._feed.noticed
        return fresh

    async def _look(self) -> Batch | None:
        grew, closed = self._tail.grew, self._feed.closed  # look first: no wake-up is missed
        events = self._tail.after(self.cursor)
        if events is None:
            events = await self._feed.read(self._conversation_id, self.cursor)
        batch = self._take(events)  # last: what is taken here must not be lost to a time-out
        if batch.events or batch.notices:
            return batch
        if closed:
            return Batch(ended=True)
        await grew.wait()
        return None


class Feed:
    """All streams: one for each conversation that has readers, and the one of everything."""

    def __init__(self, log: EventLog, limit: int) -> None:
        self._log = log
        self._limit = limit
        self._all = Tail(log.last_position, limit, by_position)
        self._tails: dict[str, Tail] = {}
        self._readers: dict[str, int] = {}
        self._notices: list[bytes] = []
        self.noticed = 0
        self.closed = False

    def publish(self, events: list[Event]) -> None:
        """Take committed events, in order. The log calls this, on the event loop."""
        self._all.push(events)
        by_conversation: dict[str, list[Event]] = {}
        for event in events:
            if event.conversation_id in self._tails:
                by_conversation.setdefault(event.conversation_id, []).append(event)
        for conversation_id, fresh in by_conversation.items():
            self._tails[conversation_id].push(fresh)

    def notify(self, notice: bytes) -> None:
        """Send a frame that is not in the log to every reader of a conversation."""
        self._notices = [*self._notices, notice][-NOTICES:]
        self.noticed += 1
        for tail in self._tails.values():
            tail.wake()

    def notices_after(self, seen: int) -> Sequence[bytes]:
        """The notices since the `seen`-th, at most the last `NOTICES`."""
        fresh = min(self.noticed - seen, len(self._notices))
        return self._notices[-fresh:] if fresh else ()

    def close(self) -> None:
        """End every stream: readers get what is committed, then the end."""
        self.closed = True
        for tail in (self._all, *self._tails.values()):
            tail.wake()

    @contextmanager
    def reader(self, conversation_id: str | None, after: int) -> Generator[Reader]:
        """Read a conversation after seq `after`; with None everything, after a position."""
        if conversation_id is None:
            yield Reader(self, self._all, None, after)
            return
        tail = self._tails.get(conversation_id)
        if tail is None:
            tail = Tail(self._log.head(conversation_id), self._limit, by_seq)
            self._tails[conversation_id] = tail
        self._readers[conversation_id] = self._readers.get(conversation_id, 0) + 1
        try:
            yield Reader(self, tail, conversation_id, after)
        finally:
            self._leave(conversation_id)

    async def read(self, conversation_id: str | None, after: int) -> Sequence[Event]:
        """A page of the log."""
        if conversation_id is None:
            return await self._log.read_all(after, PAGE)
        return await self._log.read(conversation_id, after, PAGE)

    def _leave(self, conversation_id: str) -> None:
        self._readers[conversation_id] -= 1
        if not self._readers[conversation_id]:
            del self._readers[conversation_id], self._tails[conversation_id]
