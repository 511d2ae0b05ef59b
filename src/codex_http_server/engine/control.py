"""What is done with a thread as a whole, in the core's own methods: see `engine.base.Control`.

With codex.py and past.py the only file that knows their names; each answer was measured.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, Final, Protocol

import msgspec

from codex_http_server.engine.base import Deletion, OnTurn, Terminal
from codex_http_server.engine.past import newest_turns, pages
from codex_http_server.engine.repository import check_repository
from codex_http_server.engine.rpc import OnResult
from codex_http_server.errors import ConversationBusy, CoreError, CoreRefused, TurnNotFound

MOST: Final = 1000  # commands of one thread that are listed


class Ask(Protocol):
    """How the core is asked. `on_result` runs before any event that follows the answer."""

    def __call__(
        self, method: str, params: dict[str, Any], on_result: OnResult | None = None
    ) -> Awaitable[msgspec.Raw]: ...


class _Id(msgspec.Struct):
    id: str


class _Forked(msgspec.Struct):
    thread: _Id


class _Begun(msgspec.Struct):
    turn: _Id


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
                await self.archive(thread_id)  # the fork does so all the same; no list shows it
                return "kept"
            raise CoreRefused(error.message, core_code=error.rpc_code) from error
        return "deleted"

    async def fork(
        self, thread_id: str, last_turn_id: str, cwd: str, on_forked: Callable[[str], None]
    ) -> None:
        # Never `sandbox` here, as in thread/start. Without a last turn, a fork during a turn would
        # tell the model that it was interrupted (measured).
        params = {
            "threadId": thread_id,
            "lastTurnId": last_turn_id,
            "cwd": cwd,
            "excludeTurns": True,
        }

        def forked(result: msgspec.Raw) -> None:
            on_forked(msgspec.json.decode(result, type=_Forked).thread.id)

        try:
            await self._ask_any("thread/fork", params, forked)
        except CoreError as error:
            if "turn not found" in error.message or "no rollout found" in error.message:
                raise TurnNotFound(f"Codex has no turn {last_turn_id} here.") from error
            if "in-progress turn" in error.message:  # also one that runs in another process
                raise ConversationBusy(f"The turn {last_turn_id} is running.") from error
            raise CoreRefused(error.message, core_code=error.rpc_code) from error

    async def newest_turns(self, thread_id: str) -> list[str]:
        with refusals():
            return await newest_turns(self._ask_any, thread_id)

    async def compact(self, thread_id: str) -> None:
        with refusals():
            await self._ask("thread/compact/start", {"threadId": thread_id})

    async def review(
        self, thread_id: str, cwd: str, target: dict[str, Any], on_bound: OnTurn
    ) -> None:
        if target["type"] == "baseBranch":
            await check_repository(cwd)

        def begun(result: msgspec.Raw) -> None:
            on_bound(msgspec.json.decode(result, type=_Begun).turn.id)

        # Never `delivery: detached`: the core refuses it for the threads that it makes by default.
        with refusals():
            await self._ask("review/start", {"threadId": thread_id, "target": target}, begun)

    async def shell(self, thread_id: str, command: str, timeout_ms: int | None) -> None:
        params = {"threadId": thread_id, "command": command, "timeoutMs": timeout_ms}
        with refusals():
            await self._ask("thread/shellCommand", params)

    async def loaded(self) -> list[str]:
        with refusals():
            answer = await self._ask("thread/loaded/list", {"limit": MOST})
            return msgspec.json.decode(answer)["data"]

    async def active(self) -> list[str]:
        found: list[str] = []
        with refusals():
            for thread_id in await self.loaded():
                read = await self._ask("thread/read", {"threadId": thread_id})
                status: dict[str, Any] = msgspec.json.decode(read)["thread"].get("status") or {}
                if status.get("type") == "active":
                    found.append(thread_id)
        return found

    async def terminals(self, thread_id: str) -> list[Terminal]:
        with refusals():
            where = {"threadId": thread_id}
            found = await pages(self._ask, "thread/backgroundTerminals/list", where, MOST)
        return [terminal_of(each) for each in found]

    async def end_terminal(self, thread_id: str, terminal_id: str) -> bool:
        params = {"threadId": thread_id, "processId": terminal_id}
        with refusals():
            found = await self._ask("thread/backgroundTerminals/terminate", params)
        return bool(msgspec.json.decode(found).get("terminated"))


def terminal_of(found: dict[str, Any]) -> Terminal:
    """A command, as the core lists it."""
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
