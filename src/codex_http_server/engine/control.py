"""What is done with a thread as a whole, in the core's own methods: see `engine.base.Control`.

With codex.py and past.py the only file that knows their names; each answer was measured.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from codex_http_server.engine.base import Deletion, Terminal
from codex_http_server.engine.past import pages
from codex_http_server.errors import CoreError, CoreRefused

MOST: Final = 1000  # commands of one thread that are listed
Ask = Callable[[str, dict[str, Any]], Awaitable[msgspec.Raw]]


class ThreadControl:
    """A `Control`. `ask` asks the present core, `ask_any` waits for one."""

    def __init__(self, ask: Ask, ask_any: Ask) -> None:
        self._ask = ask
        self._ask_any = ask_any

    async def archive(self, thread_id: str) -> bool:
        return await self._done("thread/archive", thread_id)

    async def unarchive(self, thread_id: str) -> bool:
        return await self._done("thread/unarchive", thread_id)

    async def _done(self, method: str, thread_id: str) -> bool:
        """Whether it was done; False where the core has no file of the thread to do it with: it
        never had a turn and its core is gone, or somebody else was first."""
        try:
            await self._ask_any(method, {"threadId": thread_id})
        except CoreError as error:
            if "rollout found for thread" in error.message:
                return False
            raise CoreRefused(error.message, core_code=error.rpc_code) from error
        return True

    async def delete(self, thread_id: str) -> Deletion:
        try:
            await self._ask_any("thread/delete", {"threadId": thread_id})
        except CoreError as error:
            if "not found" in error.message or "no rollout found" in error.message:
                return "none"
            if "still references it" in error.message:  # a fork reads on in its file
                return "kept"
            raise CoreRefused(error.message, core_code=error.rpc_code) from error
        return "deleted"

    async def terminals(self, thread_id: str) -> list[Terminal]:
        with refusals():
            where = {"threadId": thread_id}
            found = await pages(self._ask, "thread/backgroundTerminals/list", where, MOST)
        return [_terminal(each) for each in found]

    async def end_terminal(self, thread_id: str, terminal_id: str) -> bool:
        params = {"threadId": thread_id, "processId": terminal_id}
        with refusals():
            found = await self._ask("thread/backgroundTerminals/terminate", params)
        return bool(msgspec.json.decode(found).get("terminated"))


def _terminal(found: dict[str, Any]) -> Terminal:
    return Terminal(
        id=str(found["processId"]),
        item_id=str(found["itemId"]),
        command=str(found["command"]),
        directory=str(found["cwd"]),
        pid=found.get("osPid"),
    )


@contextmanager
def refusals() -> Generator[None]:
    """What the core refuses is refused to our caller."""
    try:
        yield
    except CoreError as error:
        raise CoreRefused(error.message, core_code=error.rpc_code) from error
