"""The recent end of one stream, in memory, and the wake-ups of those who read it.

Bounded in bytes and shared by all readers of the stream. Knows neither log nor HTTP.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Final

from codex_http_server.events import Event

OVERHEAD: Final = 400  # bytes that an event costs beside its data, roughly


def _cost(event: Event) -> int:
    """Bytes in memory: its data, the same again once it is rendered, and the rest."""
    return 2 * len(event.data) + OVERHEAD


class Alarm:
    """The end of a reader's wait. Its timer stays where it stands and is moved only when it
    rings too early, so that a stream that flows sets none."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._woken: asyncio.Future[bool] | None = None

    def set(self, due: float, woken: asyncio.Future[bool]) -> None:
        """At `due`, on the loop's clock, `woken` becomes False, if it is not done by then."""
        self._due, self._woken = due, woken
        if self._timer is not None and self._timer.when() > due:
            self.stop()
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._woken is None or self._woken.done():
            return
        if self._loop.time() < self._due:
            self.set(self._due, self._woken)
        else:
            self._woken.set_result(False)

    def stop(self) -> None:
        """Never ring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Tail:
    """The newest committed events of one stream, in order, bounded by `limit` bytes."""

    def __init__(self, floor: int, limit: int, key: Callable[[Event], int]) -> None:
        self._floor = floor
        self._limit = limit
        self._key = key
        self._events: list[Event] = []
        self._size = 0
        self._waiting: dict[asyncio.Future[bool], None] = {}  # in the order in which they came
        self.wakes = 0

    def push(self, events: Sequence[Event]) -> None:
        """Take newly committed events and wake the readers."""
        self._events += events
        self._size += sum(map(_cost, events))
        if self._size > self._limit:
            self._trim()
        self.wake()

    def _trim(self) -> None:
        keep = len(self._events)
        size = 0
        while keep and size < self._limit // 2:
            keep -= 1
            size += _cost(self._events[keep])
        if keep:
            self._floor = self._key(self._events[keep - 1])
            del self._events[:keep]
        self._size = size

    def wake(self) -> None:
        """Wake every reader that waits."""
        self.wakes += 1
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, {}
        for woken in waiting:
            if not woken.done():
                woken.set_result(True)

    async def wait(self, alarm: Alarm, due: float) -> None:
        """Wait for the next wake-up. TimeoutError at `due`."""
        woken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[woken] = None
        alarm.set(due, woken)
        try:
            if not await woken:
                raise TimeoutError
        finally:
            self._waiting.pop(woken, None)

    def after(self, cursor: int) -> Sequence[Event] | None:
        """Events after `cursor`; None if it is older than what is held here."""
        events, key = self._events, self._key
        if cursor < self._floor:
            return None
        fresh = key(events[-1]) - cursor if events else 0
        if fresh <= 0:
            return []
        # Numbers seldom have holes, so the place can be counted; else it is searched.
        if fresh > len(events) or key(events[-fresh]) != cursor + 1:
            return events[bisect_right(events, cursor, key=key) :]
        return events[-fresh:]


def by_seq(event: Event) -> int:
    """The cursor of a conversation's stream."""
    return event.seq


def by_position(event: Event) -> int:
    """The cursor of the stream of everything."""
    return event.position
