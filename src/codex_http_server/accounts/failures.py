"""Why a login did not begin or did not succeed: the core's words (0.163) in ours."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from codex_http_server.accounts.ports import listeners
from codex_http_server.accounts.reasons import plain
from codex_http_server.errors import (
    CoreRefused,
    LoginIssuerFailed,
    LoginPortTaken,
    ServerError,
)

PORTS: Final = (1455, 1457)  # of 127.0.0.1: the core waits for the browser at the first free one
AGAIN: Final = "Start a new login."

# What its sentence holds, our code, what to do. The first that fits counts.
_FAILURES: Final = (
    ("restricted to workspace", "wrong_workspace", "Sign in with an account of that workspace."),
    ("timed out", "expired", AGAIN),
    ("Sign-in failed", "denied", "Start a new login, and allow it in the browser."),
    ("device auth failed with status 4", "denied", "Start a new login, and allow it."),
    # Another Codex that wants the port asks for it, and this login ends (measured).
    ("not completed", "cancelled", "Start a new login, while no other Codex begins one."),
    ("Missing authorization code", "no_code", AGAIN),
    ("oken exchange failed", "exchange_failed", AGAIN),
    ("code exchange failed", "exchange_failed", AGAIN),
    ("workspace routing", "account_unreadable", "See /auth/status: the tokens are stored."),
)


def problem(code: str, detail: str, hint: str | None) -> dict[str, Any]:
    """An error as a login shows it."""
    return {"code": code, "detail": plain(detail), "hint": hint}


def failure(words: str) -> dict[str, Any]:
    """What `account/login/completed` says."""
    found = (each for each in _FAILURES if each[0] in words)
    _, code, hint = next(found, ("", "login_failed", AGAIN))
    return problem(code, words, hint)


async def translated(error: ServerError) -> ServerError:
    """What the core refused to begin."""
    if not isinstance(error, CoreRefused):
        return error
    if "already in use" in error.detail:
        return await _port_taken()
    if "failed to request device code" in error.detail:
        return LoginIssuerFailed(
            f"The login issuer did not begin the login: {plain(error.detail)}.",
            hint="Check the network and the proxy of this machine, and try again.",
        )
    return error


async def _port_taken() -> LoginPortTaken:
    held = await asyncio.to_thread(listeners, PORTS)
    who = "; ".join(f"{port}: {name}" for port, name in sorted(held.items()))
    return LoginPortTaken(
        "The core waits for the browser on port 1455 or 1457 of 127.0.0.1, and both are taken"
        + (f" ({who})." if who else "."),
        hint='Sign in with {"method": "device_code"}, which needs no port, or end that program.',
        holders={str(port): name for port, name in held.items()},
    )
