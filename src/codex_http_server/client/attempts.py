"""When a request is tried again, and after how long.

It is, where nothing can have been done (no connection; 503 and 429 with Retry-After) or where doing
it twice is doing it once (GET, or a POST with its Idempotency-Key); never for longer than the
client's patience. Does no I/O.
"""

from __future__ import annotations

import random
import time
from typing import Any, Final

import httpx

from codex_http_server.client.calls import Call
from codex_http_server.client.errors import (
    ApiError,
    ClientError,
    ConnectionLost,
    ServerNotFound,
)

FIRST, LONGEST = 0.1, 5.0  # seconds between two tries; each wait is twice the one before
ASKED_BEFORE: Final = "request_in_progress"  # our own first try, whose answer was lost
NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# What 503 and 429 say before anything was accepted; `core_timeout` leaves the outcome open.
PASSING: Final = frozenset(
    {"unavailable", "core_unavailable", "stopping", "too_many_connections", "too_many_requests"}
)


class Contact:
    """Whether the server has answered yet. One that never has is not waited for."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self.met = False


class Attempts:
    """The tries of one request, or of one stream until it is open."""

    def __init__(self, call: Call[Any], contact: Contact) -> None:
        self._call = call
        self._contact = contact
        self._end: float | None = None
        self._wait = FIRST

    def after(self, error: httpx.TransportError | ClientError, least: float = 0.0) -> float:
        """Seconds to wait before the next try. Raises what the caller is to see, if there is no
        use in one."""
        wanted = self._wanted(error)
        if wanted is None:
            raise _shown(error) from error
        now = time.monotonic()
        self._end = now + self._contact.patience if self._end is None else self._end
        left = self._end - now
        if left <= 0 or wanted > left:
            raise _shown(error) from error
        # So that many clients of one server do not come back in step.
        wait = min(self._wait, LONGEST) * random.uniform(0.75, 1.25)  # noqa: S311
        self._wait *= 2
        return min(left, max(wait, wanted, least))

    def _wanted(self, error: httpx.TransportError | ClientError) -> float | None:
        """How long to wait at least; None if trying again is wrong or of no use."""
        match error:
            case httpx.TransportError():
                safe = isinstance(error, NOT_SENT) or self._call.repeatable
                return 0.0 if self._contact.met and safe else None
            case ServerNotFound():  # it has stopped, and may be started again
                return 0.0 if self._contact.met else None
            case ApiError(code=code, retry_after=seconds) if code in PASSING:
                return seconds
            case ApiError(code=code):
                return 0.0 if code == ASKED_BEFORE else None
            case _:
                return None


def _shown(error: httpx.TransportError | ClientError) -> ClientError:
    if isinstance(error, ClientError):
        return error
    what = "can't be reached" if isinstance(error, NOT_SENT) else "went away"
    return ConnectionLost(
        f"The server{_where(error)} {what}: {str(error) or type(error).__name__}.",
        hint="Look whether it runs: codex-http-server doctor.",
    )


def _where(error: httpx.TransportError) -> str:
    try:
        return f" at {error.request.url}"
    except RuntimeError:  # it belongs to no request
        return ""
