"""The ledger: a row for each turn that has ended, in the commit of its end; also of old logs."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from codex_http_server.eventlog.base import LedgerSums
from codex_http_server.eventlog.sqlite import SqliteLog
from codex_http_server.events import Draft, Event
from codex_http_server.records import (
    ConversationRecord,
    Spent,
    SubmitRecord,
    SubmitState,
    Tokens,
    TurnRecord,
)
from tests.support.drafts import NOW, said, turn_completed, turn_started
from tests.support.oldlog import before_the_ledger

MINUTE = 60_000


def make(folder: Path, committed: list[Event] | None = None) -> SqliteLog:
    log = SqliteLog(folder / "log.db", folder, ([] if committed is None else committed).extend)
    log.open()
    return log


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    made = make(tmp_path)
    yield made
    made.close()


def row(turn: str, conversation: str = "a", **fields: object) -> TurnRecord:
    given: dict[str, object] = {
        "conversation_id": conversation,
        "turn_id": turn,
        "thread_id": "thread",
        "caller": "local",
        "status": "completed",
        "started_ms": NOW,
        "ended_ms": NOW + MINUTE,
        "tokens": Tokens(10, 4, 1, 5, 2, 15),
        "usage": "reported",
        "thread_total": Tokens(total=99),
    }
    return TurnRecord(**(given | fields))  # type: ignore[arg-type] # a mapping has no types


def conversation(uid: str) -> ConversationRecord:
    return ConversationRecord(id=uid, thread_id=f"thread-{uid}", working_directory="/")


async def put(log: SqliteLog, *records: TurnRecord) -> None:
    for record in records:
        log.append(record.conversation_id, (), (record,))
    await log.durable()


async def test_rows_come_back_newest_first_and_by_pages(log: SqliteLog) -> None:
    rows = [row(f"t{number}") for number in range(5)]
    await put(log, *rows, row("t9", "b"))
    assert await log.ledger("a", None, 9) == rows[::-1]
    assert await log.ledger("a", "t3", 2) == [rows[2], rows[1]]
    assert await log.ledger("c", None, 9) == []


async def test_a_row_that_is_written_again_takes_the_place_of_the_first(log: SqliteLog) -> None:
    await put(log, row("t"), row("t", tokens=Tokens(total=7), usage="late"))
    (found,) = await log.ledger("a", None, 9)
    assert (found.tokens.total, found.usage) == (7, "late")
    assert (await log.spent("a")).turns == 1


async def test_sums_are_by_conversation_and_by_caller_since_a_moment(log: SqliteLog) -> None:
    early = row("t1", ended_ms=NOW - 1, started_ms=NOW - 1)
    await put(log, early, row("t2"), row("t3", "b", caller="token:app"))
    one = row("t2").spent
    assert await log.spent("a") == early.spent + one
    assert await log.spent("nobody") == Spent()
    total = early.spent + one + one
    assert await log.ledger_sums(NOW) == LedgerSums(total, {"local": one, "token:app": one})
    assert await log.ledger_sums(NOW + 2 * MINUTE) == LedgerSums(total, {})


async def test_an_empty_ledger_has_sums(log: SqliteLog) -> None:
    assert await log.ledger_sums(0) == LedgerSums(Spent(), {})
    assert await log.costliest(5) == []


async def test_the_costliest_come_first(log: SqliteLog) -> None:
    much = row("t", "b", tokens=Tokens(total=100), ended_ms=NOW + 5)
    await put(log, row("t1"), row("t2"), much)
    found = await log.costliest(2)
    assert [(c.conversation_id, c.spent.tokens.total) for c in found] == [("b", 100), ("a", 30)]
    assert found[0].ended_ms == NOW + 5
    assert len(await log.costliest(1)) == 1


async def test_a_row_is_in_the_commit_of_its_turns_end(tmp_path: Path) -> None:
    """Whoever sees the end can look up what it cost."""
    at_commit: list[int] = []
    look = sqlite3.connect(tmp_path / "log.db")

    def committed(events: list[Event]) -> None:
        if any(event.type == "turn/completed" for event in events):
            at_commit.append(look.execute("SELECT count(*) FROM turn").fetchone()[0])

    log = SqliteLog(tmp_path / "log.db", tmp_path, committed)
    log.open()
    log.append("a", [turn_started("t")], (conversation("a"),))
    log.append("a", [turn_completed("t")], (row("t"),))
    await log.durable()
    log.close()
    look.close()
    assert at_commit == [1]


async def test_the_newest_token_report_is_found(log: SqliteLog) -> None:
    assert await log.last_usage("a") is None
    reports = [report(10, "t"), report(30, "t")]
    log.append("a", [*reports, turn_completed("t")], (conversation("a"),))
    await log.durable()
    found = await log.last_usage("a")
    assert found is not None
    assert bytes(found.data) == bytes(reports[1].data)


# --- logs from before the ledger ------------------------------------------------------------


def report(total: int, turn: str) -> Draft:
    usage = {"total": {"totalTokens": total, "inputTokens": total}}
    return said("thread/tokenUsage/updated", {"turnId": turn, "tokenUsage": usage})


def message(uid: str, turn: str, caller: str, state: SubmitState = "started") -> SubmitRecord:
    return SubmitRecord(
        id=f"{turn}-{caller}",
        conversation_id=uid,
        key=None,
        body_hash="",
        caller=caller,
        state=state,
        turn_id=turn,
        message=[],
        created_ms=NOW,
    )


async def write_old(folder: Path) -> None:
    """A log as a server without a ledger left it: two conversations, one with an open turn."""
    log = make(folder)
    first = [turn_started("t1"), report(10, "t1"), report(25, "t1"), turn_completed("t1")]
    second = [turn_started("t2"), report(25, "t2"), turn_completed("t2", "failed", NOW + MINUTE)]
    senders = (message("a", "t1", "token:x"), message("a", "t1", "token:y", "steered"))
    log.append("a", [*first, *second], (conversation("a"), *senders))
    log.append("b", [turn_started("u1"), report(7, "u1")], (conversation("b"),))
    await log.durable()
    log.close()
    old = sqlite3.connect(folder / "log.db")
    before_the_ledger(old)
    old.commit()
    old.close()


async def test_the_ledger_of_an_old_log_is_made_of_its_events(tmp_path: Path) -> None:
    await write_old(tmp_path)
    log = make(tmp_path)
    found = await log.ledger("a", None, 9)
    assert [(r.turn_id, r.caller, r.status, r.tokens.total, r.usage) for r in found] == [
        ("t2", "core", "failed", 0, "none"),
        ("t1", "token:x", "completed", 25, "reported"),
    ]
    assert found[0].spent.ms == MINUTE
    assert found[0].thread_total.total == 25
    assert await log.ledger("b", None, 9) == []  # its turn is open
    assert len(await log.read("a", 0, 99)) == 7  # the events are as they were
    log.close()


async def test_a_ledger_is_made_once(tmp_path: Path) -> None:
    await write_old(tmp_path)
    make(tmp_path).close()
    log = make(tmp_path)
    await put(log, row("t1", tokens=Tokens(total=1)))
    log.close()
    again = make(tmp_path)
    assert [r.tokens.total for r in await again.ledger("a", None, 9)] == [0, 1]
    again.close()
