"""Reading the SQLite log. Every query runs in a reader thread, in one read transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from typing import Any, Final, Protocol, TypeVar

from codex_http_server.errors import SearchUnavailable
from codex_http_server.eventlog import history, ledger, rows
from codex_http_server.eventlog.base import (
    ConversationFilter,
    ConversationSpent,
    ItemRows,
    KnownTurn,
    LedgerSums,
    OutputPage,
    SearchFilter,
    SearchHit,
    SearchPage,
    SnapshotRows,
    Span,
    TurnRow,
    TurnRows,
)
from codex_http_server.eventlog.history import MARKED, NEWEST, SELECT, Place
from codex_http_server.eventlog.output import read_output
from codex_http_server.eventlog.search import hits
from codex_http_server.eventlog.search.steps import Steps
from codex_http_server.events import (
    TURN_COMPLETED,
    TURN_DIFF,
    TURN_PLAN,
    TURN_STARTED,
    USAGE,
    Event,
)
from codex_http_server.records import (
    AnswerRecord,
    ApprovalRecord,
    ConversationRecord,
    Spent,
    SubmitRecord,
    TurnRecord,
)

R = TypeVar("R")
CATCH_UP: Final = 3.0  # seconds that a search waits for the index
TURN_MARKS: Final = (TURN_STARTED, TURN_DIFF, TURN_PLAN, TURN_COMPLETED)


class _Reader(Protocol):
    async def read(self, query: Callable[[sqlite3.Connection], R]) -> R: ...


class Queries:
    """The reading half of `SqliteLog`, which gives it the fields below."""

    _db: Any
    _nums: dict[str, int]
    _heads: dict[int, int]
    _committed_position: int
    _steps: Steps
    _searching: asyncio.Lock
    _search_anew: Callable[[], None]
    log_tag: str

    @property
    def _reader(self) -> _Reader:
        return self._db

    # --- events -------------------------------------------------------------------------
    # The file can be ahead of what the loop knows: the writer thread has committed and the loop
    # has not been told. Who were shown such an event could come back with a number past `head`.

    async def read(self, conversation_id: str, after: int, limit: int) -> list[Event]:
        conv = self._nums.get(conversation_id, 0)
        if not conv:
            return []
        sql = f"{SELECT} WHERE conv = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
        values = (conv, after, self._heads.get(conv, 0), limit)

        def query(connection: sqlite3.Connection) -> list[Event]:
            with closing(connection.execute(sql, values)) as found:
                read = (rows.event_of(row, conversation_id, self.log_tag) for row in found)
                return history.bounded(read)

        return await self._reader.read(query)

    async def read_all(self, after: int, limit: int) -> list[Event]:
        names = {num: uid for uid, num in self._nums.items()}
        sql = f"{SELECT} WHERE position > ? AND position <= ? ORDER BY position LIMIT ?"
        upto = self._committed_position

        def query(connection: sqlite3.Connection) -> list[Event]:
            with closing(connection.execute(sql, (after, upto, limit))) as found:
                read = (rows.event_of(row, names.get(row[1]), self.log_tag) for row in found)
                return history.bounded(read)

        return await self._reader.read(query)

    def _run(
        self,
        connection: sqlite3.Connection,
        sql: str,
        values: tuple[object, ...],
        conversation_id: str,
    ) -> list[Event]:
        tag = self.log_tag
        return [rows.event_of(r, conversation_id, tag) for r in connection.execute(sql, values)]

    # --- items and turns ----------------------------------------------------------------

    async def snapshot(
        self, conversation_id: str, upto: int, items: int, open_turns: Collection[str]
    ) -> SnapshotRows:
        conv = self._nums.get(conversation_id, 0)

        def query(connection: sqlite3.Connection) -> SnapshotRows:
            place = Place(connection, conv, conversation_id, self.log_tag)
            newest = history.items(place, Span(before=upto + 1), items)
            wanted = {event.turn_id for event in newest.items if event.turn_id} | set(open_turns)
            turns = self._turn_marks(connection, conversation_id, conv, upto, wanted)
            usage = self._last(connection, conversation_id, conv, USAGE, upto)
            return SnapshotRows(newest.items, newest.before, turns, usage)

        return await self._reader.read(query)

    async def items(
        self, conversation_id: str, span: Span, limit: int, turn_id: str | None = None
    ) -> ItemRows:
        return await self._at(
            conversation_id, lambda place: history.items(place, span, limit, turn_id)
        )

    async def turns(self, conversation_id: str, span: Span, limit: int, diff_size: int) -> TurnRows:
        return await self._at(
            conversation_id, lambda place: history.turns(place, span, limit, diff_size)
        )

    async def turn(self, conversation_id: str, turn_id: str, diff_size: int) -> TurnRow | None:
        return await self._at(
            conversation_id, lambda place: history.turn(place, turn_id, diff_size)
        )

    async def last_diff(
        self, conversation_id: str, turn_id: str | None
    ) -> tuple[str, Event | None] | None:
        return await self._at(conversation_id, lambda place: history.last_diff(place, turn_id))

    async def _at(self, conversation_id: str, query: Callable[[Place], R]) -> R:
        """Run a query of `history.py`."""
        num = self._nums.get(conversation_id, 0)
        return await self._reader.read(
            lambda connection: query(Place(connection, num, conversation_id, self.log_tag))
        )

    def _turn_marks(
        self, connection: sqlite3.Connection, uid: str, conv: int, upto: int, turns: set[str]
    ) -> list[Event]:
        marks = ",".join("?" * len(turns))
        found: list[Event] = []
        for kind in TURN_MARKS:
            sql = f"{SELECT} WHERE {MARKED} AND seq <= ? AND turn IN ({marks})"
            found += self._run(connection, sql, (conv, kind, upto, *turns), uid)
        return sorted(found, key=lambda event: event.seq)

    def _last(
        self, connection: sqlite3.Connection, uid: str, conv: int, kind: str, upto: int
    ) -> Event | None:
        sql = f"{SELECT} WHERE {MARKED} AND seq <= ? ORDER BY seq DESC LIMIT 1"
        found = self._run(connection, sql, (conv, kind, upto), uid)
        return found[0] if found else None

    async def turn_events(self, conversation_id: str, turn_id: str) -> list[Event]:
        return await self._at(conversation_id, lambda place: history.turn_events(place, turn_id))

    async def turn_ids(self, conversation_id: str) -> set[str]:
        conv = self._nums.get(conversation_id, 0)
        sql = f"SELECT turn FROM event WHERE {MARKED} ORDER BY seq DESC LIMIT 1000"  # noqa: S608

        def query(connection: sqlite3.Connection) -> set[str]:
            return {row[0] for row in connection.execute(sql, (conv, TURN_STARTED))}

        return await self._reader.read(query)

    async def known_turns(self, conversation_id: str, thread_id: str) -> list[KnownTurn]:
        return await self._at(conversation_id, lambda place: history.known_turns(place, thread_id))

    async def reverted(self, conversation_id: str) -> dict[str, str]:
        sql = "SELECT turn, first FROM reverted WHERE conv = ? ORDER BY turn"

        def query(connection: sqlite3.Connection) -> dict[str, str]:
            return dict(connection.execute(sql, (conversation_id,)))

        return await self._reader.read(query)

    async def output(
        self, conversation_id: str, turn_id: str, item_id: str, offset: int, limit: int
    ) -> OutputPage | None:
        conv = self._nums.get(conversation_id, 0)

        def query(connection: sqlite3.Connection) -> OutputPage | None:
            return read_output(connection, (conv, turn_id, item_id), offset, limit)

        return await self._reader.read(query)

    # --- the ledger ---------------------------------------------------------------------

    async def ledger_sums(self, since_ms: int) -> LedgerSums:
        return await self._reader.read(lambda connection: ledger.sums(connection, since_ms))

    async def spent(self, conversation_id: str) -> Spent:
        return await self._reader.read(lambda connection: ledger.spent(connection, conversation_id))

    async def ledger(
        self, conversation_id: str, before: str | None, limit: int, *, reverted: bool = True
    ) -> list[TurnRecord]:
        turns = ledger.turns if reverted else ledger.kept_turns
        return await self._reader.read(
            lambda connection: turns(connection, conversation_id, before, limit)
        )

    async def costliest(self, limit: int) -> list[ConversationSpent]:
        return await self._reader.read(lambda connection: ledger.costliest(connection, limit))

    async def last_usage(self, conversation_id: str) -> Event | None:
        conv = self._nums.get(conversation_id, 0)

        def query(connection: sqlite3.Connection) -> Event | None:
            return self._last(connection, conversation_id, conv, USAGE, NEWEST)

        return await self._reader.read(query)

    # --- search -------------------------------------------------------------------------

    async def search(self, wanted: SearchFilter, before: int | None, limit: int) -> SearchPage:
        if not wanted.words:
            return SearchPage([], True)
        complete = await self._steps.up_to_date(CATCH_UP)
        if self._steps.failure is not None:
            raise SearchUnavailable(f"The search index can't be used: {self._steps.failure}.")
        upto = self._committed_position

        def query(connection: sqlite3.Connection) -> list[SearchHit]:
            return hits.page(connection, wanted, upto, before or hits.NEWEST, limit)

        async with self._searching:  # the other readers are for all else
            try:
                return SearchPage(await self._reader.read(query), complete)
            except SearchUnavailable:
                self._search_anew()
                raise

    # --- records ------------------------------------------------------------------------

    async def conversations(
        self, wanted: ConversationFilter, before: str | None, limit: int
    ) -> list[ConversationRecord]:
        clauses, values = _where(wanted, before)
        sql = f"SELECT body FROM conversation WHERE {clauses} ORDER BY id DESC LIMIT ?"  # noqa: S608
        return [rows.conversation_of(b) for b in await self._bodies(sql, (*values, limit))]

    async def conversation(self, conversation_id: str) -> ConversationRecord | None:
        sql = "SELECT body FROM conversation WHERE id = ?"
        found = await self._bodies(sql, (conversation_id,))
        return rows.conversation_of(found[0]) if found else None

    async def forks(self, conversation_id: str) -> list[ConversationRecord]:
        sql = "SELECT body FROM conversation WHERE forked_from = ? ORDER BY id"
        return [rows.conversation_of(b) for b in await self._bodies(sql, (conversation_id,))]

    async def known_threads(self, thread_ids: Collection[str]) -> dict[str, str]:
        marks = ",".join("?" * len(thread_ids))
        sql = f"SELECT thread_id, id FROM conversation WHERE thread_id IN ({marks})"  # noqa: S608

        def query(connection: sqlite3.Connection) -> dict[str, str]:
            return dict(connection.execute(sql, tuple(thread_ids)))

        return await self._reader.read(query)

    async def unfinished(self) -> list[ConversationRecord]:
        sql = (
            "SELECT body FROM conversation WHERE open_since > 0 UNION"
            " SELECT body FROM conversation WHERE id IN (SELECT conv FROM submit"
            " WHERE state IN ('queued', 'starting', 'steering')"
            " UNION SELECT conv FROM approval WHERE state <> 'ended')"
        )
        return [rows.conversation_of(b) for b in await self._bodies(sql, ())]

    async def waiting(self, conversation_id: str) -> list[SubmitRecord]:
        sql = (
            "SELECT body FROM submit WHERE conv = ?"
            " AND state IN ('queued', 'starting', 'steering') ORDER BY place"
        )
        return [rows.submit_of(b) for b in await self._bodies(sql, (conversation_id,))]

    async def submits_of(
        self, conversation_id: str, turn_ids: Collection[str]
    ) -> list[SubmitRecord]:
        marks = ",".join("?" * len(turn_ids))
        sql = f"SELECT body FROM submit WHERE conv = ? AND turn IN ({marks})"  # noqa: S608
        found = await self._bodies(sql, (conversation_id, *turn_ids))
        return [rows.submit_of(body) for body in found]

    async def submit(self, submit_id: str) -> SubmitRecord | None:
        found = await self._bodies("SELECT body FROM submit WHERE id = ?", (submit_id,))
        return rows.submit_of(found[0]) if found else None

    async def submit_by_key(self, conversation_id: str, key: str) -> SubmitRecord | None:
        sql = "SELECT body FROM submit WHERE conv = ? AND key = ?"
        found = await self._bodies(sql, (conversation_id, key))
        return rows.submit_of(found[0]) if found else None

    async def approvals(
        self, conversation_id: str | None, before: str | None, limit: int, *, ended: bool
    ) -> list[ApprovalRecord]:
        clauses = [] if ended else ["state <> 'ended' AND state = 'pending'"]
        values: list[object] = []
        if conversation_id is not None:
            clauses.append("conv = ?")
            values.append(conversation_id)
        if before:
            clauses.append("id < ?")
            values.append(before)
        where = " AND ".join(clauses) or "1"
        sql = f"SELECT body FROM approval WHERE {where} ORDER BY id DESC LIMIT ?"  # noqa: S608
        return [rows.approval_of(body) for body in await self._bodies(sql, (*values, limit))]

    async def remembered(self, decisions: Sequence[str]) -> list[ApprovalRecord]:
        # As the record is written; what could have been decided stands elsewhere in it.
        words = [f'"resolution":{{"decision":"{decision}'.encode() for decision in decisions]
        wanted = " OR ".join("instr(body, ?) > 0" for _ in words)
        sql = f"SELECT body FROM approval WHERE {wanted} ORDER BY id DESC LIMIT 1000"  # noqa: S608
        return [rows.approval_of(body) for body in await self._bodies(sql, tuple(words))]

    async def open_approvals(self, conversation_id: str) -> list[ApprovalRecord]:
        sql = "SELECT body FROM approval WHERE conv = ? AND state <> 'ended' ORDER BY id"
        return [rows.approval_of(body) for body in await self._bodies(sql, (conversation_id,))]

    async def approval(self, approval_id: str) -> ApprovalRecord | None:
        found = await self._bodies("SELECT body FROM approval WHERE id = ?", (approval_id,))
        return rows.approval_of(found[0]) if found else None

    async def answer(self, scope: str, key: str) -> AnswerRecord | None:
        sql = "SELECT body FROM answer WHERE scope = ? AND key = ?"
        found = await self._bodies(sql, (scope, key))
        return rows.answer_of(found[0]) if found else None

    async def _bodies(self, sql: str, values: tuple[object, ...]) -> list[bytes]:
        def query(connection: sqlite3.Connection) -> list[bytes]:
            return [row[0] for row in connection.execute(sql, values)]

        return await self._reader.read(query)


def _where(wanted: ConversationFilter, before: str | None) -> tuple[str, list[object]]:
    clauses, values = ["archived = ?"], [int(wanted.archived)]
    bound: list[object] = [*values]
    if wanted.q:
        clauses.append("instr(search, ?) > 0")
        bound.append(wanted.q.casefold())
    if wanted.working_directory:
        clauses.append("directory = ?")
        bound.append(wanted.working_directory)
    if wanted.status:
        clauses.append("status = ?")
        bound.append(wanted.status)
    if wanted.waiting:
        clauses.append(
            "id IN (SELECT conv FROM approval WHERE state <> 'ended' AND state = 'pending')"
        )
    if before:
        clauses.append("id < ?")
        bound.append(before)
    return " AND ".join(clauses), bound
