"""Conversations, messages and turns as the API shows them. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from codex_http_server.clock import rfc3339
from codex_http_server.conversations.policy import effective, sandbox_mode
from codex_http_server.engine.base import Policy
from codex_http_server.events import (
    TURN_COMPLETED,
    TURN_DIFF,
    TURN_PLAN,
    TURN_STARTED,
    Event,
)
from codex_http_server.records import (
    ApprovalRecord,
    ConversationRecord,
    Decision,
    Stated,
    SubmitRecord,
)
from codex_http_server.state import Happened, OpenItem

URL_SHOWN: Final = 200  # characters


def conversation(record: ConversationRecord, head: int) -> dict[str, Any]:
    """A conversation, with the policy that its next turn runs under."""
    policy = effective(record, Stated())
    return {
        "id": record.id,
        "conversation_id": record.id,
        "thread_id": record.thread_id,
        "working_directory": record.working_directory,
        "source": record.source,
        "forked_from": forked_from(record),
        "title": record.title,
        "preview": record.preview,
        "status": record.status,
        "waiting_for_approval": record.waiting,
        "archived": record.archived,
        **policy_fields(policy),
        "approval_deadline": record.approval_deadline,
        "created_at": rfc3339(record.created_ms),
        "updated_at": rfc3339(record.updated_ms),
        "head": head,
        "events": f"/conversations/{record.id}/events",
    }


def forked_from(record: ConversationRecord) -> dict[str, Any] | None:
    """Where a fork comes from; None for what is none."""
    source = record.forked_from
    return source and {"conversation_id": source.conversation_id, "turn_id": source.turn_id}


def policy_fields(policy: Policy) -> dict[str, Any]:
    """A policy in the words of this API, with the core's own sandbox object beside."""
    return {
        "model": policy.model,
        "reasoning_effort": policy.reasoning_effort,
        "approval_policy": policy.approval_policy,
        "sandbox": sandbox_mode(policy.sandbox_policy),
        "sandbox_policy": policy.sandbox_policy,
    }


def queued(record: SubmitRecord) -> dict[str, Any]:
    """A message that waits."""
    return {
        "submit_id": record.id,
        "input": [_part(part) for part in record.message],
        "status": "waiting_for_login" if record.held else "queued",
        "waits": None,
        "overrides": {k: v for k, v in msgspec.structs.asdict(record.overrides).items() if v},
        "created_at": rfc3339(record.created_ms),
    }


def _part(part: dict[str, Any]) -> dict[str, Any]:
    """An image in a URL is megabytes, and the queue is told with each change: its beginning."""
    url = part.get("url", "")
    return part if len(url) <= URL_SHOWN else part | {"url": url[:URL_SHOWN] + "…"}


def approval(record: ApprovalRecord) -> dict[str, Any]:
    """A question of the core with all that can be answered, and how it ended."""
    return asked(record) | {
        "conversation_id": record.conversation_id,
        "turn_id": record.turn_id,
        "item_id": record.item_id,
        "status": "pending" if record.resolution is None else "resolved",
        "requested_at": rfc3339(record.created_ms),
        "resolution": resolution(record),
    }


def asked(record: ApprovalRecord) -> dict[str, Any]:
    """What is asked: the data of `approval/requested`."""
    return {
        "approval_id": record.id,
        "kind": record.kind,
        "method": record.method,
        "request": msgspec.json.decode(record.request),
        "diff": record.diff,
        "decisions": [_decision(each) for each in record.decisions],
        "default": record.default,
        "deadline_at": None if record.deadline_ms is None else rfc3339(record.deadline_ms),
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "id": decision.id,
        "answer": decision.answer,
        "takes": decision.takes,
        "needs": "elevate" if decision.elevate else "approve",
        "offered": decision.offered,
    }


def resolution(record: ApprovalRecord) -> dict[str, Any] | None:
    """How an approval ended; None while it waits."""
    ended = record.resolution
    if ended is None:
        return None
    return {
        "decision": ended.decision,
        "answer": ended.answer,
        "by": ended.by,
        "reason": ended.reason,
        "at": rfc3339(ended.at_ms),
    }


class _Item(msgspec.Struct):
    item: msgspec.Raw = msgspec.Raw(b"null")


_item: Final = msgspec.json.Decoder(_Item)


def item(event: Event) -> dict[str, Any]:
    """An ended item: where it stands in the log, how it ended, and the core's own object, as
    bytes: a page can hold megabytes of it."""
    return {
        "seq": event.seq,
        "turn_id": event.turn_id,
        "item_id": event.item_id,
        "item_type": event.item_type,
        "status": event.status or "completed",
        "synthetic": event.synthetic,
        "at": rfc3339(event.at_ms),
        "item": _item.decode(event.data).item,
    }


def open_item(found: OpenItem) -> dict[str, Any]:
    """An item that has not ended, with its text so far."""
    return {
        "turn_id": found.turn_id,
        "item_id": found.item_id,
        "item_type": found.item_type,
        "item": found.form(),
    }


class _Plan(msgspec.Struct):
    explanation: str | None = None
    plan: list[Any] = []


def plan(event: Happened) -> dict[str, Any] | None:
    """What the agent means to do, as the core tells it; None where a newer core tells it in
    another shape."""
    try:
        told = msgspec.json.decode(event.data, type=_Plan)
    except msgspec.MsgspecError:
        return None
    return {"explanation": told.explanation, "steps": told.plan}


class _Error(msgspec.Struct):
    error: dict[str, Any] = {}


def retrying(event: Happened | None) -> dict[str, Any] | None:
    """That the core tries its model again, from the `error` that said so; without the core's words
    where a newer one tells them in another shape."""
    if event is None:
        return None
    try:
        error = msgspec.json.decode(event.data, type=_Error).error
    except msgspec.MsgspecError:
        error = {}
    return {"turn_id": event.turn_id, "message": str(error.get("message") or ""), "error": error}


def turns(events: list[Event]) -> list[dict[str, Any]]:
    """Turns from their starts, diffs, plans and ends: the core's newest object, the last diff and
    the last plan."""
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.turn_id is None:
            continue
        view = found.setdefault(event.turn_id, _turn(event.turn_id))
        data: dict[str, Any] = msgspec.json.decode(event.data)
        if event.type == TURN_DIFF:
            view["diff"] = data.get("diff")
        elif event.type == TURN_PLAN:
            view["plan"] = plan(event)
        elif event.type in (TURN_STARTED, TURN_COMPLETED):
            view["turn"] = data.get("turn")
            view["status"] = event.status
            view["synthetic"] = event.synthetic
    return list(found.values())


def _turn(turn_id: str) -> dict[str, Any]:
    """A turn of which nothing was told yet."""
    return {"turn_id": turn_id, "status": "inProgress", "turn": None, "diff": None, "plan": None}


def reply(events: list[Event]) -> str | None:
    """The text of the last agent message that a turn finished."""
    for event in reversed(events):
        if event.item_type == "agentMessage" and event.type == "item/completed":
            data: dict[str, Any] = msgspec.json.decode(event.data)
            return str(data["item"].get("text", ""))
    return None


def cleared(report: dict[str, Any]) -> dict[str, Any]:
    """What was ended with a turn, from the data of `turn/cleared`."""
    lists = {
        name: [{"item_id": each["itemId"], **_without(each, "itemId")} for each in report[name]]
        for name in ("commands", "processes")
    }
    return lists | {"problem": report.get("problem")}


def _without(found: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key != name}
