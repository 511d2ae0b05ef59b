"""Every reader of a stream: from the log first, then live, no gap and no repeat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_http_server.conversations.feed import NOTICES, PAGE, Batch, Feed, Reader
from codex_http_server.conversations.tail import OVERHEAD, Tail, by_position, by_seq
from codex_http_server.eventlog.base import EventLog
from codex_http_server.eventlog.sqlite import SqliteLog
from codex_http_server.events import Draft, Event, raw
from codex_http_server.records import ConversationRecord

PATIENCE = 10.0  # seconds
SOON = 0.02  # seconds after which a reader gives up waiting
LARGE, TINY = 1 << 20, 3000  # bytes of a tail


async def tick() -> None:
    """Let everything that is ready on the loop run once."""
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(done.set_result, None)
    await done


class MemoryLog:
    """Events on a disk that is a list. `publish` is the commit's callback, when it comes."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.last_position = 0
        self.heads: dict[str, int] = {}
        self.reads = 0
        self.may_read = asyncio.Event()
        self.may_read.set()

    def commit(self, uid: str, size: int = 0) -> None:
        seq = 1 + sum(event.conversation_id == uid for event in self.events)
        self.events.append(event_of(uid, seq, len(self.events) + 1, size))

    def publish(self, feed: Feed) -> None:
        fresh = self.events[self.last_position :]
        self.heads |= {e.conversation_id: e.seq for e in fresh if e.conversation_id}
        self.last_position = len(self.events)
        if fresh:
            feed.publish(fresh)

    def head(self, uid: str) -> int:
        return self.heads.get(uid, 0)

    async def read(self, uid: str, after: int, limit: int) -> list[Event]:
        await self._disk()
        return [e for e in self.events if e.conversation_id == uid and e.seq > after][:limit]

    async def read_all(self, after: int, limit: int) -> list[Event]:
        await self._disk()
        return self.events[after : after + limit]

    async def _disk(self) -> None:
        self.reads += 1
        await self.may_read.wait()
        await tick()


def event_of(uid: str | None, seq: int, position: int, size: int = 0) -> Event:
    blank: dict[str, Any] = dict.fromkeys(
        ("turn_id", "item_id", "item_type", "text", "status", "synthetic")
    )
    data = raw({"x": "y" * size})
    return Event(
        seq, position, uid, type="note", at_ms=0, core="", data=data, log_tag="tag", **blank
    )


def feed_of(log: MemoryLog, limit: int = LARGE) -> Feed:
    return Feed(cast(EventLog, log), limit)


async def read_to(reader: Reader, last: int) -> list[int]:
    """Read until the cursor is at `last`; the numbers that came."""
    key, found = (by_seq if reader_of_one(reader) else by_position), list[int]()
    async with asyncio.timeout(PATIENCE):
        while reader.cursor < last:
            found += [key(event) for event in (await reader.next(PATIENCE)).events]
    return found


def reader_of_one(reader: Reader) -> bool:
    return reader._conversation_id is not None


async def rest(reader: Reader) -> Batch:
    """All that a closed feed still gives, as one batch."""
    events: list[Event] = []
    notices: list[bytes] = []
    async with asyncio.timeout(PATIENCE):
        while not (batch := await reader.next(PATIENCE)).ended:
            events += batch.events
            notices += batch.notices
    return Batch(events, notices, ended=True)


# --- on a real log -------------------------------------------------------------------------


class Live:
    """A log and a feed that are wired as the runtime wires them."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.feed: Feed | None = None
        self.log = SqliteLog(folder / "log.db", folder, self._committed)
        self.log.open()
        self.feed = Feed(self.log, limit)
        for uid in ("a", "b"):
            record = ConversationRecord(id=uid, thread_id="", working_directory="/")
            self.log.append(uid, (), (record,))

    def _committed(self, events: list[Event]) -> None:
        assert self.feed is not None
        self.feed.publish(events)

    async def write(self, count: int) -> None:
        """Append `count` events to `a` and some to `b`, in batches of all sizes."""
        done = 0
        while done < count:
            size = min(1 + done % 37, count - done)
            self.log.append("a", [Draft("x", raw({"n": done + i}), 0) for i in range(size)])
            self.log.append("b", [Draft("x", raw({}), 0)])
            done += size
            await (self.log.durable() if done % 5 == 0 else tick())
        await self.log.durable()

    async def follow(self, after: int, last: int, *, slow: bool = False) -> list[int]:
        """The seqs that a reader of `a` gets."""
        assert self.feed is not None
        found: list[int] = []
        with self.feed.reader("a", after) as reader:
            async with asyncio.timeout(PATIENCE * 3):
                while reader.cursor < last:
                    found += [event.seq for event in (await reader.next(PATIENCE)).events]
                    if slow:
                        await self.log.durable()
        return found

    async def follow_all(self, after: int) -> list[int]:
        """The positions that a reader of everything gets, up to the end of the log."""
        assert self.feed is not None
        found: list[int] = []
        with self.feed.reader(None, after) as reader:
            while batch := (await reader.next(0.5)).events:
                found += [event.position for event in batch]
        return found


@pytest.fixture(params=[LARGE, TINY], ids=["large tail", "tiny tail"])
async def live(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Live]:
    made = Live(tmp_path, request.param)
    yield made
    made.log.close()


async def test_readers_beside_a_writer_get_every_event_once_and_in_order(live: Live) -> None:
    async def late() -> list[int]:
        await live.follow(0, 700)
        return await live.follow(0, 3000)

    *found, _ = await asyncio.gather(
        live.follow(0, 3000),
        live.follow(0, 3000, slow=True),
        live.follow(1234, 3000),
        late(),
        live.write(3000),
    )
    assert found[0] == found[1] == found[3] == list(range(1, 3001))
    assert found[2] == list(range(1235, 3001))


async def test_a_reader_of_everything_gets_every_position(live: Live) -> None:
    found, _ = await asyncio.gather(live.follow_all(0), live.write(1000))
    assert found == list(range(1, live.log.last_position + 1))


async def test_readers_that_come_and_go_and_resume_miss_nothing(live: Live) -> None:
    async def hop() -> list[int]:
        found: list[int] = []
        while (cursor := found[-1] if found else 0) < 1000:
            found += await live.follow(cursor, min(cursor + 90, 1000))
        return found

    found, _ = await asyncio.gather(hop(), live.write(1000))
    assert found == list(range(1, 1001))


async def test_a_reader_at_every_cursor_gets_exactly_the_rest(live: Live) -> None:
    await live.write(150)
    for after in range(151):
        assert await live.follow(after, 150) == list(range(after + 1, 151))


# --- the tail ------------------------------------------------------------------------------


@given(st.lists(st.lists(st.integers(0, 900), max_size=20), max_size=12))
def test_a_tail_holds_the_newest_events_within_its_limit(pushes: list[list[int]]) -> None:
    tail = Tail(0, TINY, by_seq)
    seq = 0
    for sizes in pushes:
        fresh = [event_of("a", seq + i, 0, size) for i, size in enumerate(sizes, 1)]
        seq += len(fresh)
        tail.push(fresh)
        held = [got for c in range(seq + 1) if (got := tail.after(c)) is not None]
        assert [e.seq for e in held[0]] == list(range(seq + 1 - len(held[0]), seq + 1))
        assert [len(each) for each in held] == list(range(len(held[0]), -1, -1))
        assert sum(len(event.data) + OVERHEAD for event in held[0]) <= TINY


def test_a_tail_keeps_the_last_event_however_large() -> None:
    tail = Tail(0, TINY, by_seq)
    tail.push([event_of("a", 1, 1), event_of("a", 2, 2, 10 * TINY)])
    assert tail.after(0) is None
    assert [event.seq for event in tail.after(1) or ()] == [2]


def test_a_tail_knows_nothing_of_what_was_before_it() -> None:
    tail = Tail(7, TINY, by_seq)
    assert (tail.after(6), tail.after(7)) == (None, [])


def test_numbers_with_holes_are_found_too() -> None:
    tail = Tail(0, LARGE, by_seq)
    tail.push([event_of("a", seq, seq) for seq in (1, 2, 3, 1001, 1002, 2001)])
    for cursor in range(2010):
        expected = [seq for seq in (1, 2, 3, 1001, 1002, 2001) if seq > cursor]
        assert [event.seq for event in tail.after(cursor) or ()] == expected


async def test_readers_are_woken_in_the_order_in_which_they_came() -> None:
    log = MemoryLog()
    feed = feed_of(log)
    woken: list[int] = []

    async def follow(number: int) -> None:
        with feed.reader("a", 0) as reader:
            for _ in range(5):
                await reader.next(PATIENCE)
                woken.append(number)

    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(follow(number))
        for _ in range(5):
            await tick()
            await tick()
            log.commit("a")
            log.publish(feed)
    assert woken == [*range(20)] * 5


async def test_a_wait_that_is_over_leaves_nothing_behind() -> None:
    feed = feed_of(MemoryLog())
    with feed.reader(None, 0) as reader:
        assert await reader.next(SOON) == Batch()
        waiting = asyncio.create_task(reader.next(PATIENCE))
        await tick()
        assert len(reader._tail._waiting) == 1
        waiting.cancel()
        await asyncio.wait([waiting])
        assert not reader._tail._waiting
    assert reader._alarm._timer is None


async def test_a_reader_that_always_gets_something_moves_its_timer_seldom() -> None:
    log = MemoryLog()
    feed = feed_of(log)
    with feed.reader("a", 0) as reader:
        timers: set[int] = set()
        for number in range(1, 50):
            waiting = asyncio.create_task(reader.next(PATIENCE + number))
            await tick()
            timers.add(id(reader._alarm._timer))
            log.commit("a")
            log.publish(feed)
            assert [event.seq for event in (await waiting).events] == [number]
        assert len(timers) == 1
        before = asyncio.get_running_loop().time()
        assert await reader.next(SOON) == Batch()  # sooner than the timer that stands
        assert asyncio.get_running_loop().time() - before < PATIENCE


async def test_a_timer_that_rings_too_early_is_moved() -> None:
    log = MemoryLog()
    feed = feed_of(log)
    loop = asyncio.get_running_loop()
    with feed.reader("a", 0) as reader:
        waiting = asyncio.create_task(reader.next(SOON))
        await tick()
        log.commit("a")
        log.publish(feed)
        assert (await waiting).events
        before = loop.time()
        assert await reader.next(3 * SOON) == Batch()
        assert loop.time() - before >= 3 * SOON - 0.002


# --- one reader ----------------------------------------------------------------------------


async def test_a_reader_waits_and_is_woken_by_what_comes() -> None:
    log = MemoryLog()
    feed = feed_of(log)
    with feed.reader("a", 0) as reader:
        waiting = asyncio.create_task(reader.next(PATIENCE))
        await tick()
        log.commit("b")
        log.publish(feed)
        await tick()
        assert not waiting.done()
        log.commit("a")
        log.publish(feed)
        assert [event.seq for event in (await waiting).events] == [1]


async def test_a_reader_with_nothing_to_read_gets_an_empty_batch_in_time() -> None:
    with feed_of(MemoryLog()).reader("a", 0) as reader:
        assert await reader.next(SOON) == Batch()
        assert await reader.next(0) == Batch()


async def test_a_reader_above_the_head_gets_what_comes_after_its_cursor() -> None:
    log = MemoryLog()
    feed = feed_of(log)
    with feed.reader("a", 2) as reader:
        for _ in range(3):
            log.commit("a")
        log.publish(feed)
        assert await read_to(reader, 3) == [3]


async def test_what_is_on_disk_but_not_told_yet_is_given_once() -> None:
    log = MemoryLog()
    feed = feed_of(log)
    log.commit("a")
    log.publish(feed)
    with feed.reader("a", 0) as reader:
        log.commit("a")  # the commit's callback is still on its way
        assert await read_to(reader, 2) == [1, 2]
        log.publish(feed)
        assert await reader.next(SOON) == Batch()
        log.commit("a")
        log.publish(feed)
        assert await read_to(reader, 3) == [3]


async def test_what_is_committed_while_the_log_is_read_is_given_once() -> None:
    log = MemoryLog()
    feed = feed_of(log)
    log.commit("a")
    log.publish(feed)
    log.may_read.clear()
    with feed.reader("a", 0) as reader:
        reading = asyncio.create_task(read_to(reader, 3))
        await tick()
        log.commit("a")
        log.publish(feed)
        log.may_read.set()
        log.commit("a")
        log.publish(feed)
        assert await reading == [1, 2, 3]


async def test_what_comes_while_the_log_is_still_saying_nothing_wakes_the_reader() -> None:
    class Slow(MemoryLog):
        async def read(self, uid: str, after: int, limit: int) -> list[Event]:
            found = await super().read(uid, after, limit)
            if self.reads == 1:  # its answer is old when it arrives
                self.commit("a")
                self.publish(feed)
            return found

    log = Slow()
    log.heads["a"] = 1  # a hole: nothing is kept between 0 and the head
    feed = feed_of(log)
    with feed.reader("a", 0) as reader:
        assert len((await reader.next(PATIENCE)).events) == 1


async def test_a_live_reader_never_asks_the_log() -> None:
    log = MemoryLog()
    feed = feed_of(log)
    with feed.reader("a", 0) as reader:
        for number in range(1, 50):
            log.commit("a")
            log.publish(feed)
            assert await read_to(reader, number) == [number]
    assert log.reads == 0


async def test_a_reader_that_fell_off_the_tail_goes_back_to_the_log() -> None:
    log = MemoryLog()
    feed = feed_of(log, TINY)
    with feed.reader("a", 0) as reader:
        for _ in range(PAGE + 100):
            log.commit("a", size=100)
            log.publish(feed)
        assert await read_to(reader, PAGE + 100) == list(range(1, PAGE + 101))
    assert log.reads == 2


async def test_a_slow_reader_does_not_hold_back_a_fast_one() -> None:
    log = MemoryLog()
    feed = feed_of(log, TINY)
    with feed.reader("a", 0) as slow, feed.reader("a", 0) as fast:
        for number in range(1, 200):
            log.commit("a", size=100)
            log.publish(feed)
            assert await read_to(fast, number) == [number]
        assert log.reads == 0
        assert await read_to(slow, 199) == list(range(1, 200))


async def test_a_reader_whose_wait_was_cut_off_in_the_log_goes_on_where_it_was() -> None:
    log = MemoryLog()
    feed = feed_of(log)
    log.commit("a")
    log.publish(feed)
    log.may_read.clear()
    with feed.reader("a", 0) as reader:
        assert await reader.next(SOON) == Batch()
        log.may_read.set()
        assert await read_to(reader, 1) == [1]


async def test_a_stream_that_no_one_reads_any_more_costs_nothing() -> None:
    log = MemoryLog()
    feed = feed_of(log)
    with feed.reader("a", 0):
        with feed.reader("a", 0), feed.reader("b", 0):
            assert set(feed._tails) == {"a", "b"}
        assert set(feed._tails) == {"a"}
    assert (feed._tails, feed._readers) == ({}, {})
    with pytest.raises(ValueError, match="broke"), feed.reader("a", 0):
        raise ValueError("broke")
    assert (feed._tails, feed._readers) == ({}, {})


# --- notices -------------------------------------------------------------------------------


async def test_a_notice_reaches_every_reader_of_a_conversation_once() -> None:
    feed = feed_of(MemoryLog())
    with feed.reader("a", 0) as one, feed.reader("b", 0) as two:
        feed.notify(b"n")
        assert await one.next(SOON) == await two.next(SOON) == Batch([], [b"n"])
        assert await one.next(SOON) == Batch()


async def test_a_notice_wakes_a_reader_that_waits() -> None:
    feed = feed_of(MemoryLog())
    with feed.reader("a", 0) as reader:
        waiting = asyncio.create_task(reader.next(PATIENCE))
        await tick()
        feed.notify(b"n")
        assert (await waiting).notices == [b"n"]


async def test_a_notice_is_not_for_readers_of_everything_nor_for_later_ones() -> None:
    feed = feed_of(MemoryLog())
    with feed.reader(None, 0) as everything:
        feed.notify(b"n")
        assert await everything.next(SOON) == Batch()
    with feed.reader("a", 0) as late:
        assert await late.next(SOON) == Batch()


async def test_the_newest_notices_are_kept_for_a_reader_that_sleeps() -> None:
    feed = feed_of(MemoryLog())
    with feed.reader("a", 0) as reader:
        for number in range(NOTICES + 5):
            feed.notify(b"%d" % number)
        expected = [b"%d" % number for number in range(5, NOTICES + 5)]
        assert (await reader.next(SOON)).notices == expected


async def test_a_notice_is_not_lost_when_the_wait_was_cut_off_in_the_log() -> None:
    log = MemoryLog()
    feed = feed_of(log)
    log.commit("a")
    log.publish(feed)
    log.may_read.clear()
    with feed.reader("a", 0) as reader:
        feed.notify(b"n")
        assert await reader.next(SOON) == Batch()
        log.may_read.set()
        assert (await reader.next(SOON)).notices == [b"n"]


# --- the end -------------------------------------------------------------------------------


@pytest.mark.parametrize("uid", ["a", None])
async def test_a_closed_feed_gives_what_is_committed_and_then_the_end(uid: str | None) -> None:
    log = MemoryLog()
    feed = feed_of(log, TINY)
    with feed.reader(uid, 0) as reader:
        for _ in range(PAGE + 10):
            log.commit("a")
        log.publish(feed)
        feed.close()
        assert len((await rest(reader)).events) == PAGE + 10
        assert (await reader.next(SOON)).ended


async def test_a_waiting_reader_is_told_that_the_feed_was_closed() -> None:
    feed = feed_of(MemoryLog())
    with feed.reader("a", 0) as one, feed.reader(None, 0) as everything:
        waiting = [asyncio.create_task(reader.next(PATIENCE)) for reader in (one, everything)]
        await tick()
        feed.close()
        assert await asyncio.gather(*waiting) == [Batch(ended=True)] * 2


async def test_a_notice_before_the_end_is_given_before_it() -> None:
    feed = feed_of(MemoryLog())
    with feed.reader("a", 0) as reader:
        feed.notify(b"stopping")
        feed.close()
        assert (await rest(reader)).notices == [b"stopping"]


# --- any interleaving ----------------------------------------------------------------------

UIDS = ("a", "b")
STEPS = st.one_of(
    st.tuples(st.just("commit"), st.sampled_from(UIDS), st.integers(0, 800)),
    st.tuples(st.just("publish")),
    st.tuples(st.just("join"), st.sampled_from((*UIDS, None)), st.integers(0, 12)),
    st.tuples(st.just("read"), st.integers(0, 5)),
    st.tuples(st.just("tick")),
)


class Follower:
    """A reader that reads one batch for each permit."""

    def __init__(self, feed: Feed, uid: str | None, after: int) -> None:
        self.uid, self.after = uid, after
        self.found: list[Event] = []
        self.permits = asyncio.Semaphore(0)
        self.free = False
        self.task = asyncio.create_task(self._follow(feed))

    async def _follow(self, feed: Feed) -> None:
        with feed.reader(self.uid, self.after) as reader:
            while self.free or await self.permits.acquire():
                batch = await reader.next(PATIENCE)
                if batch.ended:
                    return
                self.found += batch.events

    def expected(self, log: MemoryLog) -> list[Event]:
        if self.uid is None:
            return log.events[self.after :]
        return [e for e in log.events if e.conversation_id == self.uid and e.seq > self.after]


async def play(steps: Sequence[tuple[Any, ...]]) -> None:
    log = MemoryLog()
    feed = feed_of(log, TINY)
    followers: list[Follower] = []
    for what, *how in steps:
        match what:
            case "commit":
                log.commit(*how)
            case "publish":
                log.publish(feed)
            case "join":
                followers.append(Follower(feed, *how))
            case "read" if followers:
                followers[how[0] % len(followers)].permits.release()
            case _:
                await tick()
    await tick()
    log.publish(feed)
    feed.close()
    for follower in followers:
        follower.free = True
        follower.permits.release()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(follower.task for follower in followers))
    assert [f.found for f in followers] == [f.expected(log) for f in followers]
    assert feed._tails == {}


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=80))
def test_in_any_interleaving_every_reader_gets_exactly_what_comes_after_its_cursor(
    steps: list[tuple[Any, ...]],
) -> None:
    asyncio.run(play(steps))
