"""Which events are told, and in what words. Pure.

A notice says that something happened and where to look. What was said, run or shown is not in it:
it goes to other programs and machines, and those who may see it can ask the server.
"""

from __future__ import annotations

from typing import Any, Final, cast
from urllib.parse import quote

import msgspec

from codex_http_server.clock import rfc3339
from codex_http_server.events import (
    APPROVAL_REQUESTED,
    AUTH_REQUIRED,
    TURN_COMPLETED,
    Event,
)

KINDS: Final = (APPROVAL_REQUESTED, TURN_COMPLETED, AUTH_REQUIRED)
TEST: Final = "test"
TITLE: Final = 200  # characters of a title that are told


class Notice(msgspec.Struct, frozen=True):
    """Something to tell. `id` is the same however often it is told; `position` is where the log
    has it, 0 for a test."""

    id: str
    position: int
    type: str
    at_ms: int
    conversation_id: str | None = None
    data: dict[str, Any] = {}

    def body(self, title: str | None) -> bytes:
        """The JSON that receivers get (the form of Standard Webhooks)."""
        data = {"conversation_id": self.conversation_id, "title": title and title[:TITLE]}
        whole = {"type": self.type, "timestamp": rfc3339(self.at_ms), "data": data | self.data}
        return msgspec.json.encode(whole)


def notice_of(event: Event, kinds: frozenset[str]) -> Notice | None:
    """What is told of an event, if it is. What another process did long ago is not."""
    if event.type not in kinds or event.synthetic == "history":
        return None
    data = _DATA[event.type](event, msgspec.json.decode(event.data))
    here = event.conversation_id
    return Notice(event.cursor(), event.position, event.type, event.at_ms, here, data)


def _approval(event: Event, data: dict[str, Any]) -> dict[str, Any]:
    told = {name: data.get(name) for name in ("approval_id", "kind", "deadline_at")}
    return {
        "turn_id": event.turn_id,
        **told,
        "path": _path(event, "approvals", cast("str", data["approval_id"])),
    }


def _turn(event: Event, data: dict[str, Any]) -> dict[str, Any]:
    status = event.status or data.get("turn", {}).get("status")
    return {
        "turn_id": event.turn_id,
        "status": status,
        "path": _path(event, "turns", event.turn_id or ""),
    }


def _login(event: Event, data: dict[str, Any]) -> dict[str, Any]:
    return {"turn_id": event.turn_id, "code": data.get("code"), "path": "/auth/login"}


_DATA: Final = {APPROVAL_REQUESTED: _approval, TURN_COMPLETED: _turn, AUTH_REQUIRED: _login}


def _path(event: Event, kind: str, name: str) -> str:
    """Where the server tells more."""
    return f"/conversations/{event.conversation_id}/{kind}/{quote(name, safe='')}"
