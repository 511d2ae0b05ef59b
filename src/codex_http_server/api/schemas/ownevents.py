"""What the events of this server carry as `data`, by type: `DATA`. Meanings: `events.OURS`."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from codex_http_server import events
from codex_http_server.api.schemas.approvals import DecisionView, ResolutionView
from codex_http_server.api.schemas.base import Answer
from codex_http_server.api.schemas.conversations import ConversationView
from codex_http_server.api.schemas.core import Item, Request
from codex_http_server.api.schemas.messages import QueuedView, Submitted

ABSENT: Final[Any] = None  # the default of a field that is left out, and never null


class ItemDiscarded(Answer):
    """An item that will never be finished, in its last form, with all text so far."""

    turnId: str
    itemId: str
    reason: Literal[
        "retried",
        "steered",
        "interrupted",
        "failed",
        "replaced",
        "declined",
        "core_lost",
        "reverted",
        "expired",
    ]
    item: Item


class ItemGap(Answer):
    """Deltas of an open item are missing."""

    turnId: str
    itemId: str
    reason: Literal["not_connected", "log_full"]


class TurnStalled(Answer):
    """A turn that gave no sign of life for so long."""

    turnId: str
    silent_seconds: int


class LeftCommand(Answer):
    """A command that still ran when its turn was interrupted."""

    itemId: str
    command: str


class LeftProcess(LeftCommand):
    """A process that had left its command, and what became of it."""

    pid: int
    how: Literal["terminated", "killed", "left"]


class TurnCleared(Answer):
    """What an interrupted turn left."""

    turnId: str
    commands: list[LeftCommand]
    processes: list[LeftProcess]
    problem: str = Field(default=ABSENT, description="Why they may go on.")


class QuotaPassed(Answer):
    """The quota that a running turn passed; `resets_at` is null for one that never begins anew."""

    turnId: str
    quota: str
    limit: float
    used: float
    resets_at: str | None


class ApprovalRequested(Answer):
    """A question of the core. `request` is the core's own object."""

    approval_id: str
    kind: Literal[
        "command", "file_change", "permissions", "question", "elicitation", "tool_call", "unknown"
    ]
    method: str
    request: Request
    diff: str | None
    decisions: list[DecisionView]
    default: str | None
    deadline_at: str | None


class ApprovalResolved(ResolutionView):
    """How a question of the core ended."""

    approval_id: str


class QueuePut(Answer):
    """A waiting message, and its place in line from 0."""

    at: int
    message: QueuedView


class QueueChanged(Answer):
    """What has changed in the line of waiting messages."""

    reason: Literal[
        "added",
        "started",
        "steered",
        "edited",
        "removed",
        "reordered",
        "cleared",
        "failed",
        "restored",
        "waiting_for_login",
        "signed_in",
        "quota",
        "held",
        "resumed",
    ]
    submit_ids: list[str]
    removed: list[str]
    put: list[QueuePut]
    length: int
    order: list[str] = Field(default=ABSENT, description="All ids in their new order.")
    error: str = Field(default=ABSENT, description="With `failed`: why it was given up.")


class AuthRequired(Answer):
    """Who has to sign in why, and what becomes of the messages."""

    turnId: str | None
    code: str
    http_status: int | None
    detail: str
    hint: str
    resend: bool
    submit_ids: list[str]


class ConversationReverted(Answer):
    """The turns that were taken back, oldest first."""

    before_turn_id: str
    turn_ids: list[str]
    from_seq: int
    by: str


class ConversationDeleted(Answer):
    """Who deleted the conversation, and what became of Codex's own copy."""

    conversation_id: str
    by: str
    codex: Literal["deleted", "kept", "none"]


class FeedReset(Answer):
    """Where to go on; `snapshot` is the route of what to show, null on `/events`."""

    reason: Literal["ahead", "other_log"]
    head: int | str
    log_id: str
    snapshot: str | None


class RemovedRule(Answer):
    """A rule that is gone; see `RuleView`."""

    id: str
    kind: Literal["prefix", "network", "session", "other"]
    file: str | None
    text: str


class RulesChanged(Answer):
    """A rule that was taken back, and the conversations that still go by it."""

    reason: Literal["removed"]
    rule: RemovedRule
    by: str
    at: str
    held_by: list[str]


class CoreChanged(Answer):
    """The state of the core; `reason` of a frame that ends a stream: why it ends."""

    state: Literal["starting", "ready", "restarting", "stopped", "failed"]
    version: str | None
    reason: str | None


class Nothing(Answer):
    """No fields."""


DATA: Final[dict[str, type[BaseModel]]] = {
    events.ITEM_DISCARDED: ItemDiscarded,
    events.ITEM_GAP: ItemGap,
    events.TURN_STALLED: TurnStalled,
    events.TURN_CLEARED: TurnCleared,
    events.QUOTA_EXCEEDED: QuotaPassed,
    events.APPROVAL_REQUESTED: ApprovalRequested,
    events.APPROVAL_RESOLVED: ApprovalResolved,
    events.QUEUE_CHANGED: QueueChanged,
    events.AUTH_REQUIRED: AuthRequired,
    events.CONVERSATION_UPDATED: ConversationView,
    events.CONVERSATION_REVERTED: ConversationReverted,
    events.CONVERSATION_DELETED: ConversationDeleted,
    events.FEED_RESET: FeedReset,
    events.RULES_CHANGED: RulesChanged,
    events.CORE_STATE: CoreChanged,
    events.MESSAGE_REMOVED: Submitted,
    events.HEARTBEAT: Nothing,
}
