"""The part of chatgpt.com/backend-api that core 0.163 needs of an account: who, and what is left.

Part of the login issuer of the tests. A token that is not good gets 401, as there.
"""

import time
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from codex_http_server.testing.ledger import Ledger


class Backend:
    """Answers for the people whose tokens stand in the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.used_percent = 12
        self._ledger = ledger

    async def accounts(self, request: Request) -> Response:
        """The workspaces of the account; without it `account/read` and a login fail."""
        person = self._ledger.holder(bearer(request.headers))
        if person is None:
            return refusal("token_expired", 401)
        # An origin other than https is refused by the core; NO_CONSTRAINT keeps its own base.
        account = {
            "id": person.account,
            "workspace_backend_origin": "https://chatgpt.com",
            "account_routing_override": "NO_CONSTRAINT",
        }
        return JSONResponse(
            {
                "accounts": [account],
                "account_ordering": [person.account],
                "default_account_id": person.account,
            }
        )

    async def usage(self, request: Request) -> Response:
        """The rate limits: of whole percents, or the core does not read them."""
        person = self._ledger.holder(bearer(request.headers))
        if person is None:
            return refusal("token_expired", 401)
        now = int(time.time())
        limit = {
            "allowed": True,
            "limit_reached": False,
            "primary_window": _window(self.used_percent, 18_000, now),
            "secondary_window": _window(self.used_percent // 2, 604_800, now),
        }
        credit = {"has_credits": True, "unlimited": False, "balance": "5.39"}
        return JSONResponse({"plan_type": person.plan, "rate_limit": limit, "credits": credit})

    async def profile(self, request: Request) -> Response:
        """The tokens of a lifetime."""
        if self._ledger.holder(bearer(request.headers)) is None:
            return refusal("token_expired", 401)
        stats = {
            "lifetime_tokens": 9_999,
            "peak_daily_tokens": 2_345,
            "longest_running_turn_sec": 61,
            "current_streak_days": 2,
            "longest_streak_days": 5,
            "daily_usage_buckets": [{"start_date": "2026-01-02", "tokens": 2_345}],
        }
        return JSONResponse({"profile": {}, "stats": stats})


def _window(used: int, seconds: int, now: int) -> dict[str, object]:
    return {
        "used_percent": used,
        "limit_window_seconds": seconds,
        "reset_after_seconds": seconds // 2,
        "reset_at": now + seconds // 2,
    }


def bearer(headers: Mapping[str, str]) -> str:
    """The token of the Authorization header, "" without one."""
    return headers.get("authorization", "").removeprefix("Bearer ")


def refusal(code: str, status: int) -> Response:
    """An error as OpenAI words it; the core reads `code`."""
    error = {"message": f"The issuer says: {code}.", "type": "invalid_request_error", "code": code}
    return JSONResponse({"error": error}, status)
