"""Deltas committed on the event loop, and checkpoints beside the commits."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from codex_http_server import checkpoints, db
from codex_http_server.eventlog import batch, sqlite
from codex_http_server.eventlog.sqlite import SqliteLog
from codex_http_server.events import Draft, Event, raw
from codex_http_server.records import ConversationRecord

PATIENCE = 10.0  # seconds


def delta(text: str = "x") -> Draft:
    return Draft("item/agentMessage/delta", raw({"delta": text}), 1, "t", "i", text=text)


async def turn() -> None:
    """Two turns of the loop."""
    loop = asyncio.get_running_loop()
    turned: asyncio.Future[None] = loop.create_future()
    loop.call_soon(lambda: loop.call_soon(turned.set_result, None))
    await turned


class Shelf:
    """A log, what it has shown, and in which thread the last commit ran."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown: list[Event] = []
        self.by: list[str] = []
        self._grew = asyncio.Event()
        apply = sqlite.apply

        def noted(*given: object) -> None:
            self.by.append(threading.current_thread().name)
            apply(*given)  # pyright: ignore[reportArgumentType]

        monkeypatch.setattr(sqlite, "apply", noted)
        self.log = SqliteLog(folder / "log.db", folder, self._committed)
        self.log.open()

    def _committed(self, events: list[Event]) -> None:
        self.shown += events
        self._grew.set()

    async def show(self, *drafts: Draft) -> None:
        """Append and wait until that is shown, without asking for the disk."""
        last = self.log.append("a", drafts)[-1]
        async with asyncio.timeout(PATIENCE):
            while self.log.last_position < last.position:
                self._grew.clear()
                await self._grew.wait()


@pytest.fixture
async def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shelf]:
    made = Shelf(tmp_path, monkeypatch)
    made.log.append("a", (), (ConversationRecord(id="a", thread_id="t", working_directory="/"),))
    made.log.append("a", [delta()])  # reserves numbers, which is synced
    await made.log.durable()
    made.by.clear()
    yield made
    made.log.close()


async def test_a_few_deltas_are_committed_on_the_loop_and_all_else_by_the_writer(
    shelf: Shelf,
) -> None:
    await shelf.show(delta())
    await shelf.show(*[delta()] * batch.FEW)
    assert set(shelf.by) == {"MainThread"}
    shelf.by.clear()
    await shelf.show(*[delta()] * (batch.FEW + 1))
    await shelf.show(delta(), Draft("turn/started", raw({}), 1, "t"))
    await shelf.log.durable()
    assert set(shelf.by) == {"log-writer"}


async def test_the_two_ways_keep_the_order(shelf: Shelf) -> None:
    for number in range(300):
        shelf.log.append("a", [delta()] * (1 + 70 * (number % 7 == 0)))
        if number % 5 == 0:
            shelf.log.append("a", [Draft("turn/started", raw({}), 1, "t")])
        if number % 3 == 0:
            await shelf.show(delta())
    await shelf.log.durable()
    assert {"MainThread", "log-writer"} == set(shelf.by)
    assert [e.position for e in shelf.shown] == list(range(1, len(shelf.shown) + 1))
    assert [e.seq for e in await shelf.log.read("a", 0, 99_999)] == [e.seq for e in shelf.shown]


async def test_after_many_events_at_once_the_next_ones_are_gathered(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "GATHER", 0.2)
    await shelf.show(*[delta()] * sqlite.BURST)
    shelf.by.clear()
    for _ in range(20):
        shelf.log.append("a", [delta()])
        await turn()
    assert shelf.by == []
    await shelf.show(delta())
    assert len(shelf.by) == 1


async def test_while_another_process_writes_the_loop_goes_on_and_the_writer_waits(
    shelf: Shelf, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    loop = asyncio.get_running_loop()
    shelf.log.append("a", [delta()])
    before = loop.time()
    await turn()  # behind the commit
    assert loop.time() - before < db.BUSY / 5
    assert len(shelf.shown) == 1
    other.execute("ROLLBACK")
    other.close()
    await shelf.show(delta())
    assert [event.seq for event in shelf.shown] == [1, 2, 3]


async def test_numbers_go_on_behind_deltas_that_no_synced_commit_followed(
    shelf: Shelf, tmp_path: Path
) -> None:
    await shelf.show(*[delta()] * 5)
    copy = sqlite3.connect(tmp_path / "copy.db")  # as a kill would leave it
    look = sqlite3.connect(tmp_path / "log.db")
    look.backup(copy)
    copy.close()
    look.close()
    again = SqliteLog(tmp_path / "copy.db", tmp_path, lambda _: None)
    again.open()
    assert (again.head("a"), again.last_position) == (6, 6)
    (event,) = again.append("a", [delta()])
    assert event.seq > 6
    again.close()


async def test_a_writer_that_never_rests_moves_the_rest_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "PAUSE", 0.01)
    monkeypatch.setattr(checkpoints, "LIMIT", 20)
    shelf = Shelf(tmp_path, monkeypatch)
    await shelf.show(delta())
    shelf.by.clear()
    async with asyncio.timeout(PATIENCE):
        while "log-writer" not in shelf.by:  # deltas only: the loop's, but for this
            await shelf.show(delta("y" * 5000))
    kept = len(await shelf.log.read("a", 0, 99_999))
    assert kept == len(shelf.shown)
    shelf.log.close()
    assert not (tmp_path / "log.db-wal").exists()


async def test_what_was_committed_reaches_the_database_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "PAUSE", 0.01)
    moved = threading.Event()
    run = checkpoints.Checkpoints._checkpoint

    def noted(self: checkpoints.Checkpoints, connection: sqlite3.Connection) -> int:
        found = run(self, connection)
        moved.set()
        return found

    monkeypatch.setattr(checkpoints.Checkpoints, "_checkpoint", noted)
    shelf = Shelf(tmp_path, monkeypatch)
    await shelf.show(*[delta()] * 3)
    assert await asyncio.to_thread(moved.wait, PATIENCE)
    shelf.log.close()
