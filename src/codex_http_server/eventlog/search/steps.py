"""When the index is kept up: soon after something was said, and at once when somebody asks.

On the event loop. Owns the rhythm of the steps; what one does is in `index.py`, and each goes
to the disk with the log's next commit. In the background they leave the writer time for others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from codex_http_server.eventlog.search.index import Progress

SOON: Final = 1.0  # seconds after something was said
PAUSE: Final = 0.02  # seconds between two steps in the background
AGAIN: Final = 30.0  # seconds after a fault of the index until it is tried again


class Steps:
    """`ask` puts a step into the next commit."""

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._asked = False  # a step is on its way
        self._stale = True  # something was appended that the last step may not have seen
        self._last = Progress(behind=True, unclean=True)
        self._waiting: set[asyncio.Future[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def failure(self) -> str | None:
        """Why the index can't be kept up; None if it can."""
        return self._last.failure

    def note(self) -> None:
        """Something that is searched was appended, or deleted."""
        self._stale = True
        self._later(SOON)

    def took(self, done: Progress) -> None:
        """A step was committed."""
        self._asked, self._last = False, done
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        if done.failure is not None:
            self._later(AGAIN)
        elif done.behind or done.unclean:
            self._later(PAUSE)

    async def up_to_date(self, seconds: float) -> bool:
        """Wait until all is in that was appended before; False if that takes longer, or fails."""
        return await self._until(lambda: not (self._stale or self._last.behind), seconds)

    async def cleaned(self, seconds: float) -> bool:
        """Wait until nothing is left of what was deleted; False as above."""
        return await self._until(lambda: not (self._stale or self._last.unclean), seconds)

    def close(self) -> None:
        """Ask for nothing more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    async def _until(self, reached: Callable[[], bool], seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        failed = False  # once is no answer: it may be made anew
        while self._asked or not reached():
            if self._closed or loop.time() >= end or (failed and self.failure is not None):
                return False
            failed = self.failure is not None
            self._go()
            await self._took(end - loop.time())
        return True

    async def _took(self, seconds: float) -> None:
        """Wait for the step that is on its way."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        await asyncio.wait([waiter], timeout=seconds)
        self._waiting.discard(waiter)

    def _later(self, seconds: float) -> None:
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self._timer.when() <= loop.time() + seconds:
                return
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._go)

    def _go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._asked and not self._closed:
            self._asked, self._stale = True, False
            self._ask()
