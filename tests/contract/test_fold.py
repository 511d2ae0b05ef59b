"""The fold: what goes, what stays, and that nothing is missing afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from codex_http_server.eventlog.base import OutputPage
from codex_http_server.eventlog.fold import CHUNK, chunks, fold_all
from codex_http_server.eventlog.sqlite import SqliteLog
from codex_http_server.events import Draft, Event, raw
from codex_http_server.records import ConversationRecord
from tests.support.oldlog import before_the_ledger


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    opened = make(tmp_path)
    yield opened
    opened.close()


def make(folder: Path) -> SqliteLog:
    log = SqliteLog(folder / "log.db", Path("/home"), lambda _: None)
    log.open()
    record = ConversationRecord(id="a", thread_id="t", working_directory="/")
    log.append("a", (), (record,))
    return log


def started(kind: str, item: str = "i") -> Draft:
    data = raw({"item": {"id": item, "type": kind}})
    return Draft("item/started", data, 1, "turn", item, kind)


def delta(kind: str, text: str, item: str = "i", **more: Any) -> Draft:
    return Draft(kind, raw({"delta": text} | more), 1, "turn", item, text=text)


def ended(kind: str, item: str = "i", /, **form: Any) -> Draft:
    data = raw({"item": {"id": item, "type": kind} | form})
    return Draft("item/completed", data, 1, "turn", item, kind, status="completed")


async def output(log: SqliteLog, offset: int, limit: int) -> OutputPage:
    page = await log.output("a", "turn", "i", offset, limit)
    assert page is not None
    return page


MESSAGE = "item/agentMessage/delta"
OUTPUT = "item/commandExecution/outputDelta"
SUMMARY = "item/reasoning/summaryTextDelta"
CONTENT = "item/reasoning/textDelta"


async def play(log: SqliteLog, *drafts: Draft) -> list[Event]:
    log.append("a", drafts)
    await log.durable()
    return await log.read("a", 0, 999)


async def test_a_message_stands_for_its_deltas(log: SqliteLog) -> None:
    kept = await play(
        log,
        started("agentMessage"),
        *[delta(MESSAGE, word) for word in ("Hel", "lo", " \U0001f600")],
        ended("agentMessage", text="Hello \U0001f600"),
    )
    assert [event.type for event in kept] == ["item/started", "item/completed"]
    assert [event.seq for event in kept] == [1, 5]
    assert kept[-1].folded == 3
    assert b'"folded":3' in kept[-1].json()


async def test_deltas_that_say_something_else_stay(log: SqliteLog) -> None:
    kept = await play(
        log, started("agentMessage"), delta(MESSAGE, "Hello"), ended("agentMessage", text="Hullo")
    )
    assert [event.type for event in kept] == ["item/started", MESSAGE, "item/completed"]
    assert kept[-1].folded is None


async def test_only_the_deltas_of_that_item_go(log: SqliteLog) -> None:
    kept = await play(
        log,
        started("agentMessage", "one"),
        started("agentMessage", "two"),
        delta(MESSAGE, "A", "one"),
        delta(MESSAGE, "B", "two"),
        ended("agentMessage", "one", text="A"),
    )
    assert [(event.type, event.item_id) for event in kept][2:] == [
        (MESSAGE, "two"),
        ("item/completed", "one"),
    ]


async def test_reasoning_folds_by_its_parts(log: SqliteLog) -> None:
    deltas = [
        delta(SUMMARY, "one ", summaryIndex=0),
        delta(SUMMARY, "two", summaryIndex=1),
        delta(SUMMARY, "more", summaryIndex=1),
        delta(CONTENT, "raw", contentIndex=0),
    ]
    form = {"summary": ["one ", "twomore"], "content": ["raw"]}
    kept = await play(log, started("reasoning"), *deltas, ended("reasoning", **form))
    assert kept[-1].folded == 4
    other = {"summary": ["one two", "more"], "content": ["raw"]}
    kept = await play(log, started("reasoning"), *deltas, ended("reasoning", **other))
    assert kept[-1].folded is None
    assert len(kept) == 2 + 2 + 4


async def test_a_fold_works_over_several_commits(log: SqliteLog) -> None:
    await play(log, started("agentMessage"))
    await play(log, delta(MESSAGE, "Hel"))
    await play(log, delta(MESSAGE, "lo"))
    kept = await play(log, ended("agentMessage", text="Hello"))
    assert [event.seq for event in kept] == [1, 4]
    assert kept[-1].folded == 2


async def test_an_item_that_broke_off_folds_too(log: SqliteLog) -> None:
    broken = ended("agentMessage", text="Hel")
    broken.type = "item/discarded"
    kept = await play(log, started("agentMessage"), delta(MESSAGE, "Hel"), broken)
    assert [event.type for event in kept] == ["item/started", "item/discarded"]


async def test_a_commands_output_is_kept_in_chunks(log: SqliteLog) -> None:
    text = "".join(f"line {n}\n" for n in range(30_000))
    pieces = [text[at : at + 5000] for at in range(0, len(text), 5000)]
    kept = await play(
        log,
        started("commandExecution"),
        *[delta(OUTPUT, piece) for piece in pieces],
        ended("commandExecution", aggregatedOutput="cut"),
    )
    assert kept[-1].folded == len(pieces)
    got, offset = "", 0
    while (page := await output(log, offset, 100_000)).text:
        got += page.text
        offset = page.next_offset
    assert got == text
    assert (await output(log, 0, 10)).size == len(text)


async def test_the_output_of_a_command_that_still_runs_can_be_read(log: SqliteLog) -> None:
    await play(log, started("commandExecution"), delta(OUTPUT, "one "), delta(OUTPUT, "two"))
    page = await output(log, 2, 100)
    assert (page.text, page.next_offset, page.size, page.ended) == ("e two", 7, 7, False)


async def test_a_fast_commands_output_comes_from_its_item(log: SqliteLog) -> None:
    await play(log, started("commandExecution"), ended("commandExecution", aggregatedOutput="all"))
    page = await output(log, 0, 100)
    assert (page.text, page.size, page.ended) == ("all", 3, True)


@pytest.mark.parametrize(
    ("size", "keep", "expected"),
    [(0, 10, []), (5, 10, [(0, 5)]), (30, 10, [(0, 5), (25, 5)])],
)
def test_chunks_keep_head_and_tail(size: int, keep: int, expected: list[tuple[int, int]]) -> None:
    found = chunks("x" * size, keep)
    assert [(offset, len(text)) for offset, text in found] == expected


def test_chunks_are_bounded() -> None:
    found = chunks("y" * (CHUNK * 2 + 1), CHUNK * 10)
    assert [(offset, len(text)) for offset, text in found] == [
        (0, CHUNK),
        (CHUNK, CHUNK),
        (CHUNK * 2, 1),
    ]


async def test_a_log_from_before_the_fold_is_folded_when_it_is_opened(tmp_path: Path) -> None:
    log = make(tmp_path)
    await play(log, started("agentMessage"), delta(MESSAGE, "Hel"), delta(MESSAGE, "lo"))
    log.close()
    old = sqlite3.connect(tmp_path / "log.db")
    old.execute(
        "INSERT INTO event(position, conv, seq, at_ms, type, turn, item, item_type, core, data)"
        " VALUES (900, 1, 900, 1, 'item/completed', 'turn', 'i', 'agentMessage', '',"
        """ '{"item":{"text":"Hello"}}')"""
    )
    old.execute("UPDATE conversation SET last_seq = 900, reserved = 900")
    before_the_ledger(old)
    old.execute("DROP TABLE output")
    old.execute("ALTER TABLE event DROP COLUMN folded")
    old.execute("PRAGMA user_version=1")
    old.commit()
    old.close()
    again = make(tmp_path)
    kept = await again.read("a", 0, 99)
    assert [(event.seq, event.folded) for event in kept] == [(1, None), (900, 2)]
    again.close()
    assert fold_all.__doc__
