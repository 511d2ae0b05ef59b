"""What was spent by conversation, caller and day, and whether there is room for more.

Owns the sums in memory: read once at the start, then kept up with every turn. The log owns the
rows; `usage.py` finds what a turn cost, `quota.py` what that means. Turns that run, and messages
that are about to have one, count too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from codex_http_server.clock import now_ms
from codex_http_server.conversations import quota
from codex_http_server.conversations.quota import Over, Quota, Scope
from codex_http_server.errors import QuotaExceeded
from codex_http_server.eventlog.base import EventLog
from codex_http_server.events import Draft
from codex_http_server.records import Spent, TurnRecord
from codex_http_server.usage import CORE, Change, Meter

OnPassed = Callable[[Meter, str, Over], None]


class Ledger:
    """One for the server. `open` before any conversation is."""

    def __init__(self, quotas: Sequence[Quota] = (), clock: Callable[[], int] = now_ms) -> None:
        self.quotas = quotas
        self._clock = clock
        self._ended = Spent()
        self._day = 0
        self._today: dict[str, Spent] = {}  # by caller, turns that ended today
        self._active: dict[str, Meter] = {}  # of conversations with a turn now
        self.on_passed: OnPassed | None = None

    async def open(self, log: EventLog) -> None:
        """Read what was spent."""
        self._day = quota.day_of(self._clock())
        found = await log.ledger_sums(self._day)
        self._ended, self._today = found.total, found.since

    # --- what happens -----------------------------------------------------------------------

    def note(self, meter: Meter, drafts: Iterable[Draft]) -> list[TurnRecord]:
        """Count what these events tell; the rows to write with them."""
        changes = [change for draft in drafts if (change := meter.note(draft)) is not None]
        self.touch(meter)
        for change in changes:
            self.settle(change)
        return [change.record for change in changes]

    def touch(self, meter: Meter) -> None:
        """Have a conversation counted for as long as it has a turn, or is about to."""
        if meter.running or meter.starting is not None:
            self._active[meter.conversation_id] = meter
        else:
            self._active.pop(meter.conversation_id, None)

    def settle(self, change: Change) -> None:
        """A turn has ended, or what is known of it has changed."""
        record, before = change
        self._roll()
        more = Spent(tokens=record.tokens.since(before.tokens)) if before else record.spent
        self._ended += more
        if quota.day_of(record.ended_ms) < self._day:
            return
        if before is not None and before.caller != record.caller:  # it was counted for the core
            left = self._today.get(before.caller, Spent())
            self._today[before.caller] = left.without(before.spent)
            more = record.spent
        self._today[record.caller] = self._today.get(record.caller, Spent()) + more

    def _roll(self) -> None:
        """A new day begins with nothing; a clock that is set back does not begin one."""
        day = quota.day_of(self._clock())
        if day > self._day:
            self._day, self._today = day, {}

    # --- is there room ----------------------------------------------------------------------

    def check(self, meter: Meter, caller: str, *, new_turn: bool = True) -> None:
        """Raises `QuotaExceeded` where this caller may send the conversation nothing more."""
        over = self.over(meter, caller, new_turn=new_turn)
        if over is not None:
            raise self.error(over)

    def error(self, over: Over) -> QuotaExceeded:
        """What a caller is told who asks for more."""
        return over.error(self._clock())

    def over(self, meter: Meter, caller: str, *, new_turn: bool = True) -> Over | None:
        """The quota that leaves no room for a message; a steered one begins no new turn."""
        limits = [each for each in self.quotas if new_turn or each.kind != "turns"]
        return quota.reached(limits, lambda scope: self.spent(scope, meter, caller))

    def look(self) -> None:
        """Find the running turns that have passed a quota."""
        if not self.quotas or self.on_passed is None:
            return
        for meter in list(self._active.values()):
            for turn_id in list(meter.running):
                over = self._passed(meter, meter.caller(turn_id))
                if over is not None:
                    self.on_passed(meter, turn_id, over)

    def _passed(self, meter: Meter, caller: str) -> Over | None:
        # What the core began by itself is nobody's: it counts for the conversation and the day.
        limits = [each for each in self.quotas if caller != CORE or each.scope != "token"]
        return quota.passed(limits, lambda scope: self.spent(scope, meter, caller))

    # --- the sums ---------------------------------------------------------------------------

    def spent(self, scope: Scope, meter: Meter, caller: str) -> Spent:
        """What was spent in a scope, by turns that ended and those that run."""
        match scope:
            case "conversation":
                return self.by(meter)
            case "token":
                return self.today().get(caller, Spent())
            case "day":
                return self.spent_today()

    def by(self, meter: Meter) -> Spent:
        """What the conversation has spent over its life."""
        return sum((each for _, each in self._now(meter)), meter.ended)

    def total(self) -> Spent:
        """What all turns of this server cost."""
        running = (each for meter in self._active.values() for _, each in self._now(meter))
        return sum(running, self._ended)

    def spent_today(self) -> Spent:
        """What all turns cost today."""
        return sum(self.today().values(), Spent())

    def today(self) -> dict[str, Spent]:
        """What was spent today, by caller."""
        self._roll()
        found = dict(self._today)
        for meter in self._active.values():
            for caller, each in self._now(meter):
                found[caller] = found.get(caller, Spent()) + each
        return found

    def _now(self, meter: Meter) -> Iterable[tuple[str, Spent]]:
        """Of turns that run or are about to: whose they are and what they cost so far."""
        now = self._clock()
        for turn_id, turn in meter.running.items():
            yield meter.caller(turn_id), turn.spent(now)
        if meter.starting is not None:
            yield meter.starting, Spent(turns=1)

    # --- as the API shows it ----------------------------------------------------------------

    def view(self, over: Over) -> dict[str, Any]:
        """A quota that is used up, in events and the queue."""
        return over.view(self._clock())

    def quota_views(self, caller: str, meter: Meter | None = None) -> list[dict[str, Any]]:
        """All quotas, with what this caller, or this conversation, has used of them."""
        now, found = self._clock(), list[dict[str, Any]]()
        for each in self.quotas:
            known = meter is not None or each.scope != "conversation"
            spent = self.spent(each.scope, meter or Meter(""), caller)
            found.append(each.view(quota.used(each.kind, spent) if known else None, now))
        return found
