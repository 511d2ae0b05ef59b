"""All conversations: make, find, open, and give each event of the core to its owner.

Owns the table of threads, the tasks that conversations start, and the order of stopping.
Knows interfaces only. Before: api. After: conversation, messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple

from codex_http_server import events
from codex_http_server.auth.callers import Caller
from codex_http_server.clock import new_id, now_ms, rfc3339
from codex_http_server.conversations import policy
from codex_http_server.conversations.approvals import Deadlines
from codex_http_server.conversations.conversation import Conversation
from codex_http_server.conversations.found import FoundThreads
from codex_http_server.conversations.helpers import Helpers, Helps
from codex_http_server.conversations.ledger import Ledger
from codex_http_server.conversations.login import Login, NoLogin
from codex_http_server.conversations.messages import Messages
from codex_http_server.conversations.others import Others
from codex_http_server.conversations.quota import Over
from codex_http_server.conversations.thread import ThreadLink
from codex_http_server.conversations.uploads import Uploads, in_use
from codex_http_server.conversations.watchdog import Limits, Watchdog
from codex_http_server.engine import decisions
from codex_http_server.engine.base import CoreState, Engine, Question, Thread
from codex_http_server.errors import (
    ConversationNotFound,
    CoreRefused,
    NoTurn,
    ServerError,
    Stopping,
)
from codex_http_server.eventlog.base import EventLog
from codex_http_server.events import Draft, raw
from codex_http_server.logs import bind, get_logger
from codex_http_server.records import ConversationRecord, Stated
from codex_http_server.state import Phase
from codex_http_server.usage import Meter

log = get_logger(__name__)

DRAIN: Final = 1.0  # seconds for running turns to end after they were interrupted
TICK: Final = 5.0  # seconds between looks at waiting messages and overdue items
SWEEP: Final = 3600 * 1000  # milliseconds between sweeps of old keys
KEYS_KEPT: Final = 24 * 3600 * 1000  # milliseconds that Idempotency-Keys are kept

AccountFilter = Callable[[Draft], Draft | None]
Make = Callable[[Conversation, Callable[[], None]], Awaitable[None]]


class Open(NamedTuple):
    """A conversation and the way into it."""

    conversation: Conversation
    messages: Messages

    @property
    def is_quiet(self) -> bool:
        """Whether the core has nothing to do for it."""
        idle = self.messages.phase is Phase.IDLE and not self.conversation.open
        return idle and not self.conversation.approvals

    @property
    def own_turns(self) -> list[str]:
        """The running turns that may be ended without being told to."""
        conversation = self.conversation
        return [turn for turn in conversation.open.turns if conversation.may_stop(turn)]

    @property
    def is_at_rest(self) -> bool:
        """Whether no turn runs; commands in the background may."""
        return self.messages.phase is Phase.IDLE and not self.conversation.open.turns


class Stopped(NamedTuple):
    """What was stopped in one conversation."""

    conversation_id: str
    turn_id: str | None
    commands: int
    removed_messages: int = 0
    held_messages: int = 0


class Manager:
    """The `Listener` of the engine and the `Host` of the conversations."""

    def __init__(self, log: EventLog, limits: Limits, ledger: Ledger, uploads: Uploads) -> None:
        self._log = log
        self.uploads = uploads
        self._ledger = ledger
        ledger.on_passed = self._end_for_quota
        self._watchdog = Watchdog(limits, self._interrupt_silent)
        self.grace = limits.grace
        self._engine: Engine | None = None
        self._found: FoundThreads | None = None
        self._open: dict[str, Open] = {}
        self._opening: dict[str, asyncio.Task[Open]] = {}
        self._threads: dict[str, Conversation] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._ready = False
        self.core_since_ms = 0  # when this server started the present core; 0: it did not
        self._helpers = Helpers()
        self._others = Others(self, log)
        self._gone: set[str] = set()  # conversations that were deleted, and their threads
        self.deadlines = Deadlines()
        self.is_watched: Callable[[str], bool] = lambda _: True
        self.login: Login = NoLogin()
        self.on_server_event: AccountFilter = lambda draft: draft
        self.on_core_state: Callable[[CoreState], None] = lambda _: None

    def attach(self, engine: Engine) -> None:
        """Use this engine. Before anything else."""
        self._engine = engine
        self._found = FoundThreads(engine, self._log, self._threads)

    @property
    def engine(self) -> Engine:
        """The engine."""
        assert self._engine is not None
        return self._engine

    @property
    def found(self) -> FoundThreads:
        """The conversations that others began on this home."""
        assert self._found is not None
        return self._found

    # --- as the host of conversations -------------------------------------------------------

    @property
    def accepting(self) -> bool:
        return not self._stopping

    @property
    def holds_back(self) -> bool:
        return self._watchdog.holds_back

    @property
    def ledger(self) -> Ledger:
        return self._ledger

    def bind(self, thread_id: str, conversation: Conversation) -> None:
        self._threads[thread_id] = conversation

    def bind_helper(self, thread_id: str, conversation: Conversation, turn_id: str | None) -> None:
        self._helpers.bind(thread_id, Helps(conversation, turn_id))

    def patience(self, record: ConversationRecord) -> float:
        return self.deadlines.of(record, attended=self.is_watched(record.id))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task failed", exc_info=error)

    def renew_core(self) -> None:
        """Start the core anew as soon as no turn runs; until then no turn begins."""
        self._watchdog.renew()
        self._watchdog.look(self.loaded(), self.engine, now_ms())

    # --- as the listener of the engine ------------------------------------------------------

    def on_event(self, thread_id: str | None, draft: Draft, will_retry: bool) -> None:
        if thread_id in self._gone:
            return
        if thread_id:
            self._others.hear(thread_id, draft)
        conversation = self._threads.get(thread_id) if thread_id else None
        if conversation is not None:
            conversation.on_event(draft, will_retry)
            return
        if thread_id:
            loaded = (entry.conversation for entry in self._open.values())
            self._helpers.hear(thread_id, draft, loaded)
        passed = self.on_server_event(draft)
        if passed is not None:
            self._log.append(None, (passed,))

    def on_pause(self) -> None:
        self._log.flush()

    def on_question(self, question: Question) -> None:
        helps = self._asked(question)
        if self.engine.state.joined and (helps is None or question.kind == "unknown"):
            log.info("a question is left to the daemon's other clients", method=question.method)
        elif helps is None:
            self._decline(question)
        elif question.kind == "unknown":
            # Nobody here could say anything but this error, so the turn is not kept waiting.
            helps.conversation.approvals.refuse(question, helps.turn_id)
        else:
            helps.conversation.approvals.ask(question, helps.turn_id)

    def _asked(self, question: Question) -> Helps | None:
        """Which conversation is asked, and for which of its turns."""
        thread_id = question.thread_id or ""
        conversation = self._threads.get(thread_id)
        if conversation is not None:
            return Helps(conversation, question.turn_id)
        return self._helpers.of(thread_id)

    def _decline(self, question: Question) -> None:
        """A question of no conversation: there is nobody to ask. Declined at once, visibly."""
        found = decisions.offered(question.method, None)
        chosen = next((each for each in found if each.id == decisions.default(found)), None)
        answer = None if chosen is None else chosen.answer
        approval_id = new_id()
        asked: dict[str, Any] = {
            "approval_id": approval_id,
            "kind": question.kind,
            "method": question.method,
            "diff": None,
            "decisions": [],  # nobody is asked
            "default": None if chosen is None else chosen.id,
            "deadline_at": None,
        }
        ended = {
            "approval_id": approval_id,
            "decision": None if chosen is None else chosen.id,
            "answer": answer,
            "by": "server",
            "reason": "no_conversation",
            "at": rfc3339(now_ms()),
        }
        self._log.append(
            None,
            [
                _about(question, events.APPROVAL_REQUESTED, asked | {"request": question.params}),
                _about(question, events.APPROVAL_RESOLVED, ended),
            ],
        )
        self.engine.answer(question.request_id, answer)

    def on_core(self, state: CoreState) -> None:
        was_ready, self._ready = self._ready, state.state == "ready"
        if self._ready:
            self._is_ready(state)
        if was_ready and not self._ready:
            for entry in self._open.values():
                entry.messages.on_unheard()
        left = state.state == "stopped" and state.joined  # what is open there goes on
        if state.state in ("failed", "stopped") and not left:
            reason = "server_stopped" if self._stopping else "core_lost"
            for entry in self._open.values():
                entry.conversation.on_core_lost(reason)
        body = {"state": state.state, "version": state.version, "reason": state.reason}
        self._log.append(None, [Draft(events.CORE_STATE, raw(body), now_ms(), status=state.state)])
        self.on_core_state(state)
        if self._ready:
            self._catch_up_all()
            self.spawn(self.found.look())
            if state.joined:
                self._others.begin()

    def _is_ready(self, state: CoreState) -> None:
        self.core_since_ms = 0 if state.adopted or state.joined else now_ms()
        if not state.adopted:
            self._watchdog.renewed()
            self.found.renewed()

    def _catch_up_all(self) -> None:
        """Find out what went on while the core was not heard; then send what waits."""
        for entry in self._open.values():
            if entry.conversation.thread.behind and not entry.conversation.thread.loading:
                self.spawn(self._catch_up(entry))
            entry.messages.kick()

    async def _catch_up(self, entry: Open) -> None:
        with bind(conversation_id=entry.conversation.id):
            try:
                await entry.conversation.thread.load()
            except CoreRefused as error:
                log.warning("the core does not give the thread back", reason=error.detail)
                entry.conversation.on_core_lost("core_lost")
            except ServerError as error:
                log.info("not caught up yet", reason=error.detail)
        entry.messages.kick()

    # --- conversations ----------------------------------------------------------------------

    async def create(
        self,
        working_directory: str,
        title: str | None,
        stated: Stated,
        caller: Caller,
        *,
        approval_deadline: float | None = None,
        tools: Sequence[dict[str, Any]] = (),
    ) -> Open:
        """A new conversation over a new thread. Raises as `Engine.start_thread`, and
        `ElevateRequired`, `StorageFull`, `Stopping`."""
        now = now_ms()
        record = ConversationRecord(
            id=new_id(),
            thread_id="",
            working_directory=working_directory,
            title=title,
            stated=stated,
            approval_deadline=approval_deadline,
            tools=list(tools),
            created_ms=now,
            updated_ms=now,
        )

        async def make(conversation: Conversation, begun: Callable[[], None]) -> None:
            def bound(thread: Thread) -> None:
                policy.check_ceiling(stated, thread.policy, caller)
                conversation.started(thread)
                begun()

            await self.engine.start_thread(working_directory, stated.model, bound, tools)

        return await self.begin(record, make)

    async def begin(self, record: ConversationRecord, make: Make) -> Open:
        """A new conversation. `make` has the core make its thread, and says when the conversation
        has it: before the thread's first event. Raises as `make`, and `StorageFull`, `Stopping`."""
        if self._stopping:
            raise Stopping("The server is shutting down.")
        entry = self._hold(record)

        def begun() -> None:
            entry.conversation.save()
            self._open[record.id] = entry

        await make(entry.conversation, begun)
        await self._log.durable()
        return entry

    def _hold(self, record: ConversationRecord) -> Open:
        conversation = Conversation(record, self._log, self.engine, self)
        return Open(conversation, Messages(conversation))

    async def get(self, conversation_id: str) -> Open:
        """An open conversation, opened from the log if need be, with what others did in it.
        Raises `ConversationNotFound`; where its history was never told, as the engine."""
        entry = await self._find(conversation_id)
        with bind(conversation_id=conversation_id):
            await self.found.freshen(entry.conversation)
        return entry

    def thread(self, thread_id: str) -> ThreadLink | None:
        """The thread, if its conversation is open here."""
        conversation = self._threads.get(thread_id)
        return conversation.thread if conversation is not None else None

    async def open_thread(self, conversation_id: str) -> ThreadLink:
        """The thread of a conversation, as `get`."""
        return (await self.get(conversation_id)).conversation.thread

    async def _find(self, conversation_id: str) -> Open:
        entry = self._open.get(conversation_id)
        if entry is not None:
            return entry
        if conversation_id in self._gone:
            raise ConversationNotFound(f"There is no conversation {conversation_id} any more.")
        task = self._opening.get(conversation_id)
        if task is None:
            task = asyncio.create_task(self._load(conversation_id))
            self._opening[conversation_id] = task
            task.add_done_callback(lambda _: self._opening.pop(conversation_id, None))
        return await asyncio.shield(task)

    async def _load(self, conversation_id: str) -> Open:
        record = await self._log.conversation(conversation_id)
        if record is None:  # somebody else may have begun it a moment ago
            await self.found.look()
            record = await self._log.conversation(conversation_id)
        if record is None:
            raise ConversationNotFound(f"There is no conversation {conversation_id}.")
        return await self._take_in(record)

    async def _take_in(self, record: ConversationRecord) -> Open:
        entry = self._hold(record)
        await entry.messages.recover()
        self._open[record.id] = entry
        return entry

    def forget(self, conversation: Conversation) -> None:
        """It is being deleted: nobody finds it any more, and nothing more is heard of it."""
        conversation.deleted = True
        self._gone |= {conversation.id, conversation.record.thread_id} - {""}
        self._open.pop(conversation.id, None)
        self._threads.pop(conversation.record.thread_id, None)

    def loaded(self) -> list[Open]:
        """The conversations that are open here, in no order."""
        return list(self._open.values())

    def on_signed_in(self) -> None:
        """Somebody signed in: what waits for that may be sent."""
        for entry in self._open.values():
            entry.messages.on_signed_in()

    # --- life -------------------------------------------------------------------------------

    async def recover(self) -> None:
        """After a start: take in what an earlier server left open, and what waits."""
        await self._ledger.open(self._log)
        for record in await self._log.unfinished():
            with bind(conversation_id=record.id):
                await self._take_in(record)

    async def run(self) -> None:
        """Look after what is due, until cancelled."""
        swept = 0
        while True:
            await asyncio.sleep(TICK)
            now = now_ms()
            if self._ready:
                self._watchdog.look(self.loaded(), self.engine, now)
                self._ledger.look()
                self._catch_up_all()
                await self._spare_the_log()
            if now - swept > SWEEP:
                swept = now
                self._log.forget_keys(now - KEYS_KEPT)
                await self._sweep_uploads()

    async def _sweep_uploads(self) -> None:
        try:
            await asyncio.to_thread(self.uploads.sweep, self.uploads_in_use())
        except OSError as error:
            log.warning("old uploads can't be deleted", reason=str(error))

    def uploads_in_use(self) -> set[str]:
        """The files that waiting messages need."""
        return in_use(each for entry in self.loaded() for each in entry.messages.queue)

    async def interrupt_all(self) -> list[str]:
        """Interrupt every running turn that is ours; the ids of their conversations."""
        busy = [entry for entry in self.loaded() if entry.own_turns]
        done = await asyncio.gather(*(self._interrupt(entry) for entry in busy))
        return [conversation_id for conversation_id in done if conversation_id]

    async def stop_all(self, *, hold: bool, clear: bool) -> list[Stopped]:
        """End every running turn and command. What waits must not start in their place: it is
        held back, or taken back. Raises `StorageFull` if that can't be kept; all has ended then."""
        busy = [entry for entry in self.loaded() if not entry.is_quiet or len(entry.messages.queue)]
        if hold or clear:  # first: an interrupted turn makes room for the next
            for entry in busy:
                entry.messages.hold()
        done = await asyncio.gather(*(self._stop(entry) for entry in busy))
        found = [
            await self._keep_back(entry, each, clear)
            for entry, each in zip(busy, done, strict=True)
        ]
        await self._log.durable()
        return found

    async def _stop(self, entry: Open) -> Stopped:
        turn = entry.conversation.open.current
        interrupted = await self._interrupt(entry)
        turn = turn or entry.conversation.open.current
        commands = await entry.conversation.end_all_commands() if entry.conversation.open else 0
        return Stopped(
            entry.conversation.id, turn.turn_id if turn and interrupted else None, commands
        )

    @staticmethod
    async def _keep_back(entry: Open, stopped: Stopped, clear: bool) -> Stopped:
        removed = await entry.messages.queue.clear() if clear else 0
        held = len(entry.messages.queue) if entry.conversation.record.held else 0
        return stopped._replace(removed_messages=removed, held_messages=held)

    async def resume_all(self) -> list[str]:
        """Send again what was held back; the ids of the conversations."""
        freed = [entry.conversation.id for entry in self.loaded() if entry.messages.let_go()]
        await self._log.durable()
        return freed

    async def _spare_the_log(self) -> None:
        """While nothing can be written and the backlog is full, no turn may add to it."""
        if self._log.is_full and self._log.failure is not None:
            for conversation_id in await self.interrupt_all():
                log.warning("interrupted: the log is full", conversation_id=conversation_id)

    def _interrupt_silent(self, conversation: Conversation) -> None:
        self.spawn(self._end_silent(self._open[conversation.id]))

    async def _end_silent(self, entry: Open) -> None:
        await self._interrupt(entry)

    def _end_for_quota(self, meter: Meter, turn_id: str, over: Over) -> None:
        entry = self._open.get(meter.conversation_id)
        if entry is None or entry.conversation.thread.behind or entry.conversation.stopping:
            return
        log.info("a turn passed a quota", turn_id=turn_id, quota=over.quota.name)
        entry.conversation.exceeded(turn_id, over)
        self.spawn(self._end_silent(entry))

    async def _interrupt(self, entry: Open) -> str | None:
        try:
            await entry.messages.interrupt()
        except NoTurn:
            return None
        except ServerError as error:
            log.warning("a turn could not be interrupted", reason=error.detail)
            return None
        return entry.conversation.id

    async def drain(self) -> None:
        """Accept nothing more; interrupt running turns, wait at most `DRAIN` s for their ends."""
        self._stopping = True
        try:
            async with asyncio.timeout(DRAIN):
                await self.interrupt_all()
                for entry in self.loaded():
                    while entry.own_turns:
                        await entry.conversation.changed()
        except TimeoutError:
            log.warning("some turns did not end in time")

    async def close(self) -> None:
        """End the tasks of the conversations. The core has stopped by now."""
        await self.found.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _about(question: Question, kind: str, body: dict[str, Any]) -> Draft:
    return Draft(
        type=kind,
        data=raw(body),
        at_ms=now_ms(),
        turn_id=question.turn_id,
        item_id=question.item_id,
        status="resolved" if kind == events.APPROVAL_RESOLVED else "pending",
    )
