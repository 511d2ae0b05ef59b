"""How much one caller may have open: requests that are being worked on, and event streams.

Owns the counts. A caller is known by its name (`auth/callers.py`): all without a token are one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager

from starlette.types import ASGIApp, Receive, Scope, Send

from codex_http_server.api.doorkeeper import CALLER
from codex_http_server.api.problems import problem
from codex_http_server.auth.callers import Caller
from codex_http_server.errors import TooManyRequests


class Streams:
    """The open event streams, in all and of each caller."""

    def __init__(self, most: int, most_each: int | None = None) -> None:
        self._most = most
        self._most_each = max(1, most // 2) if most_each is None else most_each
        self._open: Counter[str] = Counter()

    def refusal(self, caller: Caller) -> str | None:
        """Why this caller can't have one more, or None."""
        every = self._open.total()
        if every >= self._most:
            return f"{every} event streams are open already"
        own = self._open[caller.name]
        if own >= self._most_each:
            return f"{own} event streams of this caller ({caller.name}) are open already"
        return None

    def need(self, caller: Caller) -> None:
        """Raises `TooManyRequests` where this caller can't have one more."""
        reason = self.refusal(caller)
        if reason is not None:
            raise TooManyRequests(f"{reason[:1].upper()}{reason[1:]}.")

    def one(self, caller: Caller) -> AbstractContextManager[None]:
        """Count one while the block runs."""
        return _counted(self._open, caller.name)


class InFlight:
    """Refuses a request of a caller that has too many running. What waits counts, a long poll or
    a slow body; an event stream does not: it has passed when its body begins."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._running: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = scope[CALLER].name
        if self._running[name] >= self._most:
            detail = f"{self._most} requests of this caller ({name}) are running already."
            answer = problem(TooManyRequests(detail), scope["request_id"])
            await answer(scope, receive, send)
            return
        with _counted(self._running, name):
            await self._app(scope, receive, send)


@contextmanager
def _counted(counts: Counter[str], name: str) -> Generator[None]:
    counts[name] += 1
    try:
        yield
    finally:
        counts[name] -= 1
        if not counts[name]:
            del counts[name]
