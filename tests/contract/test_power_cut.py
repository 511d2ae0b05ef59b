"""What a power cut can take: deltas that were not synced yet, and never a number twice.

The cut is played by keeping of the log's files only what had been synced.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from codex_http_server import checkpoints
from codex_http_server.eventlog.sqlite import SqliteLog
from codex_http_server.events import Draft, Event, raw
from codex_http_server.records import ConversationRecord

PATIENCE = 10.0


@pytest.fixture(autouse=True)
def no_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not synced stays in the write-ahead file, however slow the test runs."""
    monkeypatch.setattr(checkpoints, "PAUSE", 1000.0)


def delta(text: str) -> Draft:
    return Draft("item/agentMessage/delta", raw({"delta": text}), 1, "t", "i", text=text)


class Shelf:
    """A log that tells what it has shown."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.shown: list[Event] = []
        self._grew = asyncio.Event()
        self.folder = folder
        self.log = SqliteLog(folder / "log.db", Path("/home"), self._on_commit)
        self.log.open()

    def _on_commit(self, events: list[Event]) -> None:
        self.shown += events
        self._grew.set()

    async def show(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(self.shown) < count:
                self._grew.clear()
                await self._grew.wait()

    def cut(self, synced: int, target: Path) -> None:
        """Copy the files as they would be after a power cut."""
        target.mkdir()
        shutil.copy(self.folder / "log.db", target / "log.db")
        wal = (self.folder / "log.db-wal").read_bytes()[:synced]
        (target / "log.db-wal").write_bytes(wal)

    def wal_size(self) -> int:
        return (self.folder / "log.db-wal").stat().st_size


async def test_only_unsynced_deltas_are_lost_and_no_number_comes_twice(tmp_path: Path) -> None:
    before = Shelf(tmp_path / "before")
    record = ConversationRecord(id="a", thread_id="t", working_directory="/")
    before.log.append("a", [Draft("turn/started", raw({}), 1, "t")], (record,))
    await before.log.durable()
    synced = before.wal_size()
    before.log.append("a", [delta("lost "), delta("too")])
    await before.show(3)
    assert before.wal_size() > synced, "the deltas were committed, in a transaction of their own"
    before.cut(synced, tmp_path / "after")
    shown = {(event.seq, event.position) for event in before.shown}
    before.log.close()

    after = Shelf(tmp_path / "after")
    kept = await after.log.read("a", 0, 99)
    assert [event.type for event in kept] == ["turn/started"]
    fresh = after.log.append("a", [delta("new")])[0]
    assert fresh.seq > max(seq for seq, _ in shown)
    assert fresh.position > max(position for _, position in shown)
    await after.log.durable()
    after.log.close()


async def test_an_orderly_end_leaves_no_hole(tmp_path: Path) -> None:
    first = Shelf(tmp_path / "log")
    record = ConversationRecord(id="a", thread_id="t", working_directory="/")
    first.log.append("a", [delta("one")], (record,))
    first.log.close()
    second = Shelf(tmp_path / "log")
    assert second.log.append("a", [delta("two")])[0].seq == 2
    second.log.close()
