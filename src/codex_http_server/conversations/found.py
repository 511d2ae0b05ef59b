"""Conversations that others began, or went on with, on the same Codex home.

Owns what the core's list says of each thread, and when it was last looked at. A thread that no
conversation has becomes one, with the thread's id; its history is told when it is first opened.
Never loads a thread: that would take it from the process that has it open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container
from typing import Final, Protocol

from codex_http_server.conversations import policy
from codex_http_server.conversations.thread import ThreadLink
from codex_http_server.engine.base import Engine, Found
from codex_http_server.errors import ServerError
from codex_http_server.eventlog.base import EventLog
from codex_http_server.logs import get_logger
from codex_http_server.records import ConversationRecord

log = get_logger(__name__)

FRESH: Final = 0.2  # seconds that a look at the core's list is good for; one costs it 3 ms
PATIENCE: Final = 2.0  # seconds that a reader waits for a look; it goes on without
THREADS: Final = 50_000  # threads looked at, last changed first
PREVIEW: Final = 200  # characters


class Opened(Protocol):
    """A conversation that is open here."""

    record: ConversationRecord
    thread: ThreadLink

    def save(self) -> None:
        """Write the record."""
        ...


class FoundThreads:
    """One for the server. `bound` are the threads of the conversations that are open here."""

    def __init__(self, engine: Engine, event_log: EventLog, bound: Container[str]) -> None:
        self._engine = engine
        self._log = event_log
        self._bound = bound
        self._changed: dict[str, int] = {}  # by thread, when the core's list last said it changed
        self._told: dict[str, int] = {}  # the same, when we last told what others did in it
        self._ours: set[str] = set()  # threads that have a conversation
        self._upto = 0  # all that changed before this is known
        self._whole = False  # the core was looked through for files that its database lacks
        self._until = 0.0
        self._look: asyncio.Task[None] | None = None

    # --- the list ---------------------------------------------------------------------------

    def renewed(self) -> None:
        """There is another core: look through all files again."""
        self._whole, self._until = False, 0.0

    async def look(self) -> None:
        """Know what the core's list has. Waits a little; without a core not at all."""
        now = asyncio.get_running_loop().time()
        if self._engine.state.state != "ready" or (self._look is None and now < self._until):
            return
        if self._look is None:
            self._look = asyncio.create_task(self._read())
            self._look.add_done_callback(self._looked)
        await asyncio.wait({self._look}, timeout=PATIENCE)

    def _looked(self, task: asyncio.Task[None]) -> None:
        self._look = None
        self._until = asyncio.get_running_loop().time() + FRESH
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the core's list could not be read", exc_info=error)

    async def close(self) -> None:
        """End a look that is under way."""
        if self._look is not None:
            self._look.cancel()
            await asyncio.wait({self._look})

    async def _read(self) -> None:
        whole, cursor, newest, seen = self._whole, None, self._upto, 0
        try:
            while seen < THREADS:
                page = await self._engine.found_threads(cursor, quick=whole)
                await self._take(page.threads)
                seen += len(page.threads)
                newest = max([newest, *(each.updated for each in page.threads)])
                cursor = page.cursor
                passed = whole and any(each.updated < self._upto for each in page.threads)
                if cursor is None or passed:
                    break
        except ServerError as error:
            log.info("the core's list was not read to its end", reason=error.detail)
            return
        self._upto, self._whole = newest, True

    async def _take(self, threads: list[Found]) -> None:
        self._changed |= {each.id: each.updated for each in threads}
        unsure = [each for each in threads if each.id not in self._ours]
        if not unsure:
            return
        await self._log.durable()  # one of ours that was just begun is there then
        ids = [each.id for each in unsure]
        known = await self._log.known_threads(ids)
        new = [each for each in unsure if each.id not in known and each.id not in self._bound]
        for each in new:
            self._log.append(each.id, (), (_record(each),))
        self._ours.update(ids)
        if new:
            await self._log.durable()
            log.info("found conversations", count=len(new))

    # --- one of them ------------------------------------------------------------------------

    async def freshen(self, conversation: Opened) -> None:
        """Have in the log what others did in this conversation.

        Raises `CoreUnavailable`, `CoreTimeout`, `CoreRefused` only where its history was never
        told: then there is nothing to show yet.
        """
        if conversation.thread.loaded or conversation.thread.behind:
            return
        await self.look()
        record = conversation.record
        changed = self._changed.get(record.thread_id, 0)
        if not record.untold and changed == self._told.get(record.thread_id, 0):
            return
        try:
            await self._tell(conversation, changed)
        except ServerError as error:
            if record.untold:
                raise
            log.info("what others did could not be read", reason=error.detail)

    async def _tell(self, conversation: Opened, changed: int) -> None:
        record = conversation.record
        if record.untold:
            await self._engine.wait_ready()
        if record.untold and record.forked_from is None:
            core = await self._engine.resolve_policy(record.working_directory)
            record.resolved_model = record.resolved_model or core.model
            record.resolved_effort = core.reasoning_effort
            record.resolved_approval = core.approval_policy
            record.resolved_sandbox = core.sandbox_policy
        if await conversation.thread.tell_others():
            self._told[record.thread_id] = changed
        if record.untold:
            record.untold = False
            if record.forked_from is not None:
                record.updated_ms = record.created_ms  # its past is older than itself
            conversation.save()
        await self._log.durable()


def _record(found: Found) -> ConversationRecord:
    return ConversationRecord(
        id=found.id,
        thread_id=found.id,
        working_directory=found.cwd,
        source=found.source,
        untold=True,
        title=found.name,
        preview=found.preview[:PREVIEW],
        resolved_model=found.model,
        resolved_sandbox=policy.SANDBOXES["read-only"],  # until it is opened
        created_ms=found.created_ms,
        updated_ms=found.updated * 1000,
    )
