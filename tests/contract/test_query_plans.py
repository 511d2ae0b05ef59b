"""No query may walk the whole log: its cost would grow with everything that ever happened."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codex_http_server.db import READERS
from codex_http_server.eventlog.base import ConversationFilter, SearchFilter, Span
from codex_http_server.eventlog.search.query import Word
from codex_http_server.eventlog.sqlite import SqliteLog
from codex_http_server.events import Draft, raw
from codex_http_server.records import ConversationRecord

PATIENCE = 10.0  # seconds
CALLS: list[Callable[[SqliteLog], Any]] = [
    lambda log: log.read("a", 0, 10),
    lambda log: log.read_all(0, 10),
    lambda log: log.snapshot("a", 9, 10, ("t",)),
    lambda log: log.items("a", Span(before=9), 10),
    lambda log: log.items("a", Span(after=9), 10),
    lambda log: log.items("a", Span(), 10, "t"),
    lambda log: log.turns("a", Span(before=9), 10, 100),
    lambda log: log.turns("a", Span(after=0), 10, 100),
    lambda log: log.turn("a", "t", 100),
    lambda log: log.last_diff("a", None),
    lambda log: log.turn_events("a", "t"),
    lambda log: log.turn_ids("a"),
    lambda log: log.submits_of("a", ("t", "u")),
    lambda log: log.output("a", "t", "i", 0, 10),
    lambda log: log.conversation("a"),
    lambda log: log.conversations(ConversationFilter(), "zzz", 10),
    lambda log: log.waiting("a"),
    lambda log: log.known_threads(("t", "u")),
    lambda log: log.forks("a"),
    lambda log: log.submit("s"),
    lambda log: log.submit_by_key("a", "k"),
    lambda log: log.answer("s", "k"),
    lambda log: log.last_usage("a"),
    lambda log: log.spent("a"),
    lambda log: log.ledger("a", "t", 10),
    lambda log: log.approvals(None, "zzz", 10, ended=False),
    lambda log: log.approvals("a", None, 10, ended=True),
    lambda log: log.open_approvals("a"),
    lambda log: log.approval("x"),
    lambda log: log.unfinished(),
    lambda log: log.conversations(ConversationFilter(waiting=True), None, 10),
    lambda log: log.search(SearchFilter((Word("x", False),), ("title", "answer")), None, 10),
    lambda log: log.search(
        SearchFilter((Word("x", False),), ("answer",), ("a", "b"), "/", False), 9, 10
    ),
]
OPEN = "INDEX approval_open"  # holds only those that have not ended


async def in_every_reader(log: SqliteLog, work: Callable[[sqlite3.Connection], None]) -> None:
    """Run `work` in each reader thread: each has its own connection."""
    all_there = threading.Barrier(READERS)

    def run(connection: sqlite3.Connection) -> None:
        all_there.wait(PATIENCE)
        work(connection)

    await asyncio.gather(*(log._db.read(run) for _ in range(READERS)))  # no port shows this


async def statements(log: SqliteLog, call: Callable[[SqliteLog], Any]) -> list[str]:
    """What SQLite is asked, with its values, while `call` runs."""
    seen: list[str] = []
    await in_every_reader(log, lambda connection: connection.set_trace_callback(seen.append))
    await call(log)
    await in_every_reader(log, lambda connection: connection.set_trace_callback(None))
    return [text for text in seen if text.startswith("SELECT")]


@pytest.mark.parametrize("call", CALLS)
async def test_a_query_uses_an_index(tmp_path: Path, call: Callable[[SqliteLog], Any]) -> None:
    log = SqliteLog(tmp_path / "log.db", Path("/home"), lambda _: None)
    log.open()
    record = ConversationRecord(id="a", thread_id="t", working_directory="/")
    log.append("a", [Draft("turn/started", raw({}), 1, "t")], (record,))
    await log.durable()
    asked = await statements(log, call)
    log.close()
    assert asked
    look = sqlite3.connect(tmp_path / "log.db")
    for statement in asked:
        plan = [row[3] for row in look.execute(f"EXPLAIN QUERY PLAN {statement}")]
        assert not [step for step in plan if step.startswith("SCAN event")], (statement, plan)
        if "turn = 't'" in statement and "FROM event" in statement and "item = " not in statement:
            assert "INDEX event_turn" in " ".join(plan), (statement, plan)
        if "WHERE thread_id" in statement:
            assert "conversation_thread" in " ".join(plan), (statement, plan)
        assert not [
            step
            for step in plan
            if step.startswith(("SCAN submit", "SCAN turn", "SCAN approval"))
            and OPEN not in step
            and "submit_waiting" not in step
        ], (statement, plan)
    look.close()


async def test_the_fold_uses_indexes(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.db", Path("/home"), lambda _: None)
    log.open()
    log.close()
    look = sqlite3.connect(tmp_path / "log.db")
    seen: list[str] = []
    look.set_trace_callback(seen.append)
    from codex_http_server.eventlog.fold import End, fold, mark  # noqa: PLC0415

    look.execute(
        "INSERT INTO event(position, conv, seq, at_ms, type, turn, item, item_type, core, mark,"
        " data) VALUES (1, 1, 1, 1, 'item/started', 't', 'i', 'agentMessage', '', 1, '{}'),"
        " (2, 1, 2, 1, 'item/agentMessage/delta', 't', 'i', null, '', null, '{\"delta\":\"x\"}')"
    )
    assert fold(look, End(1, 3, "t", "i", "agentMessage", b'{"item":{"text":"x"}}')) == 1
    mark(look, 1, 3, 1)
    look.set_trace_callback(None)
    for statement in [text for text in seen if text.startswith(("SELECT", "DELETE", "UPDATE"))]:
        plan = [row[3] for row in look.execute(f"EXPLAIN QUERY PLAN {statement}")]
        assert not [step for step in plan if step.startswith("SCAN")], (statement, plan)
    look.close()
