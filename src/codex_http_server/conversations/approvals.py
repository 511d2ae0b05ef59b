"""The approvals of one conversation: asked once, answered once, ended once.

Owns what waits for a decision, the deadlines, and the events `approval/requested` and
`approval/resolved`. A decision is on disk before the core hears of it: where we die in between,
the core asks again on the next connection and gets the same answer, without anyone being asked.
What can be answered, and how the core is told, `engine/decisions.py` knows.
Before: conversation, manager. After: engine, eventlog.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from codex_http_server import events
from codex_http_server.auth.callers import Caller, Scope
from codex_http_server.clock import new_id, now_ms
from codex_http_server.conversations import views
from codex_http_server.conversations.diffs import unified
from codex_http_server.conversations.thread import ThreadLink
from codex_http_server.engine import decisions
from codex_http_server.engine.base import Engine, Question
from codex_http_server.engine.decisions import Given
from codex_http_server.errors import ApprovalEnded, ApprovalNotFound, ServerError
from codex_http_server.eventlog.base import EventLog
from codex_http_server.events import Draft, raw
from codex_http_server.logs import get_logger
from codex_http_server.records import (
    ApprovalRecord,
    ConversationRecord,
    Decision,
    Record,
    RequestId,
    Resolution,
)
from codex_http_server.state import Open

log = get_logger(__name__)

REPEATED: Final = 2.0  # seconds for the core to repeat a question after its thread was resumed
LOST: Final = ("core_lost", "server_stopped")  # ends of turns that no core told


@dataclass(frozen=True)
class Deadlines:
    """Seconds that an approval waits; 0: for ever."""

    attended: float = 600.0
    alone: float = 600.0  # while no client reads the conversation's events

    def of(self, record: ConversationRecord, *, attended: bool) -> float:
        """What holds for this conversation."""
        if record.approval_deadline is not None:
            return record.approval_deadline
        return self.attended if attended else self.alone


class Owner(Protocol):
    """The conversation, as far as its approvals need it."""

    record: ConversationRecord
    log: EventLog
    engine: Engine
    open: Open
    thread: ThreadLink
    heard_ms: int

    @property
    def id(self) -> str: ...

    def append(self, drafts: Sequence[Draft], records: Sequence[Record] = ()) -> None:
        """Append events with what they change, in one commit."""
        ...

    def patience(self, turn_id: str | None) -> float:
        """Seconds that an approval of this turn may wait; 0: for ever."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` as a task that the manager owns."""
        ...


class Approvals:
    """See the head of this file. Falsy when none waits."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._pending: dict[str, ApprovalRecord] = {}
        self._answered: dict[str, ApprovalRecord] = {}  # ended; the core has not said that it knows
        self._answers: dict[str, Any] = {}  # by approval: what the core is told, secrets too
        self._bound: dict[str, RequestId] = {}  # by approval: the request on this connection
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._asked = asyncio.Event()  # a question was repeated

    def __len__(self) -> int:
        return len(self._pending)

    def holds(self, turn_id: str) -> bool:
        """Whether this turn waits for a decision."""
        return any(record.turn_id == turn_id for record in self._pending.values())

    def view(self) -> list[dict[str, Any]]:
        """Those that wait, as the API shows them; oldest first."""
        return [views.approval(record) for record in self._pending.values()]

    @property
    def _open(self) -> dict[str, ApprovalRecord]:
        """What the core may ask again."""
        return self._pending | self._answered

    @property
    def threads(self) -> set[str]:
        """The threads whose questions are open here: the conversation's and its helpers'."""
        return {record.thread_id for record in self._open.values()}

    @property
    def in_doubt(self) -> bool:
        """Whether the core may ask again what is known here."""
        return bool(self._open)

    def turn_of(self, thread_id: str) -> str | None:
        """The turn that a helper's open question belongs to."""
        found = [r.turn_id for r in self._open.values() if r.thread_id == thread_id]
        return found[0] if found else None

    # --- asking -----------------------------------------------------------------------------

    def ask(self, question: Question, turn_id: str | None) -> None:
        """Take a question of the core, which may be one that is known already. `turn_id` is the
        turn of the conversation that it belongs to."""
        known = self._repeated(question)
        if known is None and self._owner.thread.behind:
            # What led to it is told first; if it is not told, the question is repeated.
            self._owner.thread.hold(lambda: self.ask(question, turn_id))
        elif known is None:
            self._begin(question, turn_id)
        elif known.id in self._pending:
            self._bind(known, question.request_id)
        else:
            self._bound[known.id] = question.request_id
            self._owner.spawn(self._tell(known))

    def _repeated(self, question: Question) -> ApprovalRecord | None:
        """The approval that this question asks for again."""
        for record in self._open.values():
            if (record.thread_id, record.request_id, record.method, record.asked_turn) == (
                question.thread_id,
                question.request_id,
                question.method,
                question.turn_id,
            ):
                return record
        return None

    def _begin(self, question: Question, turn_id: str | None) -> None:
        record = self._record(question, turn_id)
        record.decisions = decisions.offered(question.method, _json(question.params))
        record.default = decisions.default(record.decisions)
        patience = self._owner.patience(turn_id)
        record.deadline_ms = record.created_ms + int(patience * 1000) if patience else None
        self._pending[record.id] = record
        self._owner.append([_requested(record)], [record])
        self._bind(record, question.request_id)

    def _record(self, question: Question, turn_id: str | None) -> ApprovalRecord:
        return ApprovalRecord(
            id=new_id(),
            conversation_id=self._owner.id,
            thread_id=question.thread_id or "",
            request_id=question.request_id,
            asked_turn=question.turn_id,
            turn_id=turn_id,
            # An item of another thread is none of this conversation.
            item_id=question.item_id if turn_id == question.turn_id else None,
            kind=question.kind,
            method=question.method,
            request=question.params,
            diff=self._diff(question),
            created_ms=now_ms(),
        )

    def _diff(self, question: Question) -> str | None:
        """The core's request has none: it is that of the item which has just started."""
        item = self._owner.open.items.get((question.turn_id or "", question.item_id or ""))
        if question.kind != "file_change" or item is None:
            return None
        return unified(item.form().get("changes"))

    def refuse(self, question: Question, turn_id: str | None) -> None:
        """Take a question that has no answer but an error: nobody is kept waiting for it."""
        record = self._record(question, turn_id)
        record.state = "ended"
        record.resolution = Resolution(None, None, "server", "unknown_method", record.created_ms)
        self._owner.append([_requested(record), _resolved(record)], [record])
        self._owner.engine.answer(question.request_id, None)

    def _bind(self, record: ApprovalRecord, request_id: RequestId) -> None:
        """It can be answered over the present connection: its deadline counts."""
        self._bound[record.id] = request_id
        self._asked.set()
        self._arm(record)

    def _arm(self, record: ApprovalRecord) -> None:
        self._disarm(record.id)
        if record.deadline_ms is not None:
            left = max(0.0, (record.deadline_ms - now_ms()) / 1000)
            loop = asyncio.get_running_loop()
            self._timers[record.id] = loop.call_later(left, self._expire, record)

    def _disarm(self, approval_id: str) -> None:
        timer = self._timers.pop(approval_id, None)
        if timer is not None:
            timer.cancel()

    # --- answering --------------------------------------------------------------------------

    async def answer(self, approval_id: str, given: Given, caller: Caller) -> ApprovalRecord:
        """Answer a question of the core, once.

        Raises `ApprovalNotFound`, `ApprovalEnded`, `DecisionNotOffered`, `Invalid`,
        `ScopeRequired`, `CoreUnavailable`, `CoreTimeout`, `CoreRefused`, `StorageFull`.
        """
        record = self._pending.get(approval_id)
        if record is None:
            await self._owner.log.durable()  # what is read must be as new as what is in memory
            record = await self.get(approval_id)
        _check_pending(record)
        decision = decisions.choose(record.decisions, given)
        answer = decisions.compose(decision, given, _json(record.request))
        if decision.elevate:
            caller.need(Scope.ELEVATE)
        await self._owner.engine.wait_ready()
        if self._owner.thread.behind:
            await self._owner.thread.load()
        await self._owner.log.durable()  # nothing is decided that can't be kept
        _check_pending(record)  # somebody else may have been quicker
        self._decide(record, decision, answer, caller.name, "answered")
        await self._tell(record)
        return record

    async def get(self, approval_id: str) -> ApprovalRecord:
        """Any approval of the conversation. Raises `ApprovalNotFound`."""
        found = self._open.get(approval_id) or await self._owner.log.approval(approval_id)
        if found is None or found.conversation_id != self._owner.id:
            raise ApprovalNotFound(f"There is no approval {approval_id[:100]} here.")
        return found

    def _decide(
        self, record: ApprovalRecord, decision: Decision, answer: Any, by: str, reason: str
    ) -> None:
        """End it with a decision that the core is to be told."""
        self._answers[record.id] = answer
        self._answered[record.id] = record
        shown = decisions.shown(answer, _json(record.request))
        record.hidden = shown != answer
        draft = self._end(record, by, reason, decision.id, shown)
        self._owner.append([draft], [record])
        self._owner.heard_ms = record_ms(record)  # the core's silence begins anew

    async def _tell(self, record: ApprovalRecord) -> None:
        """Give the core the answer that is on disk."""
        try:
            await self._owner.log.durable()
        except ServerError as error:  # it stands all the same: the core waits for it
            log.warning("an answer is not on disk yet", approval_id=record.id, reason=error.detail)
        request_id = self._bound.get(record.id)
        if request_id is not None:  # else the core asks again on the next connection
            answer = self._answers.get(record.id, _kept(record))
            self._owner.engine.answer(request_id, answer)

    def _settle(self, record: ApprovalRecord) -> ApprovalRecord:
        """The core has the answer, or will never ask again."""
        record.state = "ended"
        self._answered.pop(record.id, None)
        self._answers.pop(record.id, None)
        self._bound.pop(record.id, None)
        return record

    def _expire(self, record: ApprovalRecord) -> None:
        """Nobody has decided in time."""
        self._timers.pop(record.id, None)
        if record.deadline_ms is not None and now_ms() < record.deadline_ms:
            self._arm(record)  # the timer counts by another clock: never before its time
            return
        decision = next((d for d in record.decisions if d.id == record.default), None)
        # Where the core can't be heard it may have been answered: then it is asked again.
        if record.id in self._pending and record.id in self._bound and decision is not None:
            self._decide(record, decision, decision.answer, "server", "expired")
            self._owner.spawn(self._tell(record))

    def _end(
        self,
        record: ApprovalRecord,
        by: str,
        reason: str,
        decision: str | None = None,
        answer: Any = None,
    ) -> Draft:
        """End it; the event that tells so, for the caller to append with the record."""
        self._pending.pop(record.id, None)
        self._disarm(record.id)
        record.state = "ended" if decision is None else "answered"
        if decision is None:
            self._bound.pop(record.id, None)
        record.resolution = Resolution(decision, answer, by, reason, now_ms())
        return _resolved(record)

    # --- ends that are not decided here -----------------------------------------------------

    def ended_by(self, draft: Draft) -> tuple[list[Draft], list[Record]]:
        """The ends that an event of a turn or of the core brings, with the records that change."""
        match draft.type:
            case events.TURN_COMPLETED:
                by, reason = _left_by(draft)
                found = [r for r in self._open.values() if r.asked_turn == draft.turn_id]
            case events.REQUEST_RESOLVED:
                by, reason = "client", "answered_elsewhere"
                found = self._resolved(draft)
            case events.ITEM_COMPLETED if draft.item_type == "dynamicToolCall":
                # The core does not tell of such a question's end (measured).
                by, reason = "client", "answered_elsewhere"
                found = [r for r in self._open.values() if r.item_id == draft.item_id]
            case _:
                return [], []
        waiting = [record for record in found if record.id in self._pending]
        ends = [self._end(record, by, reason) for record in waiting]
        return ends, [self._settle(record) for record in found]

    def _resolved(self, draft: Draft) -> list[ApprovalRecord]:
        """Those that are open under the request which the core says has ended."""
        told: Any = _json(draft.data)
        return [
            record
            for record in self._open.values()
            if self._bound.get(record.id) == told.get("requestId")
            and record.thread_id == told.get("threadId")
        ]

    def hear(self, draft: Draft) -> None:
        """Take an event of a helper's thread, which is none of the conversation."""
        self._write(*self.ended_by(draft))

    def void(self, reason: str) -> None:
        """The core is gone, and every question with it."""
        found = list(self._pending.values())
        ends = [self._end(record, "core_lost", reason) for record in found]
        self._write(ends, [*found, *map(self._settle, list(self._answered.values()))])

    def _write(self, ends: Sequence[Draft], records: Sequence[Record]) -> None:
        if ends:
            self._owner.append(ends, records)
        elif records:
            self._owner.log.append(self._owner.id, (), records)

    # --- connections ------------------------------------------------------------------------

    def unheard(self) -> None:
        """The core can't be heard any more: nothing can be answered until it asks again."""
        self._bound.clear()
        for approval_id in list(self._timers):
            self._disarm(approval_id)

    def restore(self, records: Sequence[ApprovalRecord]) -> None:
        """After a restart of the server: take what was open."""
        for record in records:
            place = self._pending if record.state == "pending" else self._answered
            place[record.id] = record

    async def caught_up(self) -> None:
        """The threads are resumed and their history is told: what the core does not ask again
        was answered while nobody heard it."""
        try:
            async with asyncio.timeout(REPEATED):
                while any(record_id not in self._bound for record_id in self._open):
                    self._asked.clear()
                    await self._asked.wait()
        except TimeoutError:
            log.info("questions have ended meanwhile", conversation_id=self._owner.id)
        found = [r for r in self._pending.values() if r.id not in self._bound]
        ends = [self._end(record, "client", "while_not_connected") for record in found]
        known = [r for r in self._answered.values() if r.id not in self._bound]
        self._write(ends, [*found, *map(self._settle, known)])


def record_ms(record: ApprovalRecord) -> int:
    """When it ended."""
    return record.resolution.at_ms if record.resolution else record.created_ms


def _check_pending(record: ApprovalRecord) -> None:
    """Raises `ApprovalEnded`."""
    resolution = views.resolution(record)
    if resolution is not None:
        raise ApprovalEnded(
            f"The approval has ended: {resolution['reason']}, by {resolution['by']}.",
            hint="Somebody was quicker, or its time was up; `resolution` has all of it.",
            resolution=resolution,
        )


def _left_by(end: Draft) -> tuple[str, str]:
    """By whom and why an approval ends whose turn is over."""
    if end.synthetic in LOST:
        return "core_lost", str(end.synthetic)
    if end.synthetic is not None:  # its history tells it
        return "client", "while_not_connected"
    return "server", "interrupted" if end.status == "interrupted" else "turn_ended"


def _kept(record: ApprovalRecord) -> Any:
    """The answer as it is on disk, for a core that asks again after we died. A secret is not
    kept: then the question is declined."""
    if record.resolution is None or record.hidden:
        return next((d.answer for d in record.decisions if d.id == record.default), None)
    return record.resolution.answer


def _json(data: msgspec.Raw) -> Any:
    return msgspec.json.decode(data)


def _requested(record: ApprovalRecord) -> Draft:
    body = views.asked(record) | {"request": record.request}  # the core's own bytes
    return _about(record, events.APPROVAL_REQUESTED, body, record.created_ms, "pending")


def _resolved(record: ApprovalRecord) -> Draft:
    body = {"approval_id": record.id} | (views.resolution(record) or {})
    return _about(record, events.APPROVAL_RESOLVED, body, record_ms(record), "resolved")


def _about(record: ApprovalRecord, kind: str, body: Any, at_ms: int, status: str) -> Draft:
    return Draft(
        type=kind,
        data=raw(body),
        at_ms=at_ms,
        turn_id=record.turn_id,
        item_id=record.item_id,
        status=status,
    )
