"""One conversation: its one owner, through which every event and every command passes.

Owns the record and what is open. `thread.py` owns the thread's place in the present core,
`messages.py` the messages on their way into turns. Events come in on the event loop, in order,
and are appended before anything else looks at them.
Before: manager. After: engine (commands), eventlog (events).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Literal, Protocol

import msgspec

from codex_http_server import events
from codex_http_server.auth.callers import Caller
from codex_http_server.clock import now_ms
from codex_http_server.conversations import policy, views
from codex_http_server.conversations.approvals import Approvals
from codex_http_server.conversations.clearing import Clearing
from codex_http_server.conversations.ledger import Ledger
from codex_http_server.conversations.login import Login
from codex_http_server.conversations.quota import Over
from codex_http_server.conversations.reverts import Reverts
from codex_http_server.conversations.thread import ThreadLink
from codex_http_server.engine.base import Engine, Thread
from codex_http_server.errors import (
    ConversationArchived,
    ConversationNotFound,
    CoreRefused,
    NoTurn,
    ServerError,
)
from codex_http_server.eventlog.base import EventLog
from codex_http_server.events import TEXT_DELTAS, Draft, Event, raw
from codex_http_server.logs import get_logger
from codex_http_server.records import ConversationRecord, Record, Stated
from codex_http_server.state import Open, OpenItem
from codex_http_server.usage import CORE, RECENT, Meter

log = get_logger(__name__)

PREVIEW: Final = 200  # characters of the first message that a list shows
REPLAY: Final = 2000  # events read at once when what is open is rebuilt
SETTLE: Final = 10.0  # seconds an interrupt waits for a turn that is just starting

Work = Coroutine[Any, Any, None]


class Host(Protocol):
    """What a conversation needs of the manager."""

    grace: float  # seconds that the processes of an interrupted turn have to end

    @property
    def accepting(self) -> bool:
        """False once the server is stopping."""
        ...

    @property
    def holds_back(self) -> bool:
        """True while no new turn may start: the core is about to be recycled."""
        ...

    @property
    def login(self) -> Login:
        """The login of the core's home."""
        ...

    @property
    def ledger(self) -> Ledger:
        """What was spent, and whether there is room for more."""
        ...

    def bind(self, thread_id: str, conversation: Conversation) -> None:
        """From now on the events of this thread go to this conversation."""
        ...

    def bind_helper(self, thread_id: str, conversation: Conversation, turn_id: str | None) -> None:
        """From now on the questions of this thread belong to that turn."""
        ...

    def patience(self, record: ConversationRecord) -> float:
        """Seconds that an approval of this conversation waits; 0: for ever."""
        ...

    def spawn(self, work: Work) -> None:
        """Run `work` as a task that the manager owns."""
        ...


class Conversation:
    """See the head of this file. Made by the manager only."""

    def __init__(
        self, record: ConversationRecord, log: EventLog, engine: Engine, host: Host
    ) -> None:
        self.record = record
        self.log = log
        self.engine = engine
        self.host = host
        self.open = Open()
        self.meter = Meter(record.id)
        self.turn_policies: dict[str, msgspec.Raw] = {}
        self.on_appended: Callable[[Sequence[Draft]], None] = lambda _: None
        self.starting = False
        self.deleted = False
        self.heard_ms = 0  # when the core last said something of it
        self.thread = ThreadLink(self, self._reached)
        self.approvals = Approvals(self)
        self.clearing = Clearing(self)
        self.reverts = Reverts(self)
        self._changed = asyncio.Event()
        if record.thread_id:
            host.bind(record.thread_id, self)

    @property
    def id(self) -> str:
        return self.record.id

    def set_starting(self, caller: str | None) -> None:
        """A turn was asked for by `caller`: the conversation is busy from now on, not only when
        it began. None: no turn is about to begin."""
        self.starting = caller is not None
        self.meter.starting = caller
        self.host.ledger.touch(self.meter)
        self.record.status = self._status()

    def _status(self) -> Literal["idle", "running"]:
        return "running" if self.open.turns or self.starting else "idle"

    def may_stop(self, turn_id: str) -> bool:
        """Whether this turn is ours to end of our own accord: a joined core has those of others."""
        return not self.engine.state.joined or self.meter.caller(turn_id) != CORE

    @property
    def stopping(self) -> bool:
        """Whether the running turn was asked to end."""
        turn = self.open.current
        return turn is not None and turn.turn_id in self.clearing

    # --- events in --------------------------------------------------------------------------

    def on_event(self, draft: Draft, will_retry: bool = False) -> None:
        """Take one event of the core."""
        self.heard_ms = draft.at_ms
        if self.thread.behind:
            self.thread.hold(lambda: self.on_event(draft, will_retry))
            return
        item = self.open.items.get((draft.turn_id or "", draft.item_id or ""))
        if item is not None and draft.type in TEXT_DELTAS:  # the hot path: only the log changes
            item.add(draft)
            if self.log.is_full:
                self._leave_out(item, draft.at_ms)
            else:
                item.left_out = False
                self.log.append(self.id, (draft,))
            return
        self.append(self.open.admit(draft, will_retry=will_retry))

    def _leave_out(self, item: OpenItem, at_ms: int) -> None:
        """Too much waits for the disk: deltas give way, ends and questions never do."""
        if not item.left_out:
            item.left_out = True
            self.append([item.gap("log_full", at_ms)])

    def _reached(self) -> None:
        self.heard_ms = now_ms()  # a turn that was taken over is not silent yet

    def unheard(self, in_doubt: bool) -> None:
        """The core can't be heard any more; what it has of us may be in doubt."""
        self.approvals.unheard()
        self.thread.unheard(in_doubt or self.approvals.in_doubt or self._is_asking)

    def in_doubt(self) -> None:
        """Nobody knows what the core did: find out before anything else is asked."""
        self.thread.unheard(in_doubt=True)

    @property
    def _is_asking(self) -> bool:
        """Whether the core was asked for something of which the log does not tell yet."""
        return self.record.begins or self.record.reverts is not None

    def forgot(self, turn_ids: Sequence[str]) -> None:
        """The core has forgotten these turns."""
        self.meter.reverted(turn_ids)

    async def on_caught_up(self, *, adopted: bool) -> None:
        """The log has what was missed: now the approvals go on or end."""
        self.turn_is_known()
        if not adopted:
            self.approvals.void("core_lost")
            return
        for thread_id in self.approvals.threads - {self.record.thread_id}:
            self.host.bind_helper(thread_id, self, self.approvals.turn_of(thread_id))
            try:
                await self.engine.resume_thread(thread_id)
            except CoreRefused as error:  # its question has ended, then
                log.info("a helper is not there any more", reason=error.detail)
        await self.approvals.caught_up()

    def on_core_lost(self, reason: str) -> None:
        """The core is gone and its history out of reach: end what it had open."""
        self.turn_is_known()
        self.append(self.open.lost(reason, now_ms()))
        self.approvals.void(reason)

    def turn_is_asked(self) -> None:
        """The core is about to be asked for a turn of its own: a restart must look for it."""
        self.record.begins = True
        self.record.open_since = self.record.open_since or self.log.last_appended(self.id) + 1
        self.save()

    def turn_is_known(self) -> None:
        """What became of that turn is in the log, or nothing did."""
        if self.record.begins:
            self.record.begins, self.record.status = False, self._status()
            self.record.open_since = self.record.open_since if self.open or self._is_asking else 0
            self.save()

    def patience(self, turn_id: str | None) -> float:
        """Seconds that an approval of this turn may wait; 0: for ever."""
        if turn_id is not None and not self.may_stop(turn_id):
            return 0.0  # whoever began it answers in their own time
        return self.host.patience(self.record)

    def spawn(self, work: Work) -> None:
        """Run `work` as a task that the manager owns."""
        self.host.spawn(work)

    def expire(self, before_ms: int) -> None:
        """End background commands whose turn ended before `before_ms`."""
        ends = self.open.expired(before_ms, now_ms())
        if ends:
            expired = {end.item_id for end in ends}
            self.host.spawn(self._end_commands(expired.__contains__))
            self.append(ends)

    def stalled(self, turn_id: str, silent_ms: int) -> None:
        """Tell that a turn gave no sign for so long and is being interrupted."""
        body = {"turnId": turn_id, "silent_seconds": silent_ms // 1000}
        self.append([Draft(events.TURN_STALLED, raw(body), now_ms(), turn_id=turn_id)])

    def exceeded(self, turn_id: str, over: Over) -> None:
        """Tell once that a turn passed a quota and is being interrupted."""
        if not self.meter.running[turn_id].told:
            body = {"turnId": turn_id} | self.host.ledger.view(over)
            self.append([Draft(events.QUOTA_EXCEEDED, raw(body), now_ms(), turn_id=turn_id)])

    def append(self, drafts: Sequence[Draft], records: Sequence[Record] = ()) -> None:
        """Fold the drafts into the state and append them, with what they change, in one commit."""
        if not drafts:
            return
        drafts, records = self._with_ends(drafts, records)
        for draft in drafts:
            if draft.type == events.TURN_STARTED:
                draft.policy = self.turn_policies.pop(draft.turn_id or "", None)
        was_open, next_seq = bool(self.open), self.log.last_appended(self.id) + 1
        before = self._face()
        for draft in drafts:
            self.open.apply(draft)
            self._note(draft)
        if bool(self.open) is not was_open:
            self.record.open_since = next_seq if self.open or self._is_asking else 0
        changed = [self.record] if self._face() != before else []
        # What a fork shares with its source was counted there.
        shared = self.record.untold and self.record.forked_from is not None
        turns = [] if shared else self.host.ledger.note(self.meter, drafts)
        self.log.append(self.id, drafts, [*records, *turns, *changed])
        self.on_appended(drafts)
        self.wake()
        if any(draft.type == events.USAGE for draft in drafts):
            self.host.ledger.look()

    def _with_ends(
        self, drafts: Sequence[Draft], records: Sequence[Record]
    ) -> tuple[Sequence[Draft], Sequence[Record]]:
        """With the ends of approvals that these bring, which stand before what ended them."""
        if not self.approvals.in_doubt:
            return drafts, records
        found = [self.approvals.ended_by(draft) for draft in drafts]
        ends = [end for each, _ in found for end in each]
        return [*ends, *drafts], [*records, *(record for _, each in found for record in each)]

    def _face(self) -> tuple[object, ...]:
        record = self.record
        return (
            record.status, record.open_since, record.title, record.updated_ms, record.waiting,
            record.archived, record.begins, record.unloaded_ms,
        )  # fmt: skip

    def _note(self, draft: Draft) -> None:
        """Carry over into the record what an event says of the whole conversation."""
        match draft.type:
            case events.TURN_STARTED | events.TURN_COMPLETED:
                self._note_turn(draft)
            case events.APPROVAL_REQUESTED | events.APPROVAL_RESOLVED:
                self.record.waiting = len(self.approvals)
            case events.THREAD_CLOSED | events.THREAD_ARCHIVED | events.THREAD_UNARCHIVED:
                if draft.type != events.THREAD_CLOSED:  # that one: the next turn loads it again
                    self.record.archived = draft.type == events.THREAD_ARCHIVED  # by whomever
                self.thread.loaded = False
                self.record.unloaded_ms = draft.at_ms
            case events.THREAD_REVERTED:
                self.host.spawn(self.reverts.heard(self.log.last_appended(self.id) + 1))
            case events.CONVERSATION_REVERTED:
                self.record.updated_ms = draft.at_ms
            case events.THREAD_NAME:
                name = msgspec.json.decode(draft.data).get("threadName")
                self.record.title = name if isinstance(name, str) else self.record.title
            case _:
                pass

    def _note_turn(self, draft: Draft) -> None:
        self.record.status = self._status()
        self.record.updated_ms = draft.at_ms
        if draft.type == events.TURN_STARTED:
            self.record.begins = False
        elif draft.turn_id in self.clearing:
            self.host.spawn(self.clearing.clear(draft.turn_id or "", self._grace()))

    def save(self) -> None:
        """Write the record."""
        self.log.append(self.id, (), (self.record,))

    def wake(self) -> None:
        """Wake those who wait in `changed`."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def changed(self) -> None:
        """Wait for the next change of turns, items or messages."""
        await self._changed.wait()

    # --- the thread in the present core -----------------------------------------------------

    async def replace_thread(self) -> None:
        """Put a new thread in the place of one that the core does not know."""
        record = self.record
        await self.engine.start_thread(
            record.working_directory, record.stated.model, self.started, record.tools
        )
        self.tell()
        await self.log.durable()  # a turn that no log can find would be run twice

    async def find_reverted(self) -> None:
        """Put into the log which turns were taken back while nobody heard the core."""
        await self.reverts.settle()

    async def past_diff(self, turn_id: str) -> Event | None:
        """The last diff of a turn that a fork shares with its source."""
        source = self.record.forked_from
        if source is None:
            return None
        found = await self.log.turn_events(source.conversation_id, turn_id)
        return next((event for event in reversed(found) if event.type == events.TURN_DIFF), None)

    def started(self, thread: Thread) -> None:
        """Take over a thread that was just started, with the policy that the core resolved."""
        self.thread.loaded = True
        record, core = self.record, thread.policy
        record.thread_id = thread.id
        self.host.bind(thread.id, self)
        record.resolved_model = core.model
        record.resolved_effort = core.reasoning_effort
        record.resolved_approval = core.approval_policy
        record.resolved_sandbox = core.sandbox_policy

    def tell(self) -> None:
        """Append that the conversation itself has changed, and write it."""
        self.record.updated_ms = now_ms()
        body = views.conversation(self.record, self.log.last_appended(self.id) + 1)
        told = Draft(events.CONVERSATION_UPDATED, raw(body), self.record.updated_ms)
        self.append([told], [self.record])

    def check_there(self) -> None:
        """Raises `ConversationNotFound` where it was deleted meanwhile."""
        if self.deleted:
            raise ConversationNotFound(f"There is no conversation {self.id} any more.")

    def check_usable(self) -> None:
        """Raises `ConversationNotFound`, `ConversationArchived`."""
        self.check_there()
        if self.record.archived:
            raise ConversationArchived(
                "The conversation is archived.",
                hint=f"Take it back first: POST /conversations/{self.id}/unarchive.",
            )

    # --- commands ---------------------------------------------------------------------------

    async def update(
        self,
        title: str | None,
        stated: Stated,
        caller: Caller,
        approval_deadline: float | None = None,
    ) -> None:
        """Change the title, the policy of turns to come or the deadline of approvals to come.
        Raises `ElevateRequired`."""
        policy.check_ceiling(stated, policy.resolved(self.record), caller)
        self.record.stated = policy.merge(self.record.stated, stated)
        if approval_deadline is not None:
            self.record.approval_deadline = approval_deadline
        if title is not None:
            self.record.title = title
            await self._rename(title)
        self.tell()
        await self.log.durable()

    async def _rename(self, title: str) -> None:
        # A thread without a turn has no file yet and can't be renamed: our title stands anyway.
        if self.thread.loaded and self.record.preview:
            await self.engine.rename_thread(self.record.thread_id, title)

    async def interrupt(self) -> str:
        """Ask the running turn to end; its id. Its end comes as an event. Raises `NoTurn`."""
        turn = self.open.current
        if turn is None:
            raise NoTurn("No turn is running in this conversation.")
        if self.thread.behind:
            await self.thread.load()
            if turn.turn_id not in self.open.turns:
                raise NoTurn("The turn has ended meanwhile.")
        self.clearing.ask(turn.turn_id)
        await self.engine.interrupt_turn(self.record.thread_id, turn.turn_id)
        return turn.turn_id

    def _grace(self) -> float | None:
        """Seconds that a turn's processes have; None while the server stops: its core takes them
        along."""
        return self.host.grace if self.host.accepting else None

    async def _end_commands(self, wanted: Callable[[str], bool]) -> None:
        """End commands that run too long."""
        try:
            ended = await self.engine.end_commands(self.record.thread_id, wanted)
            log.debug("ended commands", count=len(ended))
        except ServerError as error:
            log.warning("commands go on that should have ended", reason=error.detail)

    async def end_all_commands(self) -> int:
        """End every command that the core runs for it, background ones too; how many."""
        try:
            return len(await self.engine.end_commands(self.record.thread_id, lambda _: True))
        except ServerError as error:
            log.warning("commands go on that should have ended", reason=error.detail)
            return 0

    # --- after a restart of the server ------------------------------------------------------

    async def recover(self, in_doubt: bool, on_event: Callable[[Event], None]) -> None:
        """Rebuild what was open from the log, `on_event` seeing each event since. Whether it
        goes on is known once the core is."""
        recent = await self.log.ledger(self.id, None, RECENT, reverted=False)
        self.meter.restore(await self.log.spent(self.id), recent[::-1], self.record.thread_id)
        self.approvals.restore(await self.log.open_approvals(self.id))
        self.record.waiting = len(self.approvals)
        after = self.record.open_since - 1
        while self.record.open_since and (page := await self.log.read(self.id, after, REPLAY)):
            for event in page:
                self.open.apply(event)
                self.meter.replay(event)
                on_event(event)
            after = page[-1].seq
        self.host.ledger.touch(self.meter)
        asking = self._is_asking
        self.thread.behind = in_doubt or bool(self.open) or self.approvals.in_doubt or asking
        if (
            not self.open
            and not asking
            and (self.record.open_since or self.record.status != "idle")
        ):
            self.record.open_since, self.record.status = 0, "idle"
            self.save()

    # --- looking ----------------------------------------------------------------------------

    def view(self) -> dict[str, Any]:
        """As the API shows it."""
        return views.conversation(self.record, self.log.head(self.id))

    async def snapshot(self, items: int, queue: list[dict[str, Any]]) -> dict[str, Any]:
        """All that a first paint needs, read at one committed seq."""
        seq, position = self.log.last_appended(self.id), self.log.appended_position
        body = {
            "conversation": views.conversation(self.record, seq),
            "open_items": [views.open_item(item) for item in self.open.items.values()],
            "retrying": views.retrying(self.open.retrying),
            "queue": queue,
            "approvals": self.approvals.view(),
            "seq": seq,
            "position": f"{self.log.log_tag}-{position}",
            "log_id": self.log.log_id,
        }
        open_turns = tuple(self.open.turns)
        await self.log.durable()
        rows = await self.log.snapshot(self.id, seq, items, open_turns)
        usage = msgspec.json.decode(rows.usage.data)["tokenUsage"] if rows.usage else None
        return body | {
            "items": [views.item(event) for event in rows.items],
            "items_before": rows.items_before,
            "turns": views.turns(rows.turns),
            "usage": usage,
        }
