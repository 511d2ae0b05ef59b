"""What is left of the account's rate limits, as the core knows it.

Owns the merged limits and when they were asked for. The core tells a part of them after each
answer of the model; the whole is asked of its backend, at most once a minute unless a caller
wants it fresh. What can't be read is said with a reason, and what is known is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

from codex_http_server.clock import now_ms, rfc3339
from codex_http_server.engine.base import Engine
from codex_http_server.errors import CoreRefused, ServerError
from codex_http_server.logs import get_logger

log = get_logger(__name__)

Json = dict[str, Any]

FRESH: Final = 60_000  # milliseconds for which what was read is good enough
ASK: Final = 10.0  # seconds for the backend to answer
WINDOWS: Final = ("primary", "secondary")
NO_LOGIN: Final = "authentication required"  # how the core says that no one is signed in


class AccountUsage:
    """The rate limits of one core's account."""

    def __init__(self, engine: Engine, clock: Callable[[], int] = now_ms) -> None:
        self._engine = engine
        self._clock = clock
        self._asking = asyncio.Lock()
        self._account = 0  # counts changes of the account: an answer for the last one is void
        self._told: dict[str, Json] = {}  # by limit, as the last event had it
        self.forget()

    def forget(self) -> None:
        """The account has changed: nothing is known of the new one."""
        self._account += 1
        self._limits: dict[str, Json] = {}
        self._answers: dict[str, Json | None] = {"rate_limits": None, "token_usage": None}
        self._reasons: dict[str, str | None] = {"rate_limits": None, "token_usage": None}
        self._known_ms = 0  # what is shown is from then
        self._read_ms = 0  # when all of it was last read
        self._tried_ms = 0

    def heard(self, fresh: Json, at_ms: int) -> Json | None:
        """Take what the core told; the whole limit, or None if that is nothing new to readers."""
        limit = str(fresh.get("limitId"))
        merged = _merged(self._limits.get(limit, {}), fresh)
        if merged == self._told.get(limit) or set(merged) <= {"limitId"}:
            return None
        self._limits[limit] = self._told[limit] = merged
        self._known_ms = at_ms
        return merged

    async def view(self, account: Json | None, *, refresh: bool) -> Json:
        """The limits, credits and plan, asked anew if that is due. `account` is what
        /auth/status says. Raises nothing: what can't be read has its reason."""
        asked_ms = self._clock()
        async with self._asking:
            due = refresh or asked_ms - self._read_ms > FRESH
            if due and self._tried_ms < asked_ms:  # else another caller has just asked
                await self._ask()
        limits = [self._limits[name] for name in sorted(self._limits)]
        reason = self._reasons["rate_limits"]
        return {
            "rate_limits": [row for limit in limits for row in _rows(limit)],
            "credits": next((_credits(each) for each in limits if each.get("credits")), None),
            "plan_type": next((p for each in limits if (p := each.get("planType"))), None)
            or (account or {}).get("plan_type"),
            "fetched_at": rfc3339(self._known_ms) if self._known_ms else None,
            "stale": bool(limits) and self._clock() - self._known_ms > FRESH,
            "reason": _told_apart(reason, account),
            "core": self._answers
            | {"token_usage_reason": _told_apart(self._reasons["token_usage"], account)},
        }

    async def _ask(self) -> None:
        account = self._account
        limits, tokens = await asyncio.gather(
            _answer(self._engine.read_rate_limits()), _answer(self._engine.read_token_usage())
        )
        if account != self._account:
            return
        self._tried_ms = self._clock()
        self._keep("rate_limits", limits)
        self._keep("token_usage", tokens)
        if isinstance(limits, dict):
            self._known_ms = self._read_ms = self._tried_ms
            self._limits |= _by_id(limits)

    def _keep(self, name: str, answer: Json | str) -> None:
        """What was not read this time may still be known from before."""
        if isinstance(answer, str):
            self._reasons[name] = answer
        else:
            self._answers[name], self._reasons[name] = answer, None


async def _answer(question: Awaitable[Json]) -> Json | str:
    """The answer, or the reason why there is none."""
    try:
        async with asyncio.timeout(ASK):
            return await question
    except CoreRefused as error:
        if NO_LOGIN in error.detail:
            return "not_signed_in"
        log.info("the backend did not tell the usage", reason=error.detail)
        return "unreadable"
    except (ServerError, TimeoutError) as error:
        log.info("the core did not tell the usage", reason=str(error))
        return "core_unavailable"


def _told_apart(reason: str | None, account: Json | None) -> str | None:
    """The core says the same to a key, to a provider without login and to nobody."""
    if reason != "not_signed_in" or account is None:
        return reason
    return "api_key" if account.get("auth_mode") == "apikey" else account.get("reason") or reason


def _by_id(answer: Json) -> dict[str, Json]:
    found: Json = answer.get("rateLimitsByLimitId") or {}
    single: Json = answer.get("rateLimits") or {}
    return {str(single.get("limitId")): single} | found if single else found


def _rows(limit: Json) -> list[Json]:
    """One row for each window, in our words."""
    found: list[Json] = []
    for window in WINDOWS:
        told: Json | None = limit.get(window)
        if told is not None:
            found.append(
                {
                    "limit_id": limit.get("limitId"),
                    "limit_name": limit.get("limitName"),
                    "window": window,
                    "used_percent": told.get("usedPercent"),
                    "window_minutes": told.get("windowDurationMins"),
                    "resets_at": _at(told.get("resetsAt")),
                    "reached": limit.get("rateLimitReachedType"),
                }
            )
    return found


def _at(seconds: Any) -> str | None:
    return rfc3339(int(seconds) * 1000) if isinstance(seconds, int | float) else None


def _credits(limit: Mapping[str, Any]) -> Json:
    told: Json = limit["credits"]
    return {
        "has_credits": told.get("hasCredits"),
        "unlimited": told.get("unlimited"),
        "balance": told.get("balance"),
    }


def _merged(known: Json, fresh: Json) -> Json:
    """`fresh` over `known`, window by window; a null says nothing."""
    merged = dict(known)
    for name, value in fresh.items():
        old = merged.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            merged[name] = _merged(cast(Json, old), cast(Json, value))
        elif value is not None:
            merged[name] = value
    return merged
