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
    """`ask` puts a step into the next commit, behind all that was noted."""

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._noted = 1  # how often; the first time stands for what an earlier server left
        self._put = 0  # how much of that is in the index
        self._rubbed = 0  # of how much of it nothing that was deleted is left
        self._asked = 0  # the step that is on its way comes after so much; 0: there is none
        self.failure: str | None = None  # why the index can't be kept up
        self._waiting: set[asyncio.Future[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def note(self) -> None:
        """Something that is searched was appended, or deleted."""
        self._noted += 1
        self._later(SOON)

    def took(self, done: Progress) -> None:
        """A step was committed."""
        asked, self._asked, self.failure = self._asked, 0, done.failure
        self._put = self._put if done.behind else asked
        self._rubbed = self._rubbed if done.unclean else asked
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        if done.failure is not None:
            self._later(AGAIN)
        elif done.behind or done.unclean:
            self._later(PAUSE)

    async def up_to_date(self, seconds: float) -> bool:
        """Wait until all is in that was noted before; False if that takes longer, or fails."""
        noted = self._noted
        return await self._until(lambda: self._put >= noted, seconds)

    async def cleaned(self, seconds: float) -> bool:
        """Wait until nothing is left of what was deleted before; False as above."""
        noted = self._noted
        return await self._until(lambda: self._rubbed >= noted, seconds)

    def close(self) -> None:
        """Ask for nothing more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    async def _until(self, reached: Callable[[], bool], seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        failed = False  # once is no answer: after a fault it is made anew
        while not reached():
            if self._closed or loop.time() >= end or (failed and self.failure is not None):
                return False
            failed = self.failure is not None
            self._go()
            await self._next(end - loop.time())
        return True

    async def _next(self, seconds: float) -> None:
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
            self._asked = self._noted
            self._ask()
