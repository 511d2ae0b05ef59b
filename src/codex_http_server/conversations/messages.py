"""Messages on their way into turns: started, steered, queued, or in doubt.

Owns the outbox and the order in which messages reach the core; one at a time, under one lock.
A message is on disk before the core is called, so from then on it is never lost: where the
core was cut off in between, its history is searched for the message before it is sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from codex_http_server import events
from codex_http_server.clock import new_id, now_ms
from codex_http_server.conversations import policy, views
from codex_http_server.conversations.conversation import PREVIEW, SETTLE, Conversation
from codex_http_server.conversations.outbox import Outbox
from codex_http_server.engine.base import Policy
from codex_http_server.errors import (
    ConversationBusy,
    CoreRefused,
    KeyReused,
    NoTurn,
    OverrideNeedsNewTurn,
    ServerError,
    Stopping,
    StorageFull,
    TurnNotSteerable,
    Unavailable,
)
from codex_http_server.events import Draft, raw
from codex_http_server.logs import get_logger
from codex_http_server.records import WAITING, Stated, SubmitRecord
from codex_http_server.state import DECISIONS, Action, Phase, WhileBusy

log = get_logger(__name__)

Status = Literal["started", "steered", "queued", "removed", "ended"]
DONE: Final = ("ended", "removed")


@dataclass(frozen=True)
class Submission:
    """A message as it was asked for."""

    message: list[dict[str, Any]]
    body_hash: str
    while_busy: WhileBusy = "queue"
    overrides: Stated = field(default_factory=Stated)
    output_schema: Any = None
    key: str | None = None
    own_turn: bool = False  # the caller waits for the turn, or streams it

    @property
    def text(self) -> str:
        """The text parts, for a preview."""
        return "\n".join(str(p["text"]) for p in self.message if p.get("type") == "text")


class Messages:
    """The way into one conversation. `submit` is the only door."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._log = conversation.log
        self._engine = conversation.engine
        self._lock = asyncio.Lock()
        self._outbox = Outbox()
        self._starting: SubmitRecord | None = None
        self._expected: SubmitRecord | None = None  # the core said yes, turn/started is to come
        self._live: dict[str, SubmitRecord] = {}  # sent, its turn not ended
        self._taken_in: set[str] = set()  # of the live ones, those that a turn shows
        self._kicked = False
        conversation.on_appended = self._on_appended

    # --- where we stand ---------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        """Derived from what is open and what was asked of the core."""
        if self._starting is not None or self._expected is not None:
            return Phase.STARTING
        if self._conversation.open.current is None:
            return Phase.IDLE
        return Phase.STOPPING if self._conversation.stopping else Phase.RUNNING

    def queue(self) -> list[dict[str, Any]]:
        """The waiting messages, as the API shows them."""
        return self._outbox.view()

    @property
    def waiting(self) -> bool:
        """Whether a message waits."""
        return len(self._outbox) > 0

    def status(self, record: SubmitRecord) -> Status:
        """What has become of a message by now."""
        if record.state == "removed":
            return "removed"
        if record.state in WAITING:
            return "queued"
        expected = self._expected is not None and self._expected.id == record.id
        if record.id not in self._live and not expected:
            return "ended"
        return "steered" if record.state == "steered" else "started"

    async def wait(self, record: SubmitRecord, states: Sequence[Status]) -> SubmitRecord:
        """Wait until the message's status is one of `states`. The caller bounds the wait."""
        while self.status(record) not in states:
            await self._conversation.changed()
        return record

    def _known(self, submit_id: str) -> SubmitRecord | None:
        """A message on its way: the one object that changes with it."""
        for record in (self._starting, self._expected, *self._outbox, *self._live.values()):
            if record is not None and record.id == submit_id:
                return record
        return None

    # --- the door ---------------------------------------------------------------------------

    async def submit(self, wanted: Submission) -> SubmitRecord:
        """Take a message: start a turn with it, steer the running one, or queue it.

        The same key with the same body is the same submit. Raises `ConversationBusy`,
        `OverrideNeedsNewTurn`, `TurnNotSteerable`, `QueueFull`, `KeyReused`,
        `ElevateRequired`, `CoreRefused`, `CoreUnavailable`, `StorageFull`, `Stopping`.
        """
        policy.check_ceiling(wanted.overrides, policy.resolved(self._conversation.record))
        async with self._lock:
            prior = await self._prior(wanted)
            if prior is not None:
                return prior
            if not self._conversation.host.accepting:
                raise Stopping("The server is shutting down; the message was not accepted.")
            action = self._decide(wanted)
            if action in ("start", "steer"):
                await self._engine.wait_ready()
                action = self._decide(wanted)  # a turn may have ended while we waited
            record = self._record(wanted)
            await self._take(record, action)
            return record

    async def _prior(self, wanted: Submission) -> SubmitRecord | None:
        if wanted.key is None:
            return None
        await self._log.durable()  # what is read below must be as new as what is in memory
        found = await self._log.submit_by_key(self._conversation.id, wanted.key)
        if found is None:
            return None
        if found.body_hash != wanted.body_hash:
            raise KeyReused("This Idempotency-Key came with another body before.")
        if found.state == "removed" and found.error is not None:
            raise CoreRefused(found.error)
        return self._known(found.id) or found

    def _decide(self, wanted: Submission) -> Action:
        action = DECISIONS[(self.phase, wanted.while_busy)]
        if action == "reject":
            raise ConversationBusy(
                "A turn is running in this conversation.",
                hint="Wait for turn/completed, interrupt it, or use while_busy: queue.",
            )
        bound = wanted.own_turn or wanted.overrides != Stated() or wanted.output_schema is not None
        if action == "steer" and bound:
            raise OverrideNeedsNewTurn(
                "A steered message joins the running turn: it can't have overrides, an output"
                " schema, wait or a streaming answer.",
                hint="Leave those away, or use while_busy: queue.",
            )
        # The outbox keeps its order: a new message does not overtake those that wait.
        return "queue" if action == "start" and len(self._outbox) else action

    def _record(self, wanted: Submission) -> SubmitRecord:
        return SubmitRecord(
            id=new_id(),
            conversation_id=self._conversation.id,
            key=wanted.key,
            body_hash=wanted.body_hash,
            state="queued",
            after=self._log.last_appended(self._conversation.id),
            message=wanted.message,
            overrides=wanted.overrides,
            output_schema=wanted.output_schema,
            created_ms=now_ms(),
        )

    async def _take(self, record: SubmitRecord, action: Action) -> None:
        match action:
            case "start":
                await self._start(record)
            case "steer":
                await self._steer(record)
            case _:
                await self._enqueue(record, first=action == "interrupt")
        if action == "interrupt":
            self._conversation.host.spawn(self._interrupt_for_next())

    # --- starting a turn --------------------------------------------------------------------

    async def _start(self, record: SubmitRecord) -> None:
        """Start a turn with this message; it is on disk before the core hears of it."""
        record.state = "starting"
        self._starting = record
        try:
            await self._store(record)
            await self._load()
            await self._start_turn(record)
        except CoreRefused as error:
            await self._give_up(record, error)
            raise
        except StorageFull:
            raise
        except Unavailable:
            self._doubt(record)
        finally:
            self._starting = None
            self._kick()

    async def _start_turn(self, record: SubmitRecord) -> None:
        conversation = self._conversation
        effective = policy.effective(conversation.record, record.overrides)
        self._show(record)

        def bound(turn_id: str) -> None:
            self._bind(record, turn_id, effective)

        await self._engine.start_turn(
            thread_id=conversation.record.thread_id,
            cwd=conversation.record.working_directory,
            message=record.message,
            policy=effective,
            submit_id=record.id,
            output_schema=record.output_schema,
            on_bound=bound,
        )

    def _bind(self, record: SubmitRecord, turn_id: str, effective: Policy) -> None:
        """The core took the message: this is its turn. Runs before the turn's first event."""
        record.state, record.turn_id = "started", turn_id
        self._starting = None
        self._conversation.turn_policies[turn_id] = raw(views.policy_fields(effective))
        if turn_id in self._conversation.open.turns:  # another client's turn took it in
            self._live[record.id] = record
        else:
            self._expected = record
        self._log.append(self._conversation.id, (), (record,))
        self._conversation.wake()

    def _show(self, record: SubmitRecord) -> None:
        """The first message is what lists show of a conversation without a title."""
        conversation = self._conversation.record
        if not conversation.preview:
            texts = [str(p["text"]) for p in record.message if p.get("type") == "text"]
            conversation.preview = "\n".join(texts)[:PREVIEW]
            self._conversation.tell()

    async def _store(self, record: SubmitRecord) -> None:
        self._log.append(self._conversation.id, (), (record,))
        try:
            await self._log.durable()
        except ServerError:
            _refuse(record)
            self._log.append(self._conversation.id, (), (record,))
            raise

    async def _give_up(self, record: SubmitRecord, error: ServerError) -> None:
        record.state, record.error = "removed", error.detail
        self._log.append(self._conversation.id, (), (record,))
        self._conversation.wake()

    def _doubt(self, record: SubmitRecord) -> None:
        """The core was cut off: keep the message first in line, to be looked for."""
        state = record.state
        self._outbox.add(record, first=True)
        record.state = state  # starting or steering: the core may have it
        self._changed_queue("restored", record)

    # --- steering ---------------------------------------------------------------------------

    async def _steer(self, record: SubmitRecord) -> None:
        turn = self._conversation.open.current
        assert turn is not None  # the phase was running, and we have not waited since
        record.state, record.turn_id = "steering", turn.turn_id
        await self._store(record)
        try:
            taken = await self._engine.steer_turn(
                self._conversation.record.thread_id,
                turn.turn_id,
                record.message,
                record.id,
                lambda: self._steered(record, turn.turn_id),
            )
        except (CoreRefused, TurnNotSteerable) as error:
            await self._give_up(record, error)
            raise
        except Unavailable:
            self._doubt(record)
            return
        if not taken:
            await self._too_late(record)

    def _steered(self, record: SubmitRecord, turn_id: str) -> None:
        record.state = "steered"
        self._conversation.open.steered(turn_id)
        if turn_id in self._conversation.open.turns:
            self._live[record.id] = record
        self._log.append(self._conversation.id, (), (record,))
        self._conversation.wake()

    async def _too_late(self, record: SubmitRecord) -> None:
        """The turn ended before the message got there: it gets a turn of its own."""
        record.turn_id = None
        if self.phase is Phase.IDLE:
            await self._start(record)
        else:
            await self._enqueue(record, first=True)

    # --- the queue --------------------------------------------------------------------------

    async def _enqueue(self, record: SubmitRecord, *, first: bool) -> None:
        self._outbox.add(record, first=first)
        self._changed_queue("added", record)
        try:
            await self._log.durable()
        except ServerError:
            self._outbox.take(record.id)
            _refuse(record)
            self._changed_queue("removed", record)
            raise
        self._kick()

    def _changed_queue(self, reason: str, *records: SubmitRecord, error: str | None = None) -> None:
        body: dict[str, Any] = {"queue": self._outbox.view(), "reason": reason}
        if records:
            body["submit_ids"] = [record.id for record in records]
        if error is not None:
            body["error"] = error
        draft = Draft(events.QUEUE_CHANGED, raw(body), now_ms())
        self._conversation.append([draft], records)

    async def edit(self, submit_id: str, message: list[dict[str, Any]]) -> SubmitRecord:
        """Change a waiting message. Raises `MessageNotFound`."""
        record = self._outbox.get(submit_id)
        record.message = message
        self._changed_queue("edited", record)
        await self._log.durable()
        return record

    async def remove(self, submit_id: str) -> None:
        """Take a waiting message back. Raises `MessageNotFound`."""
        record = self._outbox.take(submit_id)
        record.state = "removed"
        self._changed_queue("removed", record)
        await self._log.durable()

    async def reorder(self, order: Sequence[str]) -> None:
        """Put the waiting messages in this order. Raises `Invalid`."""
        self._changed_queue("reordered", *self._outbox.reorder(order))
        await self._log.durable()

    async def clear(self) -> int:
        """Take all waiting messages back; how many."""
        taken = self._outbox.clear()
        for record in taken:
            record.state = "removed"
        if taken:
            self._changed_queue("cleared", *taken)
            await self._log.durable()
        return len(taken)

    async def interrupt(self) -> str:
        """Interrupt the running turn; its id. Waits for one that is just starting."""
        try:
            async with asyncio.timeout(SETTLE):
                while self.phase is Phase.STARTING:
                    await self._conversation.changed()
        except TimeoutError:
            raise NoTurn("The turn has not started yet; try again.") from None
        return await self._conversation.interrupt()

    async def _interrupt_for_next(self) -> None:
        try:
            await self.interrupt()
        except ServerError as error:
            log.info("nothing to interrupt", reason=error.detail)

    # --- what happens meanwhile -------------------------------------------------------------

    def _on_appended(self, drafts: Sequence[Draft]) -> None:
        for draft in drafts:
            if draft.type == events.TURN_STARTED:
                self._turn_started(draft.turn_id)
            elif draft.type == events.TURN_COMPLETED:
                self._turn_ended(draft.turn_id)
            elif draft.item_type == "userMessage" and draft.type == events.ITEM_STARTED:
                self._recognise(draft)

    def _turn_started(self, turn_id: str | None) -> None:
        expected = self._expected
        if expected is not None and expected.turn_id == turn_id:
            self._live[expected.id] = expected
            self._expected = None

    def _turn_ended(self, turn_id: str | None) -> None:
        self._turn_started(turn_id)
        ended = [record for record in self._live.values() if record.turn_id == turn_id]
        self._live = {k: v for k, v in self._live.items() if v.turn_id != turn_id}
        for record in reversed(ended):
            if record.state == "steered" and record.id not in self._taken_in:
                self._send_again(record)
            self._taken_in.discard(record.id)
        self._kick()

    def _send_again(self, record: SubmitRecord) -> None:
        """The turn ended before the core took in what was steered into it (it says nothing
        then, measured): the message goes to the head of the queue."""
        record.turn_id = None
        self._outbox.add(record, first=True)
        self._changed_queue("restored", record)

    def _recognise(self, draft: Draft) -> None:
        """A turn shows a message: one in doubt is not sent again."""
        item: dict[str, Any] = msgspec.json.decode(draft.data).get("item") or {}
        if item.get("clientId") in self._live:
            self._taken_in.add(str(item["clientId"]))
        for record in self._outbox:
            if record.id == item.get("clientId"):
                self._settled(record, draft.turn_id)

    def _settled(self, record: SubmitRecord, turn_id: str | None) -> None:
        self._outbox.take(record.id)
        record.state, record.turn_id = "started", turn_id
        if turn_id in self._conversation.open.turns:
            self._live[record.id] = record
        self._changed_queue("started", record)

    def on_core_lost(self) -> None:
        """Messages that the core had not turned into a turn yet are in doubt."""
        expected, self._expected = self._expected, None
        if expected is not None:
            expected.state, expected.turn_id = "starting", None
            self._doubt(expected)

    def restore(self, records: Sequence[SubmitRecord]) -> None:
        """After a restart of the server: take what waited, and what is in doubt."""
        self._outbox.restore(records)

    # --- sending what waits -----------------------------------------------------------------

    def kick(self) -> None:
        """Send the next waiting message, if nothing runs. Called when that may have changed."""
        self._kick()

    def _kick(self) -> None:
        ready = self._engine.state.state == "ready" and self._conversation.host.accepting
        if len(self._outbox) and ready and not self._kicked:
            self._kicked = True
            self._conversation.host.spawn(self._pump())

    async def _pump(self) -> None:
        self._kicked = False
        async with self._lock:
            while self.phase is Phase.IDLE and len(self._outbox):
                try:
                    await self._load()
                    if not await self._send_first():
                        return
                except ServerError as error:
                    log.warning("a waiting message could not be sent", reason=error.detail)
                    return

    async def _send_first(self) -> bool:
        """Send the first waiting message; False if it could not be sent now."""
        record = self._outbox.first()
        if record is None or self.phase is not Phase.IDLE:
            return False
        self._outbox.take(record.id)
        record.state = "starting"
        self._starting = record
        self._changed_queue("started", record)
        try:
            await self._log.durable()
            await self._start_turn(record)
        except CoreRefused as error:
            record.state, record.error = "removed", error.detail
            self._changed_queue("failed", record, error=error.detail)
        except Unavailable:
            self._doubt(record)
            return False
        finally:
            self._starting = None
        return True

    async def _load(self) -> None:
        """Have the thread in the core, and find out what became of messages in doubt."""
        await self._conversation.load()
        for record in self._outbox:
            if record.state in ("starting", "steering"):
                await self._look_for(record)

    async def _look_for(self, record: SubmitRecord) -> None:
        thread_id = self._conversation.record.thread_id
        turn_id = await self._engine.find_message(thread_id, record.id)
        if turn_id is not None:
            self._settled(record, turn_id)
        else:
            record.state = "queued"
            self._changed_queue("restored", record)


def _refuse(record: SubmitRecord) -> None:
    """The caller is told that it was not taken: it must not run when the disk is back, and its
    key may be used again."""
    record.state, record.key = "removed", None
