"""The contract of `eventlog.base`, for every implementation."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from codex_http_server.db import APPLICATION_ID
from codex_http_server.errors import LogUnusable, StorageFull
from codex_http_server.eventlog import history
from codex_http_server.eventlog.base import ConversationFilter, ItemRows, Span, TurnRow
from codex_http_server.eventlog.sqlite import SqliteLog
from codex_http_server.events import Draft, Event, raw
from codex_http_server.records import (
    AnswerRecord,
    ApprovalRecord,
    ConversationRecord,
    Decision,
    Resolution,
    SubmitRecord,
)
from tests.support import drafts

PATIENCE = 10  # seconds
OnCommit = Callable[[list[Event]], None]
Make = Callable[[Path, OnCommit], SqliteLog]


def sqlite(folder: Path, on_commit: OnCommit) -> SqliteLog:
    log = SqliteLog(folder / "log.db", folder / "home", on_commit)
    log.core_version = "0.163.0"
    log.open()
    return log


IMPLEMENTATIONS = [pytest.param(sqlite, id="sqlite")]


class Shelf:
    """A log in a folder, what it committed, and the means to wait for that."""

    def __init__(self, make: Make, folder: Path) -> None:
        self._make, self._folder = make, folder
        self._grew = asyncio.Event()
        self.groups: list[list[Event]] = []
        self.log = make(folder, self._committed)

    def _committed(self, events: list[Event]) -> None:
        self.groups.append(events)
        self._grew.set()
        self._grew = asyncio.Event()

    @property
    def committed(self) -> list[Event]:
        """All that `on_commit` was given, in order."""
        return [event for group in self.groups for event in group]

    def reopen(self) -> None:
        """Close the log and open it again."""
        self.log.close()
        self.log = self._make(self._folder, self._committed)

    async def until(self, position: int) -> None:
        """Wait until this position was committed."""
        async with asyncio.timeout(PATIENCE):
            while self.log.last_position < position:
                await self._grew.wait()

    async def put(self, uid: str, *added: Draft, **fields: Any) -> list[Event]:
        """Append to a conversation, with its record, and wait for the disk."""
        events = self.log.append(uid, added, (conversation(uid, **fields),))
        await self.log.durable()
        return events


@pytest.fixture(params=IMPLEMENTATIONS)
def make(request: pytest.FixtureRequest) -> Make:
    return request.param


@pytest.fixture
async def shelf(make: Make, tmp_path: Path) -> AsyncIterator[Shelf]:
    made = Shelf(make, tmp_path)
    yield made
    made.log.close()


def conversation(uid: str, **fields: Any) -> ConversationRecord:
    values: dict[str, Any] = {"thread_id": f"thread of {uid}", "working_directory": "/project"}
    values |= fields
    return ConversationRecord(id=uid, **values)


def submit(uid: str, conversation_id: str = "a", **fields: Any) -> SubmitRecord:
    values = {"key": None, "body_hash": "h", "state": "queued", "message": []} | fields
    return SubmitRecord(id=uid, conversation_id=conversation_id, **values)


def answer(key: str, created_ms: int = 0, body: bytes = b"{}") -> AnswerRecord:
    return AnswerRecord(
        scope="POST /x",
        key=key,
        body_hash="h",
        status=201,
        headers=[("location", "/y")],
        body=body,
        created_ms=created_ms,
    )


def note(number: int = 0) -> Draft:
    return Draft("note", raw({"n": number}), at_ms=number)


def seqs(events: Sequence[Event]) -> list[int]:
    return [event.seq for event in events]


def ids(records: Sequence[ConversationRecord | SubmitRecord | ApprovalRecord]) -> list[str]:
    return [record.id for record in records]


# --- numbers -------------------------------------------------------------------------------


async def test_append_numbers_at_once_per_conversation_and_over_all(shelf: Shelf) -> None:
    log = shelf.log
    first = log.append("a", [note(), note()], (conversation("a"),))
    second = log.append("b", [note()], (conversation("b"),))
    third = log.append("a", [note()])
    assert (seqs(first), seqs(second), seqs(third)) == ([1, 2], [1], [3])
    assert [e.position for e in (*first, *second, *third)] == [1, 2, 3, 4]


async def test_an_event_of_no_conversation_has_a_position_and_no_seq(shelf: Shelf) -> None:
    (event,) = shelf.log.append(None, [note()])
    assert (event.seq, event.position, event.conversation_id) == (0, 1, None)
    assert "seq" not in msgspec.json.decode(event.json())


async def test_what_was_appended_and_what_was_committed_are_told_apart(shelf: Shelf) -> None:
    log = shelf.log
    log.append("a", [note(), note()], (conversation("a"),))
    assert (log.last_appended("a"), log.appended_position) == (2, 2)
    assert (log.head("a"), log.last_position) == (0, 0)
    await log.durable()
    assert (log.head("a"), log.last_position) == (2, 2)


async def test_an_unknown_conversation_has_head_0_and_no_events(shelf: Shelf) -> None:
    assert (shelf.log.head("x"), shelf.log.last_appended("x")) == (0, 0)
    assert await shelf.log.read("x", 0, 10) == []
    assert await shelf.log.turn_events("x", "t") == []
    assert await shelf.log.items("x", Span(10), 10) == ItemRows([], 0, 0)


async def test_numbers_go_on_where_they_stood_when_the_log_is_opened_again(shelf: Shelf) -> None:
    await shelf.put("a", note(), note())
    await shelf.put("b", note())
    shelf.reopen()
    log = shelf.log
    assert (log.head("a"), log.head("b"), log.last_appended("a")) == (2, 1, 2)
    assert (log.last_position, log.appended_position) == (3, 3)
    (event,) = log.append("b", [note()])
    assert (event.seq, event.position) == (2, 4)


async def test_a_conversation_made_after_a_reopen_does_not_mix_with_the_old(shelf: Shelf) -> None:
    await shelf.put("a", note(1))
    shelf.reopen()
    await shelf.put("b", note(2))
    assert [e.at_ms for e in await shelf.log.read("a", 0, 9)] == [1]
    assert [e.at_ms for e in await shelf.log.read("b", 0, 9)] == [2]


async def test_the_log_s_id_stays_and_its_tag_is_in_every_cursor(shelf: Shelf) -> None:
    log_id, tag = shelf.log.log_id, shelf.log.log_tag
    await shelf.put("a", note())
    shelf.reopen()
    assert (shelf.log.log_id, shelf.log.log_tag) == (log_id, tag)
    (event,) = await shelf.log.read_all(0, 9)
    assert event.cursor() == msgspec.json.decode(event.json())["position"] == f"{tag}-1"


async def test_two_logs_have_two_ids_and_two_tags(make: Make, tmp_path: Path) -> None:
    logs = []
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        logs.append(make(tmp_path / name, lambda _: None))
        logs[-1].close()
    assert logs[0].log_id != logs[1].log_id
    assert logs[0].log_tag != logs[1].log_tag


# --- commits -------------------------------------------------------------------------------


async def test_an_event_is_on_disk_before_on_commit_is_given_it(tmp_path: Path) -> None:
    found: list[int] = []

    def look(events: list[Event]) -> None:
        other = sqlite3.connect(tmp_path / "log.db")
        known = {row[0] for row in other.execute("SELECT position FROM event")}
        other.close()
        found.extend(event.position for event in events if event.position in known)

    log = sqlite(tmp_path, look)
    for number in range(50):
        log.append(None, [note(number)] * 3)
    await log.durable()
    log.close()
    assert found == list(range(1, 151))


async def test_on_commit_gets_every_event_once_and_in_order(shelf: Shelf) -> None:
    for number in range(200):
        uid = ("a", "b", None)[number % 3]
        shelf.log.append(uid, [note()] * (number % 4), (conversation("a"), conversation("b")))
    await shelf.log.durable()
    assert [e.position for e in shelf.committed] == list(range(1, len(shelf.committed) + 1))
    assert len(shelf.committed) == sum(number % 4 for number in range(200))


@pytest.mark.parametrize("of", ["one", "all"])
async def test_what_is_on_disk_is_read_only_once_the_head_has_moved(
    shelf: Shelf, tmp_path: Path, of: str
) -> None:
    """Who reads an event that the loop was not told of comes back with a number past the head."""
    log = shelf.log
    await shelf.put("a", note())
    log.append("a", [note(1)])
    log.flush()
    other = sqlite3.connect(tmp_path / "log.db")
    until = time.monotonic() + PATIENCE
    while other.execute("SELECT max(seq) FROM event").fetchone() != (2,):  # the loop stands still
        assert time.monotonic() < until
    other.close()
    assert log.head("a") == log.last_position == 1
    found = log.read("a", 0, 9) if of == "one" else log.read_all(0, 9)
    assert seqs(await found) == [1]
    await log.durable()
    assert seqs(await log.read("a", 0, 9)) == seqs(await log.read_all(0, 9)) == [1, 2]


async def test_heads_have_moved_when_on_commit_is_called(make: Make, tmp_path: Path) -> None:
    found: list[tuple[int, int]] = []

    def look(events: list[Event]) -> None:
        found.append((log.head("a"), log.last_position))

    log = make(tmp_path, look)
    log.append("a", [note(), note()], (conversation("a"),))
    await log.durable()
    log.close()
    assert found[-1] == (2, 2)


async def test_durable_waits_for_all_that_was_appended_before(shelf: Shelf) -> None:
    for number in range(500):
        shelf.log.append("a", [note(number)], (conversation("a"),))
    await shelf.log.durable()
    assert len(shelf.committed) == 500
    assert len(await shelf.log.read("a", 0, 1000)) == 500


async def test_durable_with_nothing_appended_returns(shelf: Shelf) -> None:
    async with asyncio.timeout(PATIENCE):
        await shelf.log.durable()
        await asyncio.gather(*(shelf.log.durable() for _ in range(20)))


async def test_close_commits_what_was_appended(shelf: Shelf) -> None:
    shelf.log.append("a", [note(n) for n in range(100)], (conversation("a"),))
    shelf.reopen()
    assert len(await shelf.log.read("a", 0, 1000)) == 100


async def test_close_may_be_called_twice_and_without_open(tmp_path: Path) -> None:
    log = sqlite(tmp_path, lambda _: None)
    log.close()
    log.close()
    SqliteLog(tmp_path / "other.db", tmp_path, lambda _: None).close()


async def test_durable_after_close_says_that_nothing_is_kept(shelf: Shelf) -> None:
    shelf.log.close()
    shelf.log.append(None, [note()])
    async with asyncio.timeout(2.5):
        with pytest.raises(StorageFull):
            await shelf.log.durable()


async def test_a_record_is_in_the_same_commit_as_its_events(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def look(events: list[Event]) -> None:
        other = sqlite3.connect(tmp_path / "log.db")
        seen.append(other.execute("SELECT count(*), max(last_seq) FROM conversation").fetchone())
        other.close()

    log = sqlite(tmp_path, look)
    log.append("a", [note(), note()], (conversation("a"),))
    await log.durable()
    log.close()
    assert seen == [(1, 2)]


async def test_a_record_that_can_not_be_stored_does_not_stop_the_log(shelf: Shelf) -> None:
    shelf.log.append("a", (), (conversation("a"), submit("1", key="k")))
    shelf.log.append("a", (), (submit("2", key="k"),))
    shelf.log.append("a", [note()])
    async with asyncio.timeout(PATIENCE):
        await shelf.log.durable()
    assert len(await shelf.log.read("a", 0, 9)) == 1


# --- reading -------------------------------------------------------------------------------


async def test_read_gives_what_comes_after_a_seq_up_to_a_limit(shelf: Shelf) -> None:
    await shelf.put("a", *[note(n) for n in range(10)])
    await shelf.put("b", note())
    assert seqs(await shelf.log.read("a", 0, 99)) == list(range(1, 11))
    assert seqs(await shelf.log.read("a", 4, 3)) == [5, 6, 7]
    assert seqs(await shelf.log.read("a", 10, 3)) == []
    assert seqs(await shelf.log.read("a", 999, 3)) == []
    assert seqs(await shelf.log.read("a", 0, 0)) == []


async def test_read_all_gives_everything_by_position_with_its_conversation(shelf: Shelf) -> None:
    await shelf.put("a", note())
    shelf.log.append(None, [note()])
    await shelf.put("b", note(), note())
    everything = await shelf.log.read_all(0, 99)
    assert [e.conversation_id for e in everything] == ["a", None, "b", "b"]
    assert [e.position for e in await shelf.log.read_all(1, 2)] == [2, 3]


async def test_what_is_read_is_what_was_committed_to_the_last_field(shelf: Shelf) -> None:
    added = [
        drafts.turn_started(),
        drafts.item_started("m"),
        drafts.delta("m", "Hé\n"),
        drafts.item_completed("m", status="completed"),
        Draft("q", raw(None), 7, "t", "i", "plan", "text", "failed", "why", raw({"model": "x"})),
    ]
    appended = await shelf.put("a", *added)
    shelf.reopen()
    for read in (await shelf.log.read("a", 0, 99), await shelf.log.read_all(0, 99)):
        assert [event.json() for event in read] == [event.json() for event in appended]
    assert [event.core for event in read] == ["0.163.0"] * 5


@pytest.mark.parametrize(
    "data",
    [
        b'{ "a" :\t1 ,"b":[ ] }',
        b'{\n  "a": 1,\r\n  "b": 2\n}',
        b'{"big":123456789012345678901234567890,"small":-0.0,"huge":1e400,"exp":1E+2}',
        '{"raw":"\u00e9\U0001f642\u2028","escaped":"\\u00e9\\ud83d\\ude42\\/"}'.encode(),
        b'{"twice":1,"twice":2}',
        b'{"nul":"\\u0000","delta":"x"}',
        b'"text"',
        b"[]",
        b"null",
        b'{"x":"' + b"y" * 3_000_000 + b'"}',
    ],
    ids=lambda data: data[:12].decode(errors="replace"),
)
async def test_data_is_kept_byte_for_byte(shelf: Shelf, data: bytes) -> None:
    await shelf.put("a", Draft("odd", msgspec.Raw(data), 1, policy=msgspec.Raw(data)))
    shelf.reopen()
    (event,) = await shelf.log.read("a", 0, 9)
    assert bytes(event.data) == data
    assert event.policy is not None
    assert bytes(event.policy) == data
    assert b'"data":' + data in event.json()


async def test_a_delta_s_text_is_there_after_a_reopen(shelf: Shelf) -> None:
    await shelf.put("a", drafts.delta("m", "\U0001f642 \x00\n\u2028"))
    shelf.reopen()
    (event,) = await shelf.log.read("a", 0, 9)
    assert event.text == "\U0001f642 \x00\n\u2028"


async def test_readers_and_the_writer_do_not_wait_for_each_other(shelf: Shelf) -> None:
    await shelf.put("a", note())

    async def read() -> None:
        for _ in range(30):
            found = seqs(await shelf.log.read("a", 0, 9999))
            assert found == list(range(1, len(found) + 1))

    async def write() -> None:
        for number in range(100):
            shelf.log.append("a", [note(number)] * 3)
            await shelf.log.durable()

    async with asyncio.timeout(PATIENCE * 2):
        await asyncio.gather(write(), *(read() for _ in range(6)))
    assert shelf.log.head("a") == 301


# --- items, turns, snapshots ---------------------------------------------------------------


async def talk(shelf: Shelf, turns: int) -> None:
    """Turns with a message, a discarded item, two diffs and a usage each: 9 events."""
    for number in range(turns):
        turn = f"t{number}"
        body = raw({"itemId": "d", "reason": "retried", "item": {}})
        await shelf.put(
            "a",
            drafts.turn_started(turn),
            drafts.item_started("m", turn=turn),
            drafts.delta("m", "x", turn=turn),
            Draft("item/discarded", body, 1, turn, "d", "plan"),
            drafts.diff("one", turn),
            drafts.said("thread/tokenUsage/updated", {"turnId": turn, "tokenUsage": number}),
            drafts.item_completed("m", turn=turn),
            drafts.diff("two", turn),
            drafts.turn_completed(turn),
        )


async def test_items_are_paged_both_ways_oldest_first_with_the_counts_around(shelf: Shelf) -> None:
    await talk(shelf, 3)  # items end at 4 7, 13 16, 22 25

    async def page(limit: int, turn: str | None = None, **span: int) -> tuple[list[int], int, int]:
        found = await shelf.log.items("a", Span(**span), limit, turn)
        return seqs(found.items), found.before, found.after

    assert await page(4) == ([13, 16, 22, 25], 2, 0)
    assert await page(4, before=13) == ([4, 7], 0, 4)
    assert await page(4, before=4) == ([], 0, 6)
    assert await page(4, after=0) == ([4, 7, 13, 16], 0, 2)
    assert await page(4, after=16) == ([22, 25], 4, 0)
    assert await page(4, after=25) == ([], 6, 0)
    assert await page(1, after=4, before=20) == ([7], 1, 4)
    assert await page(4, "t1") == ([13, 16], 0, 0)
    assert await page(1, "t1") == ([16], 1, 0)
    assert await page(4, "t1", after=16) == ([], 2, 0)
    assert await page(4, "nothing") == ([], 0, 0)


async def test_a_page_ends_early_where_it_is_large(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    await talk(shelf, 3)
    monkeypatch.setattr(history, "PAGE_BYTES", 1)
    assert seqs((await shelf.log.items("a", Span(), 4)).items) == [25]
    found = await shelf.log.items("a", Span(after=4), 4)
    assert (seqs(found.items), found.before, found.after) == ([7], 1, 4)


async def test_a_page_of_events_ends_early_where_it_is_large_and_none_is_passed_over(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    await talk(shelf, 3)
    whole = await shelf.log.read("a", 0, 1000)
    everything = await shelf.log.read_all(0, 1000)
    most = sum(len(event.data) for event in whole[:3])
    monkeypatch.setattr(history, "PAGE_BYTES", most)
    assert await shelf.log.read("a", 0, 1000) == whole[:3]
    assert await shelf.log.read("a", 0, 2) == whole[:2]
    found: list[Event] = []
    while page := await shelf.log.read("a", found[-1].seq if found else 0, 1000):
        found += page
    assert found == whole
    found.clear()
    while page := await shelf.log.read_all(found[-1].position if found else 0, 1000):
        found += page
    assert found == everything


async def test_turns_are_paged_with_what_belongs_to_each(shelf: Shelf) -> None:
    await talk(shelf, 3)  # turns start at 1, 10, 19
    await shelf.put("a", drafts.turn_started("open"))
    for submit_id, at in (("second", 2), ("first", 1)):
        sent = SubmitRecord(
            id=submit_id, conversation_id="a", key=None, body_hash="", state="ended", message=[],
            turn_id="t2", created_ms=at,
        )  # fmt: skip
        shelf.log.append("a", (), (sent,))
    await shelf.log.durable()

    async def page(limit: int, **span: int) -> tuple[list[int], int, int]:
        found = await shelf.log.turns("a", Span(**span), limit, 1000)
        return [each.started.seq for each in found.turns], found.before, found.after

    assert await page(2) == ([19, 28], 2, 0)
    assert await page(2, before=19) == ([1, 10], 0, 2)
    assert await page(2, after=1) == ([10, 19], 1, 1)
    assert await page(2, after=28) == ([], 4, 0)
    whole = await shelf.log.turn("a", "t2", 1000)
    assert whole is not None
    assert whole.ended is not None
    assert (whole.started.seq, whole.ended.seq, whole.items) == (19, 27, 2)
    assert whole.submit_ids == ["first", "second"]
    assert whole.diff is not None
    assert msgspec.json.decode(whole.diff)["diff"] == "two"
    small = await shelf.log.turn("a", "t2", 1)
    assert small is not None
    assert (small.has_diff, small.diff) == (True, None)
    running = await shelf.log.turn("a", "open", 1000)
    assert isinstance(running, TurnRow)
    assert (running.ended, running.items, running.has_diff, running.spent) == (None, 0, False, None)
    assert await shelf.log.turn("a", "nothing", 1000) is None


async def test_the_last_diff_is_of_the_newest_turn_or_the_named_one(shelf: Shelf) -> None:
    await shelf.put("a")
    assert await shelf.log.last_diff("a", None) is None
    await talk(shelf, 2)
    for turn, seq in ((None, 17), ("t0", 8)):
        found = await shelf.log.last_diff("a", turn)
        assert found is not None
        assert found[0] == (turn or "t1")
        assert found[1] is not None
        assert found[1].seq == seq
    await shelf.put("a", drafts.turn_started("open"))
    assert await shelf.log.last_diff("a", None) == ("open", None)
    assert await shelf.log.last_diff("a", "nothing") is None


async def test_a_turn_s_events_are_its_marks_and_its_items_ends(shelf: Shelf) -> None:
    await talk(shelf, 2)
    found = await shelf.log.turn_events("a", "t1")
    assert [(e.seq, e.type) for e in found if e.type != "turn/diff/updated"] == [
        (10, "turn/started"),
        (13, "item/discarded"),
        (16, "item/completed"),
        (18, "turn/completed"),
    ]
    diffs = [e for e in found if e.type == "turn/diff/updated"]
    assert msgspec.json.decode(diffs[-1].data)["diff"] == "two"
    assert await shelf.log.turn_events("a", "nothing") == []


async def test_a_snapshot_is_read_at_its_seq(shelf: Shelf) -> None:
    await talk(shelf, 3)
    rows = await shelf.log.snapshot("a", 16, 100, ())
    assert (seqs(rows.items), rows.items_before) == ([4, 7, 13, 16], 0)
    assert max(seqs(rows.turns)) == 14
    assert rows.usage is not None
    assert msgspec.json.decode(rows.usage.data)["tokenUsage"] == 1


async def test_a_snapshot_has_the_turns_of_its_items_and_the_open_ones(shelf: Shelf) -> None:
    await talk(shelf, 3)
    await shelf.put("a", drafts.turn_started("open"))
    rows = await shelf.log.snapshot("a", 28, 1, ("open",))
    assert (seqs(rows.items), rows.items_before) == ([25], 5)
    assert {event.turn_id for event in rows.turns} == {"t2", "open"}
    assert seqs(rows.turns) == sorted(seqs(rows.turns))


async def test_a_snapshot_of_an_empty_conversation_is_empty(shelf: Shelf) -> None:
    await shelf.put("a")
    rows = await shelf.log.snapshot("a", 0, 100, ())
    assert (rows.items, rows.items_before, rows.turns, rows.usage) == ([], 0, [], None)


# --- records -------------------------------------------------------------------------------


async def test_conversations_are_listed_newest_first_and_paged(shelf: Shelf) -> None:
    for uid in ("1", "3", "2", "5", "4"):
        await shelf.put(uid)
    everything = ConversationFilter()
    assert ids(await shelf.log.conversations(everything, None, 2)) == ["5", "4"]
    assert ids(await shelf.log.conversations(everything, "4", 2)) == ["3", "2"]
    assert ids(await shelf.log.conversations(everything, "2", 2)) == ["1"]
    assert ids(await shelf.log.conversations(everything, "1", 2)) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (ConversationFilter(), ["4", "3", "2", "1"]),
        (ConversationFilter(archived=True), ["5"]),
        (ConversationFilter(q="FIX the"), ["2"]),
        (ConversationFilter(q="straße"), ["3"]),
        (ConversationFilter(q="STRASSE"), ["3"]),
        (ConversationFilter(q="100%_"), ["4"]),
        (ConversationFilter(q="' OR 1"), []),
        (ConversationFilter(working_directory="/elsewhere"), ["1"]),
        (ConversationFilter(status="running"), ["2"]),
        (ConversationFilter(status="running", q="nothing"), []),
    ],
    ids=str,
)
async def test_the_list_is_filtered(
    shelf: Shelf, wanted: ConversationFilter, found: list[str]
) -> None:
    await shelf.put("1", working_directory="/elsewhere")
    await shelf.put("2", title="Please fix the tests", status="running")
    await shelf.put("3", preview="In der Straße")
    await shelf.put("4", title="100%_done")
    await shelf.put("5", archived=True)
    assert ids(await shelf.log.conversations(wanted, None, 99)) == found


async def test_a_conversation_is_found_as_it_was_last_put(
    shelf: Shelf,
) -> None:
    await shelf.put("a", note())
    await shelf.put("a", title="new", resolved_sandbox={"type": "readOnly"}, thread_id="moved")
    shelf.reopen()
    found = await shelf.log.conversation("a")
    assert found is not None
    assert (found.title, found.resolved_sandbox) == ("new", {"type": "readOnly"})
    assert found.thread_id == "moved"
    assert await shelf.log.conversation("b") is None
    assert shelf.log.head("a") == 1


async def test_unfinished_are_those_with_something_open_or_waiting(shelf: Shelf) -> None:
    for uid in ("idle", "queue", "sent", "doubt"):
        await shelf.put(uid)
    await shelf.put("open", open_since=1)
    await shelf.put("closed", open_since=1)
    await shelf.put("closed", open_since=0)
    states = (("queue", "queued"), ("sent", "started"), ("doubt", "steering"))
    for uid, state in states:
        shelf.log.append(uid, (), (submit(f"m {uid}", uid, state=state),))
    await shelf.log.durable()
    assert sorted(ids(await shelf.log.unfinished())) == ["doubt", "open", "queue"]


def approval(uid: str, conversation_id: str = "a", **fields: Any) -> ApprovalRecord:
    return ApprovalRecord(
        id=uid,
        conversation_id=conversation_id,
        thread_id="t",
        request_id=0,
        asked_turn="turn",
        turn_id="turn",
        item_id=None,
        kind="command",
        method="item/commandExecution/requestApproval",
        request=raw({"command": "touch"}),
        **fields,
    )


async def test_approvals_are_found_by_what_is_open_of_them(shelf: Shelf) -> None:
    for uid in ("a", "b", "c"):
        await shelf.put(uid)
    ended = Resolution("accept", {"decision": "accept"}, "local", "answered", 9)
    shelf.log.append("a", (), (approval("1"), approval("2", state="answered", resolution=ended)))
    shelf.log.append("a", (), (approval("3", state="ended", resolution=ended), approval("4", "b")))
    shelf.log.append("c", (), (approval("5", "c", state="ended", resolution=ended),))
    await shelf.log.durable()
    assert ids(await shelf.log.approvals(None, None, 10, ended=False)) == ["4", "1"]
    assert ids(await shelf.log.approvals("a", None, 10, ended=False)) == ["1"]
    assert ids(await shelf.log.approvals("a", None, 10, ended=True)) == ["3", "2", "1"]
    assert ids(await shelf.log.approvals("a", "3", 1, ended=True)) == ["2"]
    assert ids(await shelf.log.open_approvals("a")) == ["1", "2"]
    assert sorted(ids(await shelf.log.unfinished())) == ["a", "b"]
    waiting = await shelf.log.conversations(ConversationFilter(waiting=True), None, 10)
    assert ids(waiting) == ["b", "a"]


async def test_an_approval_is_kept_whole(shelf: Shelf) -> None:
    decision = Decision("accept", {"decision": "accept"}, elevate=True)
    first = approval("1", decisions=[decision], default="decline", diff="+x", deadline_ms=7)
    shelf.log.append("a", (), (first,))
    first.state = "ended"
    first.resolution = Resolution(None, None, "client", "answered_elsewhere", 9)
    first.hidden = True
    shelf.log.append("a", (), (first,))
    shelf.reopen()
    assert await shelf.log.approval("1") == first
    assert await shelf.log.approval("2") is None


async def test_waiting_messages_come_in_their_places_order(shelf: Shelf) -> None:
    records = [
        submit("a last", place=3.0),
        submit("c first", place=-1.0, state="steering"),
        submit("b second", place=0.5, state="starting"),
        submit("sent", place=0.0, state="started"),
        submit("removed", place=0.0, state="removed"),
        submit("elsewhere", "b", place=0.0),
    ]
    shelf.log.append("a", (), records)
    await shelf.log.durable()
    assert ids(await shelf.log.waiting("a")) == ["c first", "b second", "a last"]


async def test_a_message_is_found_by_id_and_by_key_within_its_conversation(shelf: Shelf) -> None:
    first = submit("1", key="k", message=[{"type": "text", "text": "\u00e9"}], output_schema={})
    shelf.log.append("a", (), (first, submit("2", "b", key="k"), submit("3"), submit("4")))
    await shelf.log.durable()
    first.state, first.turn_id = "started", "t"
    shelf.log.append("a", (), (first,))
    shelf.reopen()
    assert await shelf.log.submit("1") == first == await shelf.log.submit_by_key("a", "k")
    other = await shelf.log.submit_by_key("b", "k")
    assert other is not None
    assert other.id == "2"
    assert await shelf.log.submit_by_key("a", "other") is None


async def test_an_answer_is_kept_whole(shelf: Shelf) -> None:
    kept = answer("k", 5, b"\x00\xff bytes")
    shelf.log.append(None, (), (kept,))
    await shelf.log.durable()
    assert await shelf.log.answer("POST /x", "k") == kept
    assert await shelf.log.answer("POST /y", "k") is None
    assert await shelf.log.answer("POST /x", "other") is None


async def test_old_keys_are_forgotten_and_the_messages_stay(shelf: Shelf) -> None:
    old, new = submit("1", key="old", created_ms=99), submit("2", key="new", created_ms=100)
    shelf.log.append("a", (), (old, new, answer("old", 99), answer("new", 100)))
    shelf.log.forget_keys(100)
    await shelf.log.durable()
    assert await shelf.log.submit_by_key("a", "old") is None
    assert await shelf.log.answer("POST /x", "old") is None
    assert await shelf.log.submit_by_key("a", "new") == new
    assert await shelf.log.answer("POST /x", "new") is not None
    assert await shelf.log.submit("1") is not None
    shelf.log.append("a", (), (submit("3", key="old"),))
    await shelf.log.durable()
    assert shelf.log.failure is None


# --- files that are not ours ---------------------------------------------------------------


async def test_a_log_of_another_home_is_refused_and_left_alone(tmp_path: Path) -> None:
    log = sqlite(tmp_path, lambda _: None)
    log.append(None, [note()])
    log.close()
    with pytest.raises(LogUnusable, match="belongs to the Codex home") as error:
        SqliteLog(tmp_path / "log.db", tmp_path / "other", lambda _: None).open()
    assert "--data-dir" in str(error.value.hint)
    again = sqlite(tmp_path, lambda _: None)
    assert again.last_position == 1
    again.close()


async def test_a_log_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    sqlite(tmp_path, lambda _: None).close()
    with sqlite3.connect(tmp_path / "log.db") as other:
        other.execute("PRAGMA user_version=99")
    other.close()
    with pytest.raises(LogUnusable, match="newer"):
        sqlite(tmp_path, lambda _: None)


async def test_a_database_of_another_program_is_refused_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs(x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(LogUnusable, match="not an event log"):
        sqlite(tmp_path, lambda _: None)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"this is a text file\n" * 500, b"SQLite format 3\0junk"])
async def test_a_file_that_is_not_sqlite_is_refused_unchanged(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(content)
    with pytest.raises(LogUnusable, match="can't be opened"):
        sqlite(tmp_path, lambda _: None)
    assert path.read_bytes() == content


async def test_a_path_that_can_not_be_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.db").mkdir()
    with pytest.raises(LogUnusable, match="can't be opened"):
        sqlite(tmp_path, lambda _: None)


async def test_the_file_is_private_and_says_whose_it_is(tmp_path: Path) -> None:
    sqlite(tmp_path, lambda _: None).close()
    path = tmp_path / "log.db"
    assert path.stat().st_mode & 0o777 == 0o600
    assert int.from_bytes(path.read_bytes()[68:72], "big") == APPLICATION_ID


# --- a full disk ---------------------------------------------------------------------------


class Disk:
    """A small disk of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def mount(self, options: str) -> subprocess.CompletedProcess[str]:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def grow(self) -> None:
        assert self.mount("remount,size=64m").returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    made.folder.mkdir()
    try:
        tried = made.mount("size=300k")
    except FileNotFoundError:
        pytest.skip("there is no mount command to make a small disk with")
    if tried.returncode:
        pytest.skip(f"a small disk can't be mounted: {tried.stderr.strip()}")
    yield made
    subprocess.run(["umount", "-l", str(made.folder)], check=True)


@pytest.fixture
async def full(make: Make, disk: Disk) -> AsyncIterator[Shelf]:
    """A log whose disk is full, with 60 events of 10 KB appended."""
    made = Shelf(make, disk.folder)
    await made.put("a")
    for number in range(60):
        made.log.append("a", [Draft("big", raw({"n": number, "x": "y" * 10_000}), number)])
    with pytest.raises(StorageFull):
        async with asyncio.timeout(PATIENCE):
            await made.log.durable()
    yield made
    made.log.close()


async def test_a_full_disk_is_said_and_shown_events_are_only_what_is_on_it(full: Shelf) -> None:
    assert full.log.failure is not None
    assert "full" in full.log.failure
    with pytest.raises(StorageFull, match="full"):
        await full.log.durable()
    assert full.log.head("a") == len(full.committed) < 60
    assert seqs(await full.log.read("a", 0, 999)) == seqs(full.committed)


async def test_when_there_is_space_again_all_that_was_appended_is_committed_in_order(
    full: Shelf, disk: Disk
) -> None:
    (last,) = full.log.append("a", [note()])
    disk.grow()
    await full.until(last.position)
    await full.log.durable()
    assert full.log.failure is None
    assert seqs(full.committed) == list(range(1, 62))
    full.reopen()
    assert seqs(await full.log.read("a", 0, 999)) == list(range(1, 62))


async def test_a_log_on_a_full_disk_closes_in_bounded_time_and_opens_again(
    full: Shelf, disk: Disk
) -> None:
    loop, shown = asyncio.get_running_loop(), len(full.committed)
    before = loop.time()
    full.log.close()
    assert loop.time() - before < 4
    disk.grow()
    full.reopen()
    assert full.log.head("a") >= shown


# --- kill -9 -------------------------------------------------------------------------------


def appended_until_killed(folder: Path, lines: int) -> list[tuple[int, int, str]]:
    """Run `tests.support.appender` and kill it in mid-append; what it said was committed."""
    command = [sys.executable, "-m", "tests.support.appender", str(folder)]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, env=dict(os.environ))
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(lines)]
    process.kill()
    said += process.stdout.readlines()
    process.stdout.close()
    assert process.wait(PATIENCE) == -9
    whole = (line.decode().split(maxsplit=2) for line in said if line.endswith(b"\n"))
    return [(int(position), int(seq), data.strip()) for position, seq, data in whole]


async def test_nothing_that_was_shown_is_lost_or_renumbered_by_ten_kills(tmp_path: Path) -> None:
    shown: dict[int, tuple[int, str]] = {}
    for _ in range(10):
        new = appended_until_killed(tmp_path, random.randint(1, 400))
        assert not shown.keys() & {position for position, _, _ in new}
        shown |= {position: (seq, data) for position, seq, data in new}
        log = sqlite(tmp_path, lambda _: None)
        kept = {e.position: (e.seq, bytes(e.data).decode()) for e in await log.read_all(0, 10**9)}
        log.close()
        assert shown.items() <= kept.items()
        assert list(kept) == sorted(kept)
        with sqlite3.connect(tmp_path / "log.db") as file:
            assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        file.close()
    assert len(shown) > 10
