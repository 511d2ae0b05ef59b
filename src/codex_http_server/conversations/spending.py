"""What was spent, as the API shows it. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from codex_http_server.clock import rfc3339
from codex_http_server.records import Spent, TurnRecord
from codex_http_server.usage import Meter


def spent(value: Spent) -> dict[str, Any]:
    """A sum: turns, minutes and tokens by kind."""
    tokens: dict[str, int] = msgspec.structs.asdict(value.tokens)
    return {"turns": value.turns, "minutes": _minutes(value.ms)} | tokens


def turn(record: TurnRecord, *, reverted: bool = False) -> dict[str, Any]:
    """A turn that has ended; whether it was taken back since."""
    return {
        "turn_id": record.turn_id,
        "caller": record.caller,
        "status": record.status,
        "started_at": rfc3339(record.started_ms),
        "ended_at": rfc3339(record.ended_ms),
        "minutes": _minutes(record.spent.ms),
        "tokens": msgspec.structs.asdict(record.tokens),
        "usage": record.usage,
        "reverted": reverted,
    }


def running(meter: Meter, now: int) -> list[dict[str, Any]]:
    """Turns that run, with what they took so far."""
    return [
        {
            "turn_id": turn_id,
            "caller": meter.caller(turn_id),
            "status": "inProgress",
            "started_at": rfc3339(each.started_ms),
            "ended_at": None,
            "minutes": _minutes(each.spent(now).ms),
            "tokens": msgspec.structs.asdict(each.tokens),
            "usage": "reported" if each.tokens.total else "none",
            "reverted": False,
        }
        for turn_id, each in meter.running.items()
    ]


def context(usage: dict[str, Any] | None) -> dict[str, Any] | None:
    """How full the model's context is, by the core's newest report."""
    window = usage.get("modelContextWindow") if usage else None
    if usage is None or window is None:
        return None
    used = int(usage["last"]["totalTokens"])
    return {"window": window, "used": used, "left": max(0, window - used)}


def callers(today: dict[str, Spent], most: int) -> list[dict[str, Any]]:
    """Who spent what today, the most tokens first."""
    order = sorted(today.items(), key=lambda pair: (-pair[1].tokens.total, pair[0]))
    return [{"caller": name} | spent(value) for name, value in order[:most] if value.turns]


def _minutes(ms: int) -> float:
    return round(ms / 60_000, 2)
