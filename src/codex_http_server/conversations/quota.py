"""Limits on turns, minutes and tokens: what is over, by how much, and until when. Pure.

A day is a day of UTC. A turn counts whole on the day on which it ends, one that runs today.
Knows no conversation and no log: `ledger.py` says what was spent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from codex_http_server.clock import rfc3339
from codex_http_server.errors import QuotaExceeded
from codex_http_server.records import Spent

Scope = Literal["conversation", "token", "day"]
Kind = Literal["turns", "minutes", "tokens"]

DAY: Final = 86_400_000  # milliseconds
ENDS_TURNS: Final[tuple[Kind, ...]] = ("minutes", "tokens")  # kinds that a running turn can pass


@dataclass(frozen=True)
class Quota:
    """One limit. `conversation`: over its life; `token`: each caller a day; `day`: all of it."""

    scope: Scope
    kind: Kind
    limit: float

    @property
    def name(self) -> str:
        """The setting's word for it."""
        return f"{self.scope}.{self.kind}"

    def resets_ms(self, now: int) -> int | None:
        """When it begins anew; None: never."""
        return None if self.scope == "conversation" else day_of(now) + DAY

    def view(self, used: float | None, now: int) -> dict[str, Any]:
        """As the API shows it."""
        resets = self.resets_ms(now)
        return {
            "quota": self.name,
            "limit": _number(self.limit),
            "used": None if used is None else _number(used),
            "resets_at": None if resets is None else rfc3339(resets),
        }


def day_of(ms: int) -> int:
    """The first millisecond of the day of `ms`."""
    return ms - ms % DAY


def quotas(words: Iterable[str]) -> list[Quota]:
    """Quotas from the words of the setting, which has checked them: `day.tokens=5000`."""
    return [_quota(word) for word in words]


def _quota(word: str) -> Quota:
    name, _, limit = word.partition("=")
    scope, _, kind = name.partition(".")
    return Quota(cast(Scope, scope), cast(Kind, kind), float(limit))


def used(kind: Kind, spent: Spent) -> float:
    """How much of one kind was spent."""
    match kind:
        case "turns":
            return spent.turns
        case "minutes":
            return spent.ms / 60_000
        case "tokens":
            return spent.tokens.total


def _number(value: float) -> float:
    """Whole numbers as such, minutes to a hundredth."""
    return int(value) if value == int(value) else round(value, 2)


@dataclass(frozen=True)
class Over:
    """A quota that is used up."""

    quota: Quota
    used: float

    def view(self, now: int) -> dict[str, Any]:
        """As events and the queue show it."""
        return self.quota.view(self.used, now)

    def error(self, now: int) -> QuotaExceeded:
        """What a caller is told who asks for more."""
        fields = self.view(now)
        resets = self.quota.resets_ms(now)
        hint = (
            "Start another conversation, or raise the setting `quota`."
            if resets is None
            else f"It begins anew at {fields['resets_at']}; or raise the setting `quota`."
        )
        return QuotaExceeded(
            f"The quota {self.quota.name} is used up: {fields['used']} of {fields['limit']}.",
            hint=hint,
            retry_after=None if resets is None else -(-(resets - now) // 1000),
            **fields,
        )


def reached(limits: Sequence[Quota], spent: Callable[[Scope], Spent]) -> Over | None:
    """The first quota that leaves nothing for more; `spent` says what was spent in a scope."""
    for quota in limits:
        amount = used(quota.kind, spent(quota.scope))
        if amount >= quota.limit:
            return Over(quota, amount)
    return None


def passed(limits: Sequence[Quota], spent: Callable[[Scope], Spent]) -> Over | None:
    """The first quota that a running turn has passed, for which it must end."""
    for quota in limits:
        amount = used(quota.kind, spent(quota.scope))
        if quota.kind in ENDS_TURNS and amount > quota.limit:
            return Over(quota, amount)
    return None
