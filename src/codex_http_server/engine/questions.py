"""Requests of the core: what kind each is, what it is about, and a valid answer that says no.

Pure. What else may be answered: decisions.py.
"""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec

from codex_http_server.engine import decisions
from codex_http_server.engine.base import Question
from codex_http_server.records import RequestId

KINDS: Final[dict[str, str]] = {
    "item/commandExecution/requestApproval": "command",
    "item/fileChange/requestApproval": "file_change",
    "item/permissions/requestApproval": "permissions",
    "item/tool/requestUserInput": "question",
    "item/tool/call": "tool_call",
    "mcpServer/elicitation/request": "elicitation",
    "execCommandApproval": "command",
    "applyPatchApproval": "file_change",
}


class _Ids(msgspec.Struct):
    threadId: str | None = None
    conversationId: str | None = None
    turnId: str | None = None
    itemId: str | None = None
    callId: str | None = None


def question(request_id: RequestId, method: str, params: msgspec.Raw) -> Question:
    """A request of the core as a question; an unknown method has kind `unknown`."""
    try:
        ids = msgspec.json.decode(params, type=_Ids)
    except msgspec.MsgspecError:
        ids = _Ids()
    return Question(
        request_id=request_id,
        method=method,
        kind=KINDS.get(method, "unknown"),
        thread_id=ids.threadId or ids.conversationId,
        turn_id=ids.turnId,
        item_id=ids.itemId or ids.callId,
        params=params,
    )


def decline(method: str) -> Any | None:
    """The core's own way to be told no; None where it has none (refuse with an error)."""
    found = decisions.offered(method, {})
    no = decisions.default(found)
    return next((each.answer for each in found if each.id == no), None)


def duty(method: str) -> Any | None:
    """The answer to a request that asks for a fact and not for a decision; else None."""
    return {"currentTimeAt": int(time.time())} if method == "currentTime/read" else None
