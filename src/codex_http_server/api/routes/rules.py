"""Rules that were remembered: listed, and taken back."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import JSONResponse

from codex_http_server.api.doorkeeper import Calling
from codex_http_server.api.schemas import RuleList, RuleRemoved
from codex_http_server.api.services import Use
from codex_http_server.clock import rfc3339
from codex_http_server.engine.rules import Rule
from codex_http_server.records import ApprovalRecord

router = APIRouter(tags=["approvals"])

HOLDS: Final = {
    "none": "No conversation of this server goes by it any more.",
    "some": "The conversations in `held_by` go by it until what runs in them has ended and they are"
    " loaded anew.",
    "joined": "Codex's own daemon, which this server never ends or changes, has the conversations"
    " in `held_by` loaded: they go by it until the daemon is restarted, or they are archived and"
    " taken back.",
    "unknown": "The core can't be reached now: what it has loaded may go by it until it is"
    " restarted.",
}


@router.get("/rules", response_model=RuleList)
async def list_rules(services: Use) -> JSONResponse:
    """The rules of the Codex home: which commands and hosts need no question, or are refused. Those
    that an approval had remembered, those that were written by hand, and what was approved for a
    session that goes on."""
    found = await services.rules.all()
    body = {
        "folder": str(services.rules.files.folder),
        "complete": found.complete,
        "data": [_view(rule, approval) for rule, approval in found.rules],
    }
    return JSONResponse(body)


@router.delete("/rules/{rule_id}", response_model=RuleRemoved)
async def remove_rule(rule_id: str, services: Use, caller: Calling) -> JSONResponse:
    """Take a rule out of its file, so that the core asks again. It holds at once for what is loaded
    from now on; `held_by` names conversations that still go by it. What was approved for a session
    goes with all else that was approved for it."""
    found = await services.rules.remove(rule_id, caller)
    body = {
        "removed": _view(found.rule, None),
        "by": caller.name,
        "at": rfc3339(found.at_ms),
        "reloaded": found.reloaded,
        "held_by": found.held_by,
        "hold": {"state": found.hold, "means": HOLDS[found.hold]},
    }
    return JSONResponse(body)


def _view(rule: Rule, approval: ApprovalRecord | None) -> dict[str, Any]:
    return {
        "id": rule.id,
        "kind": rule.kind,
        "decision": rule.decision,
        "pattern": None if rule.pattern is None else list(rule.pattern),
        "host": rule.host,
        "protocol": rule.protocol,
        "justification": rule.justification,
        "file": rule.file,
        "lines": list(rule.lines),
        "text": rule.text,
        "removable": rule.why_not is None,
        "why_not": rule.why_not,
        "added": _added(approval),
    }


def _added(approval: ApprovalRecord | None) -> dict[str, Any] | None:
    if approval is None or approval.resolution is None:
        return None
    return {
        "by": approval.resolution.by,
        "at": rfc3339(approval.resolution.at_ms),
        "conversation_id": approval.conversation_id,
        "approval_id": approval.id,
    }
