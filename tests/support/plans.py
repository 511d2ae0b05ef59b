"""A model that keeps a plan of its work. The core offers the tool for it only where its
configuration says so; without, a call of it is refused and nothing is told (measured, 0.163)."""

from __future__ import annotations

from codex_http_server.testing.answers import ToolCall

PLANS = {"tools.update_plan.enabled": True}


def planned(why: str | None, *steps: str) -> ToolCall:
    """The model tells its plan: how each step stands (`pending`, `in_progress`, `completed`)."""
    plan = [{"step": f"Step {n}", "status": status} for n, status in enumerate(steps, 1)]
    return ToolCall("update_plan", {"plan": plan} | ({"explanation": why} if why else {}))
