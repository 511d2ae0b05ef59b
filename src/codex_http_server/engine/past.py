"""What the core keeps of a thread: read to fill the log after nobody was connected.

The core never repeats a notification. What it keeps, and that for good, are turns with their
status and the finished items of each (measured: an open item is in no list, a message that was
steered away or retried is in none either). A review is two turns there: the one that is told of,
and one within it that names the other as its root, has most of the items and never an end
(measured). They are one here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import Any, Final

import msgspec

from codex_http_server.engine.base import Kept, Past, PastItem, PastTurn
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
        msgspec.structs.replace(turn, items=await read_items(ask, thread_id, turn.parts))
        for turn in await _turns(ask, where, set(wanted), frozenset(known), TURNS)
    ]
    return Past(turns, {str(each["itemId"]): _running(each) for each in running})


async def read_turns(ask: Ask, thread_id: str, known: Collection[str]) -> list[PastTurn]:
    """See `Engine.past_turns`."""
    return await _turns(ask, {"threadId": thread_id}, set(), frozenset(known), ALL_TURNS)


async def newest_turns(ask: Ask, thread_id: str) -> list[str]:
    """See `Control.newest_turns`."""
    params = {"threadId": thread_id, "itemsView": "notLoaded", "sortDirection": "desc"}
    found = await pages(ask, "thread/turns/list", params, PAGE)
    return list(dict.fromkeys(_root(turn) for turn in found))


async def kept_turns(ask: Ask, thread_id: str, known: Collection[str]) -> Kept | None:
    """See `Engine.kept_turns`."""
    params: dict[str, Any] = {
        "threadId": thread_id, "itemsView": "notLoaded", "sortDirection": "desc", "limit": PAGE
    }  # fmt: skip
    found: set[str] = set()
    while True:
        try:
            page = msgspec.json.decode(await ask("thread/turns/list", params), type=_Page)
        except CoreError as error:
            if any(words in error.message for words in NO_LIST):
                return None
            raise
        found |= {_root(turn) for turn in page.data}
        if page.nextCursor is None or not found.isdisjoint(known):
            return Kept(frozenset(found), page.nextCursor is None)
        params["cursor"] = page.nextCursor


async def inner_turn(ask: Ask, thread_id: str, turn_id: str) -> str | None:
    """The turn within this one, if it is among the newest."""
    params = {"threadId": thread_id, "itemsView": "notLoaded", "sortDirection": "desc"}
    for turn in await pages(ask, "thread/turns/list", params, PAGE):
        if turn["id"] != turn_id and _root(turn) == turn_id:
            return str(turn["id"])
    return None


async def read_items(ask: Ask, thread_id: str, turn_ids: Sequence[str]) -> list[PastItem]:
    """The finished items of a turn that the core keeps under these ids."""
    found: list[PastItem] = []
    for turn_id in turn_ids:
        found += await _items(ask, {"threadId": thread_id, "turnId": turn_id})
    return found if len(turn_ids) == 1 else sorted(found, key=lambda item: item.ended_ms)


def _running(terminal: dict[str, Any]) -> dict[str, Any]:
    """A command that runs, in the shape of an item: the core lists no open items."""
    command = str(terminal.get("command") or "")
    return {
        "type": "commandExecution",
        "id": terminal["itemId"],
        "command": command,
        "commandActions": [{"type": "unknown", "command": command}],  # it lists no parsed form
        "cwd": str(terminal.get("cwd") or ""),
        "processId": terminal.get("processId"),
        "status": "inProgress",
        "aggregatedOutput": None,
        "exitCode": None,
    }


async def _turns(
    ask: Ask, where: dict[str, Any], wanted: set[str], known: frozenset[str], most: int
) -> list[PastTurn]:
    """The wanted turns and those newer than every known one, oldest first, without items."""
    params = where | {"itemsView": "notLoaded", "sortDirection": "desc"}
    found: dict[str, list[dict[str, Any]]] = {}
    async for turn in _entries(ask, "thread/turns/list", params, most):
        root = _root(turn)
        if root in found or root in wanted or root not in known:
            found.setdefault(root, []).append(turn)
            wanted.discard(root)
        elif not wanted:
            break
    return [_turn(root, parts) for root, parts in reversed(found.items())]


def _root(turn: dict[str, Any]) -> str:
    return str(turn.get("rootTurnId") or turn["id"])


def _turn(root: str, parts: list[dict[str, Any]]) -> PastTurn:
    """A turn from its parts. While it runs, the root itself may not be listed yet (measured)."""
    body = next((part for part in parts if part["id"] == root), parts[0] | {"id": root})
    ids = tuple(str(part["id"]) for part in parts)
    return PastTurn(root, str(body["status"]), body, [], ids)


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
