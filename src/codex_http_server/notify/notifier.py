"""All receivers of one server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from codex_http_server.events import Event
from codex_http_server.notify.courier import Courier, CourierView


class Notifier:
    """The couriers, one for each receiver. Without any it does nothing."""

    def __init__(self, couriers: Iterable[Courier]) -> None:
        self._couriers = tuple(couriers)

    def push(self, events: Sequence[Event]) -> None:
        """Take in what was committed. The log calls this, on the event loop."""
        for courier in self._couriers:
            courier.push(events)

    async def run(self) -> None:
        """Tell the receivers, until cancelled; what is not told by then is told next time."""
        async with asyncio.TaskGroup() as group:
            for courier in self._couriers:
                group.create_task(courier.run())
            await asyncio.Event().wait()

    @property
    def views(self) -> list[CourierView]:
        """How each receiver stands."""
        return [courier.view for courier in self._couriers]

    def trouble(self) -> list[str]:
        """What is wrong with receivers, in words."""
        return [
            f"The {view.name} that is told of events: {view.trouble}; {view.waiting} wait."
            for view in self.views
            if view.trouble
        ]
