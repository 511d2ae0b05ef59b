"""Answers: what the routes send. They describe it in openapi.json; a test holds real answers
against them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """An answer. Clients must take fields that they do not know."""

    model_config = ConfigDict(extra="forbid")


class CoreView(Answer):
    """The core: its state, its version, and how its protocol compares to the one we know."""

    state: Literal["starting", "ready", "restarting", "stopped", "failed"]
    version: str | None
    reason: str | None = None
    protocol: dict[str, Any] | None = None


class Health(Answer):
    """Always 200 and quick: the server answers, whatever the core does."""

    status: Literal["ok"]
    version: str
    core: CoreView


class Ready(Answer):
    """Whether a message would be accepted now, and if not, why."""

    ready: bool
    reasons: list[str]


class AuthStatus(Answer):
    """Who the core is signed in as. `reason` says why it is not: `not_signed_in`,
    `provider_needs_no_login`, `account_unreadable`."""

    authenticated: bool
    auth_mode: str | None
    email: str | None
    plan_type: str | None
    requires_login: bool
    reason: str | None
    detail: str | None = None


class ConversationView(Answer):
    """A conversation, with the policy of its next turn. `head` is its newest seq."""

    id: str
    conversation_id: str
    thread_id: str
    working_directory: str
    title: str | None
    preview: str
    status: Literal["idle", "running"]
    waiting_for_approval: int
    archived: bool
    model: str | None
    reasoning_effort: str | None
    approval_policy: Any
    sandbox: str
    sandbox_policy: dict[str, Any]
    approval_deadline: float | None = Field(
        description="Seconds that its approvals wait; null: as the server's settings say."
    )
    created_at: str
    updated_at: str
    head: int
    events: str


class ConversationPage(Answer):
    """Conversations, newest first."""

    data: list[ConversationView]
    next_cursor: str | None


class LoginNeeded(Answer):
    """Why a message waits for a login. `code` is a reason of `/auth/status`."""

    code: str
    detail: str
    hint: str


class Submitted(Answer):
    """What became of a message so far. `events` streams what follows."""

    submit_id: str
    turn_id: str | None
    status: Literal["started", "steered", "queued", "waiting_for_login", "removed", "ended"]
    events: str
    policy: dict[str, Any]
    error: str | None = None
    login: LoginNeeded | None = None


class Finished(Submitted):
    """A message whose turn has ended: the core's turn, and the agent's last words."""

    turn: dict[str, Any] | None
    reply: str | None


class ItemView(Answer):
    """An ended item; `item` is the core's own object."""

    seq: int
    turn_id: str | None
    item_id: str | None
    item_type: str | None
    status: str
    synthetic: str | None
    at: str
    item: dict[str, Any] | None


class ItemPage(Answer):
    """Ended items, oldest first; `items_before` more lie before them."""

    data: list[ItemView]
    items_before: int


class Output(Answer):
    """A piece of a command's output. Offsets and sizes count characters; where `truncated`,
    the middle of a very long output was dropped and `offset` jumps over it."""

    text: str
    offset: int
    next_offset: int
    size: int
    ended: bool
    truncated: bool


class OpenItemView(Answer):
    """An item that has not ended, with all text so far."""

    turn_id: str
    item_id: str
    item_type: str | None
    item: dict[str, Any]


class TurnView(Answer):
    """A turn: the core's newest object of it and its last diff."""

    turn_id: str
    status: str | None
    turn: dict[str, Any] | None
    diff: str | None
    synthetic: str | None = None


class QueuedView(Answer):
    """A message that waits for its turn."""

    submit_id: str
    input: list[dict[str, Any]]
    status: Literal["queued"]
    overrides: dict[str, Any]
    created_at: str


class QueueView(Answer):
    """The waiting messages, in order."""

    data: list[QueuedView]


class DecisionView(Answer):
    """One way to answer. POST its `id`; `answer` is what the core is then told, with what it
    `takes` from you added. `needs` is the scope it takes. `offered` is false for the one
    decline that the core takes without listing it."""

    id: str
    answer: dict[str, Any]
    takes: Literal["answers", "content", "result"] | None
    needs: Literal["approve", "elevate"]
    offered: bool


class ResolutionView(Answer):
    """How an approval ended. `by` is the caller who answered, `client` (another client of the
    core), `server` or `core_lost`; `decision` is null where nobody here decided. What the
    question calls secret is hidden in `answer`."""

    decision: str | None
    answer: dict[str, Any] | None
    by: str
    reason: Literal[
        "answered",
        "answered_elsewhere",
        "while_not_connected",
        "expired",
        "interrupted",
        "turn_ended",
        "core_lost",
        "server_stopped",
        "unknown_method",
    ]
    at: str


class ApprovalView(Answer):
    """A question of the core. `request` is the core's own object, `diff` what a file change
    would do, `default` the decision that is made at `deadline_at`."""

    approval_id: str
    conversation_id: str
    turn_id: str | None
    item_id: str | None
    kind: Literal[
        "command", "file_change", "permissions", "question", "elicitation", "tool_call", "unknown"
    ]
    method: str
    status: Literal["pending", "resolved"]
    request: Any
    diff: str | None
    decisions: list[DecisionView]
    default: str | None
    requested_at: str
    deadline_at: str | None
    resolution: ResolutionView | None


class ApprovalPage(Answer):
    """Approvals, newest first."""

    data: list[ApprovalView]
    next_cursor: str | None


class Snapshot(Answer):
    """All that a first paint needs, read at one seq: go on with `events?after=seq`."""

    conversation: ConversationView
    items: list[ItemView]
    items_before: int
    turns: list[TurnView]
    open_items: list[OpenItemView]
    usage: dict[str, Any] | None
    approvals: list[ApprovalView]
    queue: list[QueuedView]
    core: CoreView
    account: AuthStatus | None
    seq: int
    position: str
    log_id: str


class Interrupted(Answer):
    """The turn that was asked to end. Its end comes as `turn/completed`."""

    turn_id: str
    removed_messages: int


class InterruptedAll(Answer):
    """The conversations whose running turn was asked to end."""

    conversations: list[str]


class EventView(Answer):
    """One event. `seq` is its number in the conversation and the SSE id there; `position` is
    the SSE id on `/events`. `data` is the Codex core's own object, unchanged."""

    model_config = ConfigDict(extra="allow")

    type: str
    conversation_id: str | None
    at: str
    data: dict[str, Any]
    seq: int | None = None
    position: str | None = None
    turn_id: str | None = None
    item_id: str | None = None
    item_type: str | None = None
    text: str | None = Field(default=None, description="The text of a delta.")
    status: str | None = Field(default=None, description="How a turn or an item ended.")
    synthetic: str | None = Field(default=None, description="Why this server made the event.")
    folded: int | None = Field(
        default=None, description="On an item's end: deltas that it stands for in the log."
    )
    policy: dict[str, Any] | None = Field(
        default=None, description="On turn/started: all that the turn runs under."
    )
    core: str | None = Field(default=None, description="Version of the core that made `data`.")


class EventPage(Answer):
    """Events, oldest first. Go on with `after=next_after`; there is more while it is below
    `head`."""

    data: list[EventView]
    next_after: int
    head: int
    log_id: str


class AllEventPage(Answer):
    """Events of all conversations, in the order in which they were committed."""

    data: list[EventView]
    next_after: str
    head: str
    log_id: str


class FieldProblem(Answer):
    """One field that is not valid."""

    field: str
    message: str


class Problem(Answer):
    """An error (RFC 9457). `code` is stable; docs/errors.md lists them all."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    hint: str | None = None
    errors: list[FieldProblem] | None = None
