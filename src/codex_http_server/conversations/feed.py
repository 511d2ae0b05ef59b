"""Every reader of a stream: from the log first, then live, no gap and no repeat.

Owns which streams have readers, and where each reader stands; `tail.py` owns the recent end of a
stream and the wake-ups, the log owns the events. A reader is only a cursor: a slow one falls
off the recent end and goes back to the log, so it costs no memory and can lose nothing.
Before: eventlog. After: api/streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from codex_http_server.conversations.tail import Alarm, Tail, by_position, by_seq
from codex_http_server.eventlog.base import EventLog
from codex_http_server.events import Event

PAGE: Final = 512  # events given to a reader at once: what a stalled one holds in memory
NOTICES: Final = 16  # notices kept for readers that have not woken yet


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
        self._alarm = Alarm()
        self.cursor = after

    def close(self) -> None:
        """Leave nothing behind. `next` is not called after this."""
        self._alarm.stop()

    async def next(self, seconds: float) -> Batch:
        """The next events, oldest first; an empty batch after `seconds` without any.

        After the feed was closed: what is committed, then a batch with `ended`.
        """
        events = self._tail.after(self.cursor)
        if events:  # without a look at the clock
            return self._take(events)
        due = asyncio.get_running_loop().time() + seconds
        try:
            while (batch := await self._look(due)) is None:
                pass
        except TimeoutError:
            return Batch()
        return batch

    async def _look(self, due: float) -> Batch | None:
        """What is there, else None after the next wake-up. TimeoutError at `due`."""
        tail, closed = self._tail, self._feed.closed
        wakes, events = tail.wakes, tail.after(self.cursor)
        if events is None:
            async with asyncio.timeout_at(due):
                events = await self._feed.read(self._conversation_id, self.cursor)
        if events or self._seen != self._feed.noticed:
            batch = self._take(events)  # last: what is taken must not be lost to a time-out
            if batch.events or batch.notices:
                return batch
        if closed:
            return Batch(ended=True)
        if tail.wakes == wakes:  # no wake-up was missed while the log was read
            await tail.wait(self._alarm, due)
        return None

    def _take(self, events: Sequence[Event]) -> Batch:
        if events:
            events = events[:PAGE]
            self.cursor = self._key(events[-1])
        return Batch(events, self._notices() if self._seen != self._feed.noticed else ())

    def _notices(self) -> Sequence[bytes]:
        """On the stream of everything the log itself holds what a notice says."""
        fresh = self._feed.notices_after(self._seen) if self._conversation_id else ()
        self._seen = self._feed.noticed
        return fresh


class Feed:
    """All streams that have readers: of conversations, and, as None, the one of everything."""

    def __init__(self, log: EventLog, limit: int) -> None:
        self._log = log
        self._limit = limit
        self._tails: dict[str | None, Tail] = {}
        self._readers: dict[str | None, int] = {}
        self._notices: list[bytes] = []
        self.noticed = 0
        self.closed = False

    def publish(self, events: list[Event]) -> None:
        """Take committed events, in order. The log calls this, on the event loop."""
        everything = self._tails.get(None)
        if everything is not None:
            everything.push(events)
        by_conversation: dict[str, list[Event]] = {}
        for event in events:
            uid = event.conversation_id
            if uid is not None and uid in self._tails:
                by_conversation.setdefault(uid, []).append(event)
        for conversation_id, fresh in by_conversation.items():
            self._tails[conversation_id].push(fresh)

    def watched(self, conversation_id: str) -> bool:
        """Whether anybody reads this conversation, or everything."""
        return conversation_id in self._readers or None in self._readers

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
        for tail in self._tails.values():
            tail.wake()

    @contextmanager
    def reader(self, conversation_id: str | None, after: int) -> Generator[Reader]:
        """Read a conversation after seq `after`; with None everything, after a position."""
        tail = self._enter(conversation_id)
        reader = Reader(self, tail, conversation_id, after)
        try:
            yield reader
        finally:
            reader.close()
            self._leave(conversation_id)

    def _enter(self, conversation_id: str | None) -> Tail:
        tail = self._tails.get(conversation_id)
        if tail is None:
            tail = self._tails[conversation_id] = self._tail(conversation_id)
        self._readers[conversation_id] = self._readers.get(conversation_id, 0) + 1
        return tail

    def _tail(self, conversation_id: str | None) -> Tail:
        if conversation_id is None:
            return Tail(self._log.last_position, self._limit, by_position)
        return Tail(self._log.head(conversation_id), self._limit, by_seq)

    async def read(self, conversation_id: str | None, after: int) -> Sequence[Event]:
        """A page of the log."""
        if conversation_id is None:
            return await self._log.read_all(after, PAGE)
        return await self._log.read(conversation_id, after, PAGE)

    def _leave(self, conversation_id: str | None) -> None:
        self._readers[conversation_id] -= 1
        if not self._readers[conversation_id]:
            del self._readers[conversation_id], self._tails[conversation_id]
