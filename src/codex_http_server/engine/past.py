"""What the core keeps of a thread: read to fill the log after nobody was connected.

The core never repeats a notification. What it keeps, and that for good, are turns with their
status and the finished items of each (measured: an open item is in no list, a message that was
steered away or retried is in none either).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any, Final

import msgspec

from codex_http_server.engine.base import Past, PastItem, PastTurn
from codex_http_server.errors import CoreError

PAGE: Final = 100  # entries asked for at once; the core gives no more
TURNS: Final = 5 * PAGE  # turns looked at, newest first
ALL_TURNS: Final = 200 * PAGE  # of a thread that somebody else began

# A thread without a turn has no file, and so no list, whether it is loaded or not (measured).
NO_LIST: Final = ("not supported yet", "not materialized yet", "not loaded")

Ask = Callable[[str, dict[str, Any]], Awaitable[msgspec.Raw]]


class _Page(msgspec.Struct):
    data: list[dict[str, Any]]
    nextCursor: str | None = None


async def read_past(
    ask: Ask, thread_id: str, wanted: Collection[str], known: Collection[str]
) -> Past:
    """See `Engine.read_past`.

    Commands that run are asked for before the items: one that ends in between is in both.
    """
    where = {"threadId": thread_id}
    running = await pages(ask, "thread/backgroundTerminals/list", where, PAGE)
    turns = [
        PastTurn(
            id=str(turn["id"]),
            status=str(turn["status"]),
            body=turn,
            items=await _items(ask, where | {"turnId": turn["id"]}),
        )
        for turn in await _turns(ask, where, set(wanted), frozenset(known), TURNS)
    ]
    return Past(turns, {str(each["itemId"]): _running(each) for each in running})


async def read_turns(ask: Ask, thread_id: str, known: Collection[str]) -> list[PastTurn]:
    """See `Engine.past_turns`."""
    found = await _turns(ask, {"threadId": thread_id}, set(), frozenset(known), ALL_TURNS)
    return [PastTurn(str(turn["id"]), str(turn["status"]), turn, []) for turn in found]


async def newest_turns(ask: Ask, thread_id: str) -> list[str]:
    """See `Control.newest_turns`."""
    params = {"threadId": thread_id, "itemsView": "notLoaded", "sortDirection": "desc"}
    return [str(turn["id"]) for turn in await pages(ask, "thread/turns/list", params, PAGE)]


async def read_items(ask: Ask, thread_id: str, turn_id: str) -> list[PastItem]:
    """See `Engine.past_items`."""
    return await _items(ask, {"threadId": thread_id, "turnId": turn_id})


def _running(terminal: dict[str, Any]) -> dict[str, Any]:
    """A command that runs, in the shape of an item: the core lists no open items."""
    return {
        "type": "commandExecution",
        "id": terminal["itemId"],
        "command": terminal.get("command"),
        "cwd": terminal.get("cwd"),
        "processId": terminal.get("processId"),
        "status": "inProgress",
        "aggregatedOutput": None,
        "exitCode": None,
    }


async def _turns(
    ask: Ask, where: dict[str, Any], wanted: set[str], known: frozenset[str], most: int
) -> list[dict[str, Any]]:
    """The wanted turns and those newer than every known one, oldest first."""
    params = where | {"itemsView": "notLoaded", "sortDirection": "desc"}
    found: list[dict[str, Any]] = []
    async for turn in _entries(ask, "thread/turns/list", params, most):
        if turn["id"] in wanted:
            wanted.discard(turn["id"])
            found.append(turn)
        elif turn["id"] not in known:
            found.append(turn)
        elif not wanted:
            break
    return found[::-1]


async def _items(ask: Ask, where: dict[str, Any]) -> list[PastItem]:
    found = await pages(ask, "thread/items/list", where | {"sortDirection": "asc"}, 100 * PAGE)
    return [_item(each) for each in found if each["item"].get("status") != "inProgress"]


def _item(entry: dict[str, Any]) -> PastItem:
    item = entry["item"]
    return PastItem(
        id=str(item["id"]),
        type=item.get("type"),
        status=item.get("status"),
        body=item,
        ended_ms=int(entry.get("completedAtMs") or 0),
    )


async def pages(ask: Ask, method: str, params: dict[str, Any], most: int) -> list[dict[str, Any]]:
    """All entries of a list, `most` at most."""
    return [entry async for entry in _entries(ask, method, params, most)]


async def _entries(
    ask: Ask, method: str, params: dict[str, Any], most: int
) -> AsyncIterator[dict[str, Any]]:
    """The entries of a list, page by page as they are wanted. A thread without a turn has none."""
    cursor: str | None = None
    for _ in range(0, most, PAGE):
        more = {"limit": PAGE} | ({"cursor": cursor} if cursor else {})
        try:
            page = msgspec.json.decode(await ask(method, params | more), type=_Page)
        except CoreError as error:
            if any(words in error.message for words in NO_LIST):
                return
            raise
        for entry in page.data:
            yield entry
        cursor = page.nextCursor
        if cursor is None:
            return
