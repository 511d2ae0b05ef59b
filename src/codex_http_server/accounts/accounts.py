"""Who the core is signed in as, for /auth/status and snapshots.

Owns the last known account; `usage.py` has its rate limits. The core's
`account/rateLimits/updated` is mostly nulls (measured), so it is passed on merged, and only when
something changed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from codex_http_server import events
from codex_http_server.accounts.usage import AccountUsage
from codex_http_server.engine.base import Account, Engine
from codex_http_server.errors import CoreRefused
from codex_http_server.events import Draft, raw


class Accounts:
    """The account of one core."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.last: dict[str, Any] | None = None
        self.usage = AccountUsage(engine)

    async def status(self) -> dict[str, Any]:
        """The account as the core sees it now. Raises `CoreUnavailable`, `CoreTimeout`."""
        try:
            self.last = _view(await self._engine.read_account())
        except CoreRefused as error:
            self.last = _view(Account(requires_login=True)) | {
                "reason": "account_unreadable",
                "detail": error.detail,
            }
        return self.last

    def on_server_event(self, draft: Draft) -> Draft | None:
        """What an event that belongs to no conversation becomes; None if it says nothing new."""
        if draft.type == events.ACCOUNT_UPDATED:
            self.usage.forget()  # it may be another account's
        return self._merge(draft) if draft.type == events.RATE_LIMITS else draft

    def _merge(self, draft: Draft) -> Draft | None:
        fresh: dict[str, Any] = msgspec.json.decode(draft.data).get("rateLimits") or {}
        merged = self.usage.heard(fresh, draft.at_ms)
        if merged is None:
            return None
        draft.data = raw({"rateLimits": merged})
        draft.synthetic = "merged"
        return draft


def _view(account: Account) -> dict[str, Any]:
    authenticated = account.auth_mode is not None
    return {
        "authenticated": authenticated,
        "auth_mode": account.auth_mode,
        "email": account.email,
        "plan_type": account.plan_type,
        "requires_login": account.requires_login,
        "reason": _reason(account, authenticated),
    }


def _reason(account: Account, authenticated: bool) -> str | None:
    if authenticated:
        return None
    return "not_signed_in" if account.requires_login else "provider_needs_no_login"
