"""What an interrupted turn leaves running, and what becomes of it: ended, and told as one event.

The core ends the model's work and leaves the turn's commands (measured): they are ended here. What
left their process groups is asked to end, and killed after `interrupt_grace`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from codex_http_server import events
from codex_http_server.clock import now_ms
from codex_http_server.engine.base import Engine
from codex_http_server.errors import ServerError
from codex_http_server.eventlog.base import EventLog
from codex_http_server.events import Draft, raw
from codex_http_server.logs import get_logger
from codex_http_server.records import ConversationRecord
from codex_http_server.state import Open

log = get_logger(__name__)


class Cleared(Protocol):
    """The conversation whose turns are cleared up after."""

    record: ConversationRecord
    open: Open
    log: EventLog
    deleted: bool

    @property
    def id(self) -> str: ...

    @property
    def engine(self) -> Engine: ...

    def append(self, drafts: Sequence[Draft]) -> None: ...


class Clearing:
    """The turns of one conversation that were asked to end, until what they left has ended."""

    def __init__(self, conversation: Cleared) -> None:
        self._conversation = conversation
        self._asked: dict[str, asyncio.Future[dict[str, Any]]] = {}

    def ask(self, turn_id: str) -> None:
        """This turn was asked to end."""
        if turn_id not in self._asked:
            self._asked[turn_id] = asyncio.get_running_loop().create_future()

    def __contains__(self, turn_id: str | None) -> bool:
        """Whether it was asked to end, and has not been cleared up after."""
        return turn_id in self._asked

    async def report(self, turn_id: str, seconds: float) -> dict[str, Any] | None:
        """What was ended with this turn; None if that is not known in time."""
        asked = self._asked.get(turn_id)
        if asked is None:
            return None
        try:
            return await asyncio.wait_for(asyncio.shield(asked), seconds)
        except TimeoutError:
            return None

    async def clear(self, turn_id: str, grace: float | None) -> None:
        """The turn has ended: end what it left, tell it. `grace` None: the core is stopping, and
        takes all of it along."""
        body: dict[str, Any] = {"turnId": turn_id, "commands": [], "processes": []}
        try:
            if grace is not None:
                await self._end(turn_id, grace, body)
        except ServerError as error:
            log.warning("commands go on that should have ended", reason=error.detail)
            body["problem"] = error.detail
        finally:
            asked = self._asked.pop(turn_id, None)
        found = body["commands"] or body["processes"] or "problem" in body
        if found and not self._conversation.deleted:
            self._conversation.append([Draft(events.TURN_CLEARED, raw(body), now_ms(), turn_id)])
        if asked is not None and not asked.done():
            asked.set_result(body)

    async def _end(self, turn_id: str, grace: float, body: dict[str, Any]) -> None:
        here = self._conversation
        thread_id, calls = here.record.thread_id, await self._calls(turn_id)
        ended = await here.engine.end_commands(thread_id, self._of_turn(turn_id))
        body["commands"] = [{"itemId": each.item_id, "command": each.command} for each in ended]
        calls |= {each.item_id for each in ended}
        left = await here.engine.end_leftovers(thread_id, calls, grace)
        body["processes"] = [
            {"pid": each.pid, "itemId": each.item_id, "command": each.command, "how": each.how}
            for each in left
        ]

    def _of_turn(self, turn_id: str) -> Callable[[str], bool]:
        """Which commands an interrupted turn leaves: all but those of other turns. One that was
        just being started has no item yet, and runs all the same (measured)."""
        items = self._conversation.open.items.values()
        others = {item.item_id for item in items if item.turn_id != turn_id}
        return lambda item_id: item_id not in others

    async def _calls(self, turn_id: str) -> set[str]:
        """The items of the turn's commands, those that have ended too."""
        here = self._conversation
        still = {i.item_id for i in here.open.items.values() if i.turn_id == turn_id}
        await here.log.durable()  # the ends that are on their way
        told = await here.log.turn_events(here.id, turn_id)
        return still | {e.item_id for e in told if e.item_type == "commandExecution" and e.item_id}
