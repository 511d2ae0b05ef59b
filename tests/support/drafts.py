"""Events of a core as drafts, made the way the engine makes them: from the core's own JSON."""

from __future__ import annotations

from typing import Any, Final

from codex_http_server.engine import wire
from codex_http_server.events import Draft, raw

THREAD: Final = "thread-1"
NOW: Final = 1_700_000_000_000


def said(method: str, params: dict[str, Any], at_ms: int = NOW) -> Draft:
    """A notification of the core in the one thread of these tests."""
    return wire.notice(method, raw({"threadId": THREAD} | params), at_ms).draft


def turn_started(turn: str = "t", at_ms: int = NOW) -> Draft:
    """A turn begins."""
    body = {"id": turn, "items": [], "status": "inProgress", "startedAt": at_ms // 1000}
    return said("turn/started", {"turn": body}, at_ms)


def turn_completed(turn: str = "t", status: str = "completed", at_ms: int = NOW) -> Draft:
    """A turn ends."""
    return said("turn/completed", {"turn": {"id": turn, "items": [], "status": status}}, at_ms)


def item_started(
    item: str, kind: str = "agentMessage", turn: str = "t", at_ms: int = NOW, **fields: Any
) -> Draft:
    """An item begins."""
    body = {"id": item, "type": kind} | fields
    return said("item/started", {"turnId": turn, "item": body}, at_ms)


def item_completed(item: str, kind: str = "agentMessage", turn: str = "t", **fields: Any) -> Draft:
    """An item ends, as the core ends it."""
    return said("item/completed", {"turnId": turn, "item": {"id": item, "type": kind} | fields})


def delta(
    item: str, text: str, kind: str = "item/agentMessage/delta", turn: str = "t", **more: Any
) -> Draft:
    """A piece of an item's text."""
    return said(kind, {"turnId": turn, "itemId": item, "delta": text} | more)


def diff(text: str, turn: str = "t") -> Draft:
    """The diff of a turn so far."""
    return said("turn/diff/updated", {"turnId": turn, "diff": text})


def retry(turn: str = "t") -> Draft:
    """The model's stream broke and is tried again; to be admitted with `will_retry`."""
    return said("error", {"turnId": turn, "error": {"message": "broke"}, "willRetry": True})
