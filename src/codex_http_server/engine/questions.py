"""Requests of the core: what kind each is, and a valid answer that says no.

Pure. Until approvals have routes, every question is declined at once, and visibly. An answer
of the wrong shape would leave the turn hanging or end it, so each kind has its own.
"""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec

from codex_http_server.engine.base import Question

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

NOBODY: Final = "Nobody could be asked."

_DECLINES: Final[dict[str, Any]] = {
    "item/commandExecution/requestApproval": {"decision": "decline"},
    "item/fileChange/requestApproval": {"decision": "decline"},
    "item/permissions/requestApproval": {"permissions": {}},
    "item/tool/requestUserInput": {"answers": {}},
    "item/tool/call": {
        "success": False,
        "contentItems": [{"type": "inputText", "text": "No client offers this tool."}],
    },
    "mcpServer/elicitation/request": {"action": "decline"},
    "execCommandApproval": {"decision": {"denied": {"rejection": NOBODY}}},
    "applyPatchApproval": {"decision": {"denied": {"rejection": NOBODY}}},
}


class _Ids(msgspec.Struct):
    threadId: str | None = None
    conversationId: str | None = None
    turnId: str | None = None
    itemId: str | None = None


def question(method: str, params: msgspec.Raw) -> Question:
    """A request of the core as a question; an unknown method has kind `unknown`."""
    try:
        ids = msgspec.json.decode(params, type=_Ids)
    except msgspec.MsgspecError:
        ids = _Ids()
    return Question(
        method=method,
        kind=KINDS.get(method, "unknown"),
        thread_id=ids.threadId or ids.conversationId,
        turn_id=ids.turnId,
        item_id=ids.itemId,
        params=params,
    )


def decline(method: str) -> Any | None:
    """The core's own way to be told no; None where it has none (refuse with an error)."""
    return _DECLINES.get(method)


def duty(method: str) -> Any | None:
    """The answer to a request that asks for a fact and not for a decision; else None."""
    return {"currentTimeAt": int(time.time())} if method == "currentTime/read" else None
