"""The event log in one SQLite file.

Owns numbering (in memory, on the event loop) and what is committed; `db.py` owns the file and
the threads, `batch.py` what one commit writes, `queries.py` the reading. An event is in
`on_commit` only once it is on disk.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from codex_http_server.clock import new_id
from codex_http_server.db import MEND, Database, Migration
from codex_http_server.errors import LogUnusable, StorageFull
from codex_http_server.eventlog import rows
from codex_http_server.eventlog.batch import Batch, apply
from codex_http_server.eventlog.erase import erase
from codex_http_server.eventlog.fold import fold_all
from codex_http_server.eventlog.ledger import write_ledger
from codex_http_server.eventlog.queries import Queries
from codex_http_server.eventlog.search import index
from codex_http_server.eventlog.search.steps import Steps
from codex_http_server.events import Draft, Event
from codex_http_server.logs import get_logger
from codex_http_server.records import (
    AnswerRecord,
    ApprovalRecord,
    ConversationRecord,
    Record,
    RevertRecord,
    SubmitRecord,
    TurnRecord,
)

log = get_logger(__name__)

OVERHEAD: Final = 400  # bytes that an event costs beside its data, roughly
BLOCK: Final = 10_000  # numbers reserved at once
RESERVE_POSITION: Final = "INSERT OR REPLACE INTO meta VALUES ('reserved_position', ?)"
RESERVE_SEQ: Final = "UPDATE conversation SET reserved = ? WHERE num = ?"
# `last_seq` is written with synced commits only; behind it there can be deltas.
NUMBERS: Final = """
SELECT num, id, reserved, CASE WHEN reserved <= last_seq THEN last_seq ELSE
  max(last_seq, coalesce((SELECT max(seq) FROM event WHERE conv = num), 0)) END
FROM conversation"""
BURST: Final = 4  # events in a batch that show a burst: the next batch gathers for a while
GATHER: Final = 0.001  # seconds
CLEANING: Final = 10.0  # seconds for what was deleted to leave the search index
TAG_LENGTH: Final = 8  # characters of the log's id in a position


class SqliteLog(Queries):
    """An `EventLog`. `open` before use, `close` at the end."""

    def __init__(
        self,
        path: Path,
        home: Path,
        on_commit: Callable[[list[Event]], None],
        backlog: int = 64 * 1024 * 1024,
    ) -> None:
        self._home = home
        self._backlog_limit = backlog
        self._backlog = 0  # bytes of what was appended and is not on disk yet
        self._path = path
        self._on_commit = on_commit
        self._db = Database[Batch](
            path, _migrations(), apply, self._committed, lambda batch: batch.must_sync
        )
        self._nums: dict[str, int] = {}
        self._appended: dict[int, int] = {}
        self._reserved: dict[int, int] = {}
        self._reserved_position = 0
        # What a crash left in doubt: the next number goes behind it, and nobody is shown it.
        self._doubtful: dict[int, int] = {}
        self._doubtful_position = 0
        self._heads: dict[int, int] = {}
        self._erased: set[int] = set()
        self._next_num = 1
        self._position = 0
        self._committed_position = 0
        self._pending: Batch | None = None
        self._writing = False
        self._gathering = False  # in a burst the pending batch waits for more
        self._burst_until = 0.0
        self._closed = False
        self._steps = Steps(self._step)
        self._searching = asyncio.Lock()
        self.core_version = ""
        self.log_id = ""
        self.log_tag = ""

    def open(self) -> None:
        """Open the file and read where the numbering stands. Raises `LogUnusable`."""
        connection = self._db.open()
        try:
            self._load(connection)
            self._steps.note()
        except BaseException as error:
            self._closed = True  # nothing is ours here, so nothing is given back
            self._db.close()
            if isinstance(error, sqlite3.Error):
                raise LogUnusable(f"{self._path} can't be read: {error}.", hint=MEND) from error
            raise

    def _load(self, connection: sqlite3.Connection) -> None:
        meta = dict(connection.execute("SELECT name, value FROM meta"))
        if not meta:
            meta = {"log_id": new_id(), "home": str(self._home)}
            connection.executemany("INSERT INTO meta VALUES (?,?)", list(meta.items()))
        if meta["home"] != str(self._home):
            raise LogUnusable(
                f"{self._path} belongs to the Codex home {meta['home']}, not to {self._home}.",
                hint="Choose another --data-dir, or the home it belongs to.",
            )
        self.log_id = meta["log_id"]
        self.log_tag = self.log_id.replace("-", "")[-TAG_LENGTH:]
        for num, uid, reserved, last in connection.execute(NUMBERS):
            self._nums[uid] = num
            self._heads[num] = self._appended[num] = last
            self._reserved[num] = max(last, reserved)
            if reserved > last:
                self._doubtful[num] = reserved
        for num, uid in connection.execute("SELECT num, id FROM deleted"):
            self._nums[uid] = num
            self._erased.add(num)
        self._next_num = max(self._nums.values(), default=0) + 1
        (last_position,) = connection.execute("SELECT max(position) FROM event").fetchone()
        self._committed_position = self._position = last_position or 0
        reserved = int(meta.get("reserved_position", 0))
        self._doubtful_position = self._reserved_position = max(self._position, reserved)

    def close(self) -> None:
        """Commit what is waiting and close. May be called twice; afterwards nothing is kept."""
        if not self._closed:
            self._closed = True
            self._steps.close()
            self._db.write(self._give_back(self._pending or Batch()))
            self._pending = None
        self._db.close()

    def _give_back(self, batch: Batch) -> Batch:
        """At an orderly end no number of this life is in doubt: they go on without a hole."""
        position = max(self._position, self._doubtful_position)
        batch.records.append((RESERVE_POSITION, (str(position),)))
        batch.records += [
            (RESERVE_SEQ, (self._appended[num], num))
            for num, reserved in self._reserved.items()
            if reserved > self._appended[num] and num not in self._doubtful
        ]
        return batch

    @property
    def failure(self) -> str | None:
        return self._db.failure or self._db.damage

    @property
    def is_full(self) -> bool:
        return self._backlog > self._backlog_limit

    @property
    def appended_position(self) -> int:
        return self._position

    @property
    def last_position(self) -> int:
        return self._committed_position

    def head(self, conversation_id: str) -> int:
        return self._heads.get(self._nums.get(conversation_id, 0), 0)

    def last_appended(self, conversation_id: str) -> int:
        return self._appended.get(self._nums.get(conversation_id, 0), 0)

    # --- appending ----------------------------------------------------------------------

    def append(
        self,
        conversation_id: str | None,
        drafts: Sequence[Draft],
        records: Sequence[Record] = (),
    ) -> list[Event]:
        conv, batch = self._num(conversation_id), self._gather()
        if conv in self._erased:
            return []
        events = [self._number(draft, conversation_id, conv) for draft in drafts]
        batch.events += events
        batch.convs += [conv] * len(events)
        for record in records:
            batch.records += self._rows(record)
        if events and conv:
            batch.heads[conv] = events[-1].seq
        if records or not all(map(rows.is_delta, drafts)):
            self._steps.note()
        batch.sync = batch.sync or not all(map(rows.is_delta, drafts))
        size = sum(len(event.data) + OVERHEAD for event in events)
        batch.size += size
        self._backlog += size
        self._reserve(batch, conv)
        return events

    def _reserve(self, batch: Batch, conv: int) -> None:
        """Set aside the next block of numbers in the same, synced commit. After a power cut
        numbering goes on behind the block, so that no number that was shown comes again."""
        if self._position > self._reserved_position:
            self._reserved_position = self._position + BLOCK
            batch.records.append((RESERVE_POSITION, (str(self._reserved_position),)))
        if conv and self._appended[conv] > self._reserved[conv]:
            self._reserved[conv] = self._appended[conv] + BLOCK
            batch.records.append((RESERVE_SEQ, (self._reserved[conv], conv)))

    def _gather(self) -> Batch:
        """The batch that the next commit takes. One is with the writer at a time and the next
        one grows meanwhile: handing each event to a thread would cost more than its insert."""
        if self._pending is None:
            self._pending = Batch()
            loop = asyncio.get_running_loop()
            self._gathering = self._burst_until > loop.time()
            if self._gathering:
                loop.call_later(GATHER, self._flush)
            else:
                loop.call_soon(self._flush)
        return self._pending

    def flush(self) -> None:
        if not self._gathering:
            self._flush()

    def _flush(self) -> None:
        if self._pending is None or self._writing:
            return
        batch, self._pending = self._pending, None
        if len(batch.events) >= BURST:
            self._burst_until = asyncio.get_running_loop().time() + 2 * GATHER
        if batch.is_few and self._db.commit_now(batch):
            self._committed([batch])
        else:
            self._writing = True
            self._db.write(batch)

    def _num(self, conversation_id: str | None) -> int:
        if conversation_id is None:
            return 0
        num = self._nums.get(conversation_id)
        if num is None:
            num, self._next_num = self._next_num, self._next_num + 1
            self._nums[conversation_id] = num
            self._appended[num] = self._heads[num] = self._reserved[num] = 0
        return num

    def _number(self, draft: Draft, conversation_id: str | None, conv: int) -> Event:
        self._position = max(self._position, self._doubtful_position) + 1
        seq = 0
        if conv:
            seq = max(self._appended[conv], self._doubtful.pop(conv, 0)) + 1
            self._appended[conv] = seq
        return Event(
            seq=seq,
            position=self._position,
            conversation_id=conversation_id,
            turn_id=draft.turn_id,
            item_id=draft.item_id,
            type=draft.type,
            item_type=draft.item_type,
            text=draft.text,
            status=draft.status,
            synthetic=draft.synthetic,
            at_ms=draft.at_ms,
            core=self.core_version,
            data=draft.data,
            log_tag=self.log_tag,
            policy=draft.policy,
        )

    def _rows(self, record: Record) -> list[tuple[str, tuple[object, ...]]]:
        """The statements that store a record."""
        match record:
            case ConversationRecord():
                row = rows.conversation_row(record, self._num(record.id))
                return [(rows.PUT_CONVERSATION, row)]
            case SubmitRecord():
                return [(rows.PUT_SUBMIT, rows.submit_row(record))]
            case AnswerRecord():
                return [(rows.PUT_ANSWER, rows.answer_row(record))]
            case TurnRecord():
                return [(rows.PUT_TURN, rows.turn_row(record))]
            case ApprovalRecord():
                return [(rows.PUT_APPROVAL, rows.approval_row(record))]
            case RevertRecord():
                unmarked = (self._num(record.conversation_id), record.turn_id)
                return [(rows.PUT_REVERTED, rows.reverted_row(record)), (rows.UNMARK, unmarked)]

    def _step(self) -> None:
        self._gather().step = True

    def _search_anew(self) -> None:
        """The index can't be read: throw it away, and make it of the events again."""
        self._gather().records.append((index.DISTRUST, ()))
        self._steps.note()

    async def durable(self) -> None:
        if self._closed or self.failure is not None:
            raise StorageFull(f"The event log can't be written: {self.failure or 'closed'}.")
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._gather().waiters.append(waiter)
        while not waiter.done():
            await asyncio.wait([waiter], timeout=1.0)
            if self.failure is not None and not waiter.done():
                raise StorageFull(f"The event log can't be written: {self.failure}.")

    async def erase(self, conversation_id: str, thread_id: str, told: Draft) -> bool:
        (last,) = self.append(conversation_id, (told,))
        num = self._num(conversation_id)
        self._erased.add(num)
        self._gather().records += erase(conversation_id, num, thread_id, last.seq)
        await self.durable()
        self._steps.note()
        clean = await self._steps.cleaned(CLEANING)
        return await self._db.empty_wal() and clean

    def forget_keys(self, before_ms: int) -> None:
        old = (before_ms,)
        self._gather().records += [
            ("DELETE FROM answer WHERE created_ms < ?", old),
            ("UPDATE submit SET key = NULL WHERE key IS NOT NULL AND created_ms < ?", old),
        ]

    def _committed(self, group: list[Batch]) -> None:
        """On the event loop, after a commit: move the heads, tell the readers, wake waiters."""
        self._writing = False
        events = [event for batch in group for event in batch.events]
        for batch in group:
            self._heads.update(batch.heads)
            self._backlog -= batch.size
        if events:
            self._committed_position = events[-1].position
            self._on_commit(events)
        for batch in group:
            for waiter in batch.waiters:
                if not waiter.done():
                    waiter.set_result(None)
            if batch.stepped is not None:
                self._steps.took(batch.stepped)
        self._flush()  # last: it may commit and tell at once


def schema_version() -> int:
    """The version of the logs that this server writes."""
    return len(_migrations())


def _migrations() -> list[Migration]:
    folder = resources.files("codex_http_server.eventlog") / "migrations"
    files = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )
    then = {"0002_fold.sql": fold_all, "0003_ledger.sql": write_ledger}
    return [Migration(entry.read_text(), then.get(entry.name)) for entry in files]
