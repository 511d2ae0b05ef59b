"""Codex's own daemon on the home: would the server join it, or has it?"""

from __future__ import annotations

import asyncio
from typing import Final

from codex_http_server.doctor.case import Case
from codex_http_server.doctor.results import Result, fail, ok, warn
from codex_http_server.engine.daemon import UnfitError, look
from codex_http_server.engine.launch import no_daemon
from codex_http_server.engine.meeting import Meeting, meet

ANEW: Final = "To have one core on the home, restart the server: it joins the daemon then."


def daemon(case: Case) -> list[Result]:
    """Whether one runs, and whether it can be joined."""
    return [judge(asyncio.run(meet(case.places.home)), case.settings.core, _core(case))]


def judge(met: Meeting, mode: str, core: dict[str, object] | None) -> Result:
    """What was met, against the setting `core` and the core of the running server, if one runs."""
    if met.daemon is None or met.presence != "healthy":
        return _unfit(met, mode)
    found = f"codex {met.version} (pid {met.daemon.pid})"
    if core is not None and core.get("joined"):
        return ok("daemon", f"{found}, joined by the server")
    if mode == "own":
        return ok("daemon", f"{found}; it is not joined, as core = own says")
    if core is not None:
        return warn("daemon", f"{found}; the server has a core of its own.", ANEW)
    return ok("daemon", f"{found}; the server will join it")


def _unfit(met: Meeting, mode: str) -> Result:
    refusal = no_daemon(met)
    if mode == "join":
        return fail("daemon", refusal.detail, refusal.hint or "")
    if met.presence == "none":
        return ok("daemon", "none runs on this home")
    return warn("daemon", refusal.detail, refusal.hint or "")


def joined(case: Case) -> list[int]:
    """The pid of the daemon that the server has joined, or will join; empty if there is none."""
    core = _core(case)
    if core is not None:
        pid = core.get("pid")
        return [pid] if core.get("joined") and isinstance(pid, int) else []
    try:
        found = look(case.places.home) if case.settings.core != "own" else None
    except (UnfitError, OSError):
        return []
    return [found.pid] if found else []


def _core(case: Case) -> dict[str, object] | None:
    """What the running server says of its core."""
    health = (case.running and case.running.health) or {}
    return health.get("core")
