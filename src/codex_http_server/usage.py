"""What the turns of one conversation cost, counted from its events. Pure.

The core reports its running total for the thread, after each answer of the model and again,
unchanged, on a resume, a compaction or an interrupt (measured). So a turn's tokens are what the
total rose by while it ran, never the sum of what was said. A fork begins with the total of its
source: a total that comes with a turn which is not of this conversation counts for nothing. What
a turn took while nobody heard it shows in the next report: the total rose by more than the last
answer took (a core that is taken over repeats nothing, measured).

Knows neither limits nor log. `conversations/ledger.py` adds up what it finds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal, NamedTuple

import msgspec

from codex_http_server import events
from codex_http_server.events import Draft, Event
from codex_http_server.records import Spent, Tokens, TurnRecord

CORE: Final = "core"  # the caller of turns that no message of ours started
RECENT: Final = 8  # ended turns that a late report may still be for
HISTORY: Final = "history"  # told from what the core keeps
LOST: Final = "core_lost"  # why a turn was ended that nobody heard any more


class _Counts(msgspec.Struct):
    inputTokens: int = 0
    cachedInputTokens: int = 0
    cacheWriteInputTokens: int = 0
    outputTokens: int = 0
    reasoningOutputTokens: int = 0
    totalTokens: int = 0


class _Usage(msgspec.Struct):
    total: _Counts
    last: _Counts | None = None


class _Report(msgspec.Struct):
    threadId: str
    tokenUsage: _Usage


_report: Final = msgspec.json.Decoder(_Report)


class Report(NamedTuple):
    """What the core says of a thread: its tokens in all, and those of its last answer."""

    thread_id: str
    total: Tokens
    last: Tokens


def reported(data: msgspec.Raw) -> Report | None:
    """The core's token report; None where it has another shape."""
    try:
        found = _report.decode(data)
    except msgspec.MsgspecError:
        return None
    usage = found.tokenUsage
    return Report(found.threadId, _tokens(usage.total), _tokens(usage.last or usage.total))


def _tokens(counts: _Counts) -> Tokens:
    return Tokens(*msgspec.structs.astuple(counts))


class Running:
    """A turn that runs: since when, and its tokens so far."""

    def __init__(self, started_ms: int) -> None:
        self.started_ms = started_ms
        self.tokens = Tokens()
        self.told = False  # that it passed a quota
        self.whole = True  # nothing of it was missed since the last report
        self.heard_ms: int | None = None  # set after a restart: nobody knows that it went on

    def spent(self, now: int) -> Spent:
        """What it has cost up to `now`."""
        until = now if self.heard_ms is None else self.heard_ms
        return Spent(1, max(0, until - self.started_ms), self.tokens)


class Change(NamedTuple):
    """A row of the ledger that is new, or takes the place of `before`."""

    record: TurnRecord
    before: TurnRecord | None = None


class Meter:
    """See the head of this file. Give it every event of the conversation, in order."""

    def __init__(self, conversation_id: str) -> None:
        self.conversation_id = conversation_id
        self.ended = Spent()  # by all turns that have ended
        self.running: dict[str, Running] = {}
        self.starting: str | None = None  # caller of a message that will have a turn any moment
        self._callers: dict[str, str] = {}
        self._recent: dict[str, TurnRecord] = {}
        self._thread_id = ""
        self._total = Tokens()  # the core's count for the thread, as last heard

    def restore(self, ended: Spent, recent: Iterable[TurnRecord], thread_id: str) -> None:
        """After a restart: what the ledger has, and its newest rows."""
        self.ended = ended
        self._recent = {record.turn_id: record for record in recent}
        self._thread_id = thread_id
        self._total = self._newest_total()

    def replay(self, event: Draft | Event) -> None:
        """After a restart: an event since something was open. What has ended is in the ledger."""
        if event.type == events.TURN_COMPLETED:
            self.running.pop(event.turn_id or "", None)
        elif event.type != events.USAGE or event.turn_id in self.running:
            self.note(event)
        elif (report := reported(event.data)) is not None:
            self._thread_id, self._total = report.thread_id, report.total
        for turn in self.running.values():
            turn.heard_ms, turn.whole = event.at_ms, False

    def unheard(self) -> None:
        """The core can't be heard: of what runs a part may be missed."""
        for turn in self.running.values():
            turn.whole = False

    def reverted(self, turn_ids: Iterable[str]) -> None:
        """These turns were taken back: the core's total is again what it was before them
        (measured). What they cost was spent all the same."""
        for turn_id in turn_ids:
            self._recent.pop(turn_id, None)
        self._total = self._newest_total()

    def _newest_total(self) -> Tokens:
        totals = [r.thread_total for r in self._recent.values() if r.thread_id == self._thread_id]
        return max(totals, key=lambda tokens: tokens.total, default=Tokens())

    def began(self, turn_id: str, caller: str) -> Change | None:
        """A message of this caller started the turn; told late, its row changes."""
        record = self._recent.get(turn_id)
        if record is None:
            self._callers[turn_id] = caller
            return None
        return self._replace(record, caller=caller) if record.caller == CORE else None

    def caller(self, turn_id: str) -> str:
        """Who started this turn."""
        return self._callers.get(turn_id, CORE)

    def note(self, event: Draft | Event) -> Change | None:
        """Take one event; what it changes in the ledger."""
        turn_id = event.turn_id
        if turn_id is None:
            return None
        if event.synthetic is None and turn_id in self.running:
            self.running[turn_id].heard_ms = None
        match event.type:
            case events.TURN_STARTED:
                self.running[turn_id] = Running(_started_ms(event))
            case events.TURN_COMPLETED:
                return self._end(event, turn_id)
            case events.USAGE:
                return self._count(event, turn_id)
            case events.QUOTA_EXCEEDED if turn_id in self.running:
                self.running[turn_id].told = True
            case _:
                pass
        return None

    def _count(self, event: Draft | Event, turn_id: str) -> Change | None:
        report = reported(event.data)
        if report is None:
            return None
        before = self._total if report.thread_id == self._thread_id else Tokens()
        self._thread_id, self._total = report.thread_id, report.total
        more = report.total.since(before)
        turn = self.running.get(turn_id)
        if turn is None:
            return self._add_late(self._recent.get(turn_id), more)
        own = more.least(report.last) if turn.whole else more
        turn.tokens += own
        turn.whole = True
        newest = next(reversed(self._recent.values()), None)
        missed = newest is not None and newest.usage == "unknown"
        return self._add_late(newest if missed else None, more.since(own))

    def _add_late(self, record: TurnRecord | None, more: Tokens) -> Change | None:
        """What was told after its turn: without one, it is only where we stand from now on."""
        if record is None or not more.total or record.thread_id != self._thread_id:
            return None
        tokens, total = record.tokens + more, self._total
        return self._replace(record, tokens=tokens, usage="late", thread_total=total)

    def _end(self, event: Draft | Event, turn_id: str) -> Change | None:
        turn = self.running.pop(turn_id, None) or Running(_started_ms(event))
        caller = self._callers.pop(turn_id, CORE)
        started, ended = _times(event, turn)
        record = TurnRecord(
            conversation_id=self.conversation_id,
            turn_id=turn_id,
            thread_id=self._thread_id,
            caller=caller,
            status=event.status or "completed",
            started_ms=started,
            ended_ms=ended,
            tokens=turn.tokens,
            usage=_usage(turn, event),
            thread_total=self._total,
        )
        self._remember(record)
        self.ended += record.spent
        return Change(record)

    def _replace(self, record: TurnRecord, **fields: Any) -> Change:
        changed = msgspec.structs.replace(record, **fields)
        self._recent[record.turn_id] = changed
        more = changed.tokens.since(record.tokens)
        self.ended += Spent(tokens=more)
        return Change(changed, record)

    def _remember(self, record: TurnRecord) -> None:
        self._recent[record.turn_id] = record
        while len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]


def _usage(turn: Running, end: Draft | Event) -> Literal["reported", "none", "unknown"]:
    if not turn.whole or end.synthetic == HISTORY:
        return "unknown"
    return "reported" if turn.tokens.total else "none"


class _Turn(msgspec.Struct):
    startedAt: float | None = None
    completedAt: float | None = None
    durationMs: float | None = None


class _About(msgspec.Struct):
    turn: _Turn


_about: Final = msgspec.json.Decoder(_About)


def _turn(event: Draft | Event) -> _Turn:
    try:
        return _about.decode(event.data).turn
    except msgspec.MsgspecError:
        return _Turn()


def _started_ms(event: Draft | Event) -> int:
    """When the turn began: told from the core's history, that was before the event."""
    told = _turn(event).startedAt
    return int(told * 1000) if event.synthetic and told else event.at_ms


def _times(event: Draft | Event, turn: Running) -> tuple[int, int]:
    """When a turn began and ended. One that was lost while this server was away ran as long as
    it was heard; one that the core tells of ran as long as the core says."""
    if event.synthetic == LOST and turn.heard_ms is not None:
        return turn.started_ms, turn.heard_ms
    about = _turn(event)
    if event.synthetic == HISTORY and about.completedAt and about.durationMs is not None:
        ended = int(about.completedAt * 1000)
        return ended - int(about.durationMs), ended
    return turn.started_ms, event.at_ms
