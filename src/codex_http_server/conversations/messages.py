"""Messages on their way into turns: started, steered, queued, or in doubt.

Owns the order in which messages reach the core, one at a time, under one lock; `queue.py` owns
those that wait.
A message is on disk before the core is called, so from then on it is never lost: where the
core was cut off in between, its history is searched for the message before it is sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final, Literal

import msgspec

from codex_http_server import events
from codex_http_server.conversations import policy, views
from codex_http_server.conversations.conversation import PREVIEW, SETTLE, Conversation
from codex_http_server.conversations.loginwait import LoginWait
from codex_http_server.conversations.ownturns import OwnTurn
from codex_http_server.conversations.queue import Queue, refuse
from codex_http_server.conversations.quota import Over
from codex_http_server.conversations.submission import Submission, preview
from codex_http_server.conversations.underway import Underway
from codex_http_server.engine.base import Policy
from codex_http_server.errors import (
    ConversationBusy,
    CoreRefused,
    KeyReused,
    MessageReverted,
    NoTurn,
    OverrideNeedsNewTurn,
    ServerError,
    Stopping,
    TurnNotSteerable,
    Unavailable,
)
from codex_http_server.events import Draft, Event, raw
from codex_http_server.logs import get_logger
from codex_http_server.records import WAITING, SubmitRecord
from codex_http_server.state import DECISIONS, Action, Phase

log = get_logger(__name__)

Status = Literal["started", "steered", "queued", "waiting_for_login", "removed", "ended"]
DONE: Final = ("ended", "removed")
IN_DOUBT: Final = ("starting", "steering")  # the core may have it


class Messages:
    """The way into one conversation. `submit` is the only door."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._log = conversation.log
        self._engine = conversation.engine
        self._lock = asyncio.Lock()
        self.queue = Queue(conversation)
        self._starting: SubmitRecord | None = None
        self._own: OwnTurn | None = None
        self._underway = Underway()
        self._login_wait = LoginWait(conversation, self.queue, self._underway)
        self._kicked = False
        conversation.on_appended = self._on_appended

    # --- where we stand ---------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        """Derived from what is open and what was asked of the core."""
        own = self._own is not None and self._own.turn_id is None
        if own or self._starting is not None or self._underway.expected is not None:
            return Phase.STARTING
        if self._conversation.open.current is None:
            return Phase.IDLE
        return Phase.STOPPING if self._conversation.stopping else Phase.RUNNING

    def status(self, record: SubmitRecord) -> Status:
        """What has become of a message by now."""
        if record.state == "removed":
            return "removed"
        if record.state in WAITING:
            return "waiting_for_login" if record.held else "queued"
        if record not in self._underway:
            return "ended"
        return "steered" if record.state == "steered" else "started"

    async def wait(self, record: SubmitRecord, states: Sequence[Status]) -> SubmitRecord:
        """Wait until the message's status is one of `states`. The caller bounds the wait."""
        while self.status(record) not in states:
            await self._conversation.changed()
        return record

    def _known(self, submit_id: str) -> SubmitRecord | None:
        """A message on its way: the one object that changes with it."""
        for record in (self._starting, *self._underway, *self.queue):
            if record is not None and record.id == submit_id:
                return record
        return None

    # --- the door ---------------------------------------------------------------------------

    async def submit(self, wanted: Submission) -> SubmitRecord:
        """Take a message: start a turn with it, steer the running one, or queue it.

        The same key with the same body is the same submit. Raises `ConversationBusy`,
        `OverrideNeedsNewTurn`, `TurnNotSteerable`, `QueueFull`, `QuotaExceeded`, `KeyReused`,
        `ElevateRequired`, `CoreRefused`, `ConversationOpenElsewhere`, `CoreUnavailable`,
        `StorageFull`, `Stopping`.
        """
        core = policy.resolved(self._conversation.record)
        policy.check_ceiling(wanted.overrides, core, wanted.caller)
        async with self._lock:
            prior = await self._prior(wanted)
            if prior is not None:
                return prior
            self._conversation.check_usable()
            if not self._conversation.host.accepting:
                raise Stopping("The server is shutting down; the message was not accepted.")
            if wanted.prepare is not None:
                wanted = await wanted.prepare(wanted)
            action = self._decide(wanted)
            if action in ("start", "steer"):
                await self._engine.wait_ready()
                await self._reach()
                action = self._decide(wanted)  # a turn may have ended while we waited
            self.has_room(wanted.caller.name, new_turn=action != "steer")
            last = self._log.last_appended(self._conversation.id)
            record = wanted.record(self._conversation.id, last)
            self.let_go()  # whoever writes to it wants it to go on
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
        if found.state == "reverted":
            raise MessageReverted(
                "The message with this Idempotency-Key was taken back, with the turn it went into.",
                hint="To send it again, send it with another key.",
                turn_id=found.turn_id,
            )
        if found.state == "removed" and found.error is not None:
            raise CoreRefused(found.error)
        return self._known(found.id) or found

    async def _reach(self) -> None:
        """Have the thread before a message is taken: another process may have it open. While
        only the core is away, a message is taken all the same, unless the log is behind."""
        thread = self._conversation.thread
        if thread.behind:
            await thread.load()
        elif not thread.loaded:
            with suppress(Unavailable):
                await thread.load()

    def _decide(self, wanted: Submission) -> Action:
        action = DECISIONS[(self.phase, wanted.while_busy)]
        if action == "reject":
            raise ConversationBusy(
                "A turn is running in this conversation.",
                hint="Wait for turn/completed, interrupt it, or use while_busy: queue.",
            )
        if action == "steer" and wanted.needs_own_turn:
            raise OverrideNeedsNewTurn(
                "A steered message joins the running turn: it can't have overrides, an output"
                " schema, wait or a streaming answer.",
                hint="Leave those away, or use while_busy: queue.",
            )
        # The outbox keeps its order: a new message does not overtake those that wait.
        waits = len(self.queue) or self._conversation.host.holds_back
        return "queue" if action == "start" and waits else action

    async def _take(self, record: SubmitRecord, action: Action) -> None:
        match action:
            case "start":
                await self._start(record)
            case "steer":
                await self._steer(record)
            case _:
                await self.queue.add(record, first=action == "interrupt")
                self.kick()
        if action == "interrupt":
            self._conversation.host.spawn(self._interrupt_for_next())

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[None]:
        """Let no message in meanwhile. Raises `ConversationBusy` where a turn runs."""
        async with self._lock:
            self._conversation.check_there()
            self.check_idle()
            yield
        self.kick()

    def check_idle(self) -> None:
        """Raises `ConversationBusy` where a turn runs."""
        if self.phase is not Phase.IDLE:
            turn = self._conversation.open.current
            raise ConversationBusy(
                "A turn is running in this conversation.",
                hint="Wait for turn/completed, or interrupt it.",
                turn_id=turn.turn_id if turn is not None else None,
            )

    @contextmanager
    def expecting(self, own: OwnTurn) -> Generator[None]:
        """The core is asked for a turn that no message starts: the conversation is busy."""
        self._own = own
        self._mark()
        try:
            yield
        finally:
            self._own = None
            self._mark()

    def _begin(self, record: SubmitRecord | None) -> None:
        """Note which message is being sent. The conversation is busy from now on."""
        self._starting = record
        self._mark()

    def _mark(self) -> None:
        own = self._own if self._own is not None and self._own.turn_id is None else None
        sent = self._starting or self._underway.expected or own
        self._conversation.set_starting(None if sent is None else sent.caller)

    def has_room(self, caller: str, *, new_turn: bool = True) -> None:
        """Raises `QuotaExceeded`."""
        ledger = self._conversation.host.ledger
        ledger.check(self._conversation.meter, caller, new_turn=new_turn)

    # --- starting a turn --------------------------------------------------------------------

    async def _start(self, record: SubmitRecord) -> None:
        """Start a turn with this message; it is on disk before the core hears of it."""
        held = await self._login_wait.holds(record)
        if held or self._conversation.host.holds_back:  # it has looked at the login
            await self.queue.add(record, first=False)
            return
        record.state = "starting"
        self._begin(record)
        try:
            await self._store(record)
            await self._send_new(record)
        finally:
            self._begin(None)
            self.kick()

    async def _send_new(self, record: SubmitRecord) -> None:
        """Send a message that is on disk; where that can't be done now, it waits."""
        try:
            await self._load()
            await self._login_wait.forget_refused(record)
            await self._start_turn(record)
        except CoreRefused as error:
            self._give_up(record, error)
            raise
        except Unavailable:
            self.queue.hold(record)

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
        """The core took the message: this is its turn. Runs before the turn's first event.

        On disk it is in doubt until the turn's start is, in the same commit (`_on_appended`).
        """
        record.turn_id = turn_id
        self._log.append(self._conversation.id, (), (record,))
        record.state = "started"
        self._starting = None
        self._conversation.turn_policies[turn_id] = raw(views.policy_fields(effective))
        if turn_id in self._conversation.open.turns:  # another client's turn took it in
            self._underway.join(record)
            self._log.append(self._conversation.id, (), (record,))
        else:
            self._underway.expect(record)
            self._started_by(turn_id, record.caller)
        self._conversation.wake()

    def _started_by(self, turn_id: str | None, caller: str) -> None:
        """The ledger counts the turn for whoever sent its first message, or asked for it."""
        conversation = self._conversation
        change = conversation.meter.began(turn_id or "", caller)
        if change is not None:
            conversation.host.ledger.settle(change)
            self._log.append(conversation.id, (), (change.record,))

    def _show(self, record: SubmitRecord) -> None:
        """The first message is what lists show of a conversation without a title."""
        conversation = self._conversation.record
        if not conversation.preview:
            conversation.preview = preview(record.message, PREVIEW)
            self._conversation.tell()

    async def _store(self, record: SubmitRecord) -> None:
        self._log.append(self._conversation.id, (), (record,))
        try:
            await self._log.durable()
        except ServerError:
            refuse(record)
            self._log.append(self._conversation.id, (), (record,))
            raise

    def _give_up(self, record: SubmitRecord, error: ServerError) -> None:
        record.state, record.error = "removed", error.detail
        self._log.append(self._conversation.id, (), (record,))
        self._conversation.wake()

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
            self._give_up(record, error)
            raise
        except Unavailable:
            self.queue.hold(record)
            return
        if not taken:
            await self._too_late(record)

    def _steered(self, record: SubmitRecord, turn_id: str) -> None:
        record.state = "steered"
        self._conversation.open.steered(turn_id)
        if turn_id not in self._conversation.open.turns:  # ended before the core's yes got here
            self._send_again(record)
            self.kick()
            return
        self._underway.join(record)
        self._log.append(self._conversation.id, (), (record,))
        self._conversation.wake()

    async def _too_late(self, record: SubmitRecord) -> None:
        """The turn ended before the message got there: it gets a turn of its own."""
        record.turn_id = None
        free = not self._conversation.record.held and self._over(record) is None
        if self.phase is Phase.IDLE and free:
            await self._start(record)
        else:
            await self.queue.add(record, first=True)
            self.kick()

    # --- interrupting -----------------------------------------------------------------

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

    def hold(self) -> int:
        """Send nothing that waits until `let_go`; how many wait. The caller waits for the disk."""
        self._conversation.record.held = True
        self._conversation.save()
        first = self.queue.first()
        if first is not None:
            self.queue.hold_back(first, "held", {})
        return len(self.queue)

    def let_go(self) -> bool:
        """Send what waits again; whether it was held. The caller waits for the disk."""
        if not self._conversation.record.held:
            return False
        self._conversation.record.held = False
        self._conversation.save()
        if len(self.queue):
            self.queue.go_on()
            self.kick()
        return True

    # --- what happens meanwhile -------------------------------------------------------------

    def _on_appended(self, drafts: Sequence[Draft]) -> None:
        for draft in drafts:
            match draft.type:
                case events.TURN_STARTED:
                    self._turn_started(draft.turn_id)
                case events.TURN_COMPLETED:
                    self._turn_ended(draft)
                case events.ERROR:
                    self._login_wait.on_error(draft)
                    if self._own is not None:
                        self._own.on_error(draft)
                case _ if draft.item_type == "userMessage":
                    self._recognise(draft)
                case _:
                    self._login_wait.note(draft)

    def _turn_started(self, turn_id: str | None) -> None:
        record = self._underway.started(turn_id)
        if record is not None:
            self._log.append(self._conversation.id, (), (record,))
        elif self._own is not None and self._own.began(turn_id):
            self._started_by(turn_id, self._own.caller)
        self._mark()

    async def recover(self) -> None:
        """After a restart of the server: take in what waits, rebuild what was open, and know
        the messages of the turns that may go on."""
        conversation = self._conversation
        self.queue.restore(await self._log.waiting(conversation.id))
        shown: list[object] = []

        def seen(event: Event) -> None:
            shown.append(_shown_by(event))
            self._login_wait.note(event)

        await conversation.recover(self._in_doubt, seen)
        for record in await self._log.submits_of(conversation.id, conversation.open.turn_ids()):
            if record.state in ("started", "steered"):
                self._underway.join(record)
            if record.state == "started":
                self._started_by(record.turn_id, record.caller)
        for submit_id in shown:
            self._underway.shown(submit_id)

    @property
    def _in_doubt(self) -> bool:
        """Whether the core may have a message of which we do not know that it has."""
        return any(record.state in IN_DOUBT for record in self.queue)

    def _turn_ended(self, end: Draft) -> None:
        self._turn_started(end.turn_id)  # one that ends without a start has a message all the same
        self._login_wait.on_turn_end(end)
        for record in self._underway.ended(end.turn_id):
            self._send_again(record)
        self._mark()
        self.kick()

    def _send_again(self, record: SubmitRecord) -> None:
        """The turn ended before the core took in what was steered into it (it says nothing
        then, measured): the message goes to the head of the queue."""
        record.state, record.turn_id = "steering", None
        self.queue.hold(record)

    def _recognise(self, draft: Draft) -> None:
        """A turn shows a message: one in doubt is not sent again."""
        submit_id = _shown_by(draft)
        self._underway.shown(submit_id)
        for record in self.queue:
            if record.id == submit_id:
                self._settled(record, draft.turn_id)

    def _settled(self, record: SubmitRecord, turn_id: str | None) -> None:
        self.queue.take(record)
        begins = record.state == "starting"
        record.state, record.turn_id = "started", turn_id
        if begins:
            self._started_by(turn_id, record.caller)
        if turn_id in self._conversation.open.turns:
            self._underway.join(record)
        self.queue.announce("started", record)

    def on_unheard(self) -> None:
        """The core can't be heard: a message that it has not turned into a turn is in doubt."""
        expected = self._underway.lost()
        self._mark()
        if expected is not None:
            expected.state = "starting"
            self.queue.hold(expected)
        if self._own is not None:
            self._own.lost = True
            self._conversation.wake()
        self._conversation.meter.unheard()
        self._conversation.unheard(self._in_doubt)

    def on_signed_in(self) -> None:
        """Somebody signed in."""
        self._login_wait.release()
        self.kick()

    # --- sending what waits -----------------------------------------------------------------

    def kick(self) -> None:
        """Send the next waiting message, if nothing runs. Called when that may have changed."""
        host = self._conversation.host
        ready = self._engine.state.state == "ready" and host.accepting and not host.holds_back
        first = self.queue.first()
        if first is not None and not first.held and ready and not self._kicked:
            self._kicked = True
            self._conversation.host.spawn(self._pump())

    async def _pump(self) -> None:
        self._kicked = False
        async with self._lock:
            while self.phase is Phase.IDLE and len(self.queue):
                try:
                    await self._load()
                    if not await self._send_first():
                        return
                except ServerError as error:
                    log.warning("a waiting message could not be sent", reason=error.detail)
                    return

    async def _send_first(self) -> bool:
        """Send the first waiting message; False if it could not be sent now."""
        record = self.queue.first()
        if record is None or record.held or self.phase is not Phase.IDLE or self._is_held(record):
            return False
        held = await self._login_wait.holds(record)
        if held:
            self.queue.announce("waiting_for_login", record)
        if held or self._conversation.host.holds_back:
            return False
        await self._login_wait.forget_refused(record)
        if record is not self.queue.first():  # it was taken back, or another one put before it
            return True
        if self._is_held(record):
            return False
        self.queue.take(record)
        record.state = "starting"
        self._begin(record)
        self.queue.announce("started", record)
        try:
            await self._log.durable()
            await self._start_turn(record)
        except CoreRefused as error:
            record.state, record.error = "removed", error.detail
            self.queue.announce("failed", record, error=error.detail)
        except Unavailable:
            self.queue.hold(record)
            return False
        finally:
            self._begin(None)
        return True

    def _is_held(self, record: SubmitRecord) -> bool:
        """Whether the first message must wait on, with nothing running; the queue says why."""
        over = self._over(record)
        if self._conversation.record.held:
            self.queue.hold_back(record, "held", {})
        elif over is not None:
            self.queue.hold_back(record, "quota", self._conversation.host.ledger.view(over))
        return self._conversation.record.held or over is not None

    def _over(self, record: SubmitRecord) -> Over | None:
        return self._conversation.host.ledger.over(self._conversation.meter, record.caller)

    async def _load(self) -> None:
        """Have the thread in the core, and find out what became of messages in doubt."""
        await self._conversation.thread.load()
        for record in self.queue:
            if record.state in IN_DOUBT:
                await self._look_for(record)

    async def make_sure(self, submit_id: str) -> None:
        """Find out what became of a waiting message that the core may have: one that it has does
        not wait any more, and can't be changed. Raises as `Engine`."""
        doubted = (each.id for each in self.queue if each.state in IN_DOUBT)
        if submit_id in doubted:
            await self._load()

    async def clear(self) -> int:
        """Take back all that wait; how many. What the core may have is looked for first; where it
        can't be asked, that is taken back, too."""
        if self._in_doubt:
            with suppress(ServerError):
                await self._load()
        return await self.queue.clear()

    async def _look_for(self, record: SubmitRecord) -> None:
        thread_id = self._conversation.record.thread_id
        turn_id = await self._engine.find_message(thread_id, record.id)
        if record.state not in IN_DOUBT or record not in self.queue:
            return  # meanwhile it was taken back, or another look has found out
        if turn_id is not None:
            self._settled(record, turn_id)
        else:
            record.state = "queued"
            self.queue.announce("restored", record)


def _shown_by(event: Draft | Event) -> object:
    """The submit id of the message that an event shows, or None."""
    if event.item_type != "userMessage":
        return None
    item: dict[str, Any] = msgspec.json.decode(event.data).get("item") or {}
    return item.get("clientId")
