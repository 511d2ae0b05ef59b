"""Answers about conversations as a whole."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from codex_http_server.api.schemas.account import AuthStatus
from codex_http_server.api.schemas.approvals import ApprovalView
from codex_http_server.api.schemas.base import Answer
from codex_http_server.api.schemas.core import ApprovalPolicy, SandboxPolicy, TokenUsage
from codex_http_server.api.schemas.items import ItemView, OpenItemView, RetryingView, TurnView
from codex_http_server.api.schemas.messages import QueuedView
from codex_http_server.api.schemas.server import CoreView


class ForkedFromView(Answer):
    """The conversation that this one was forked from, and the last turn that both have; null where
    they share none."""

    conversation_id: str
    turn_id: str | None


class ConversationView(Answer):
    """A conversation, with the policy of its next turn. `head` is its newest seq."""

    id: str
    conversation_id: str
    thread_id: str
    working_directory: str
    source: str = Field(
        description="Who began it: `server`, or found in the core `cli`, `vscode`, `exec` …"
    )
    forked_from: ForkedFromView | None
    title: str | None
    preview: str
    status: Literal["idle", "running"]
    waiting_for_approval: int
    archived: bool
    model: str | None
    reasoning_effort: str | None
    approval_policy: ApprovalPolicy
    sandbox: str
    sandbox_policy: SandboxPolicy
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


class Snapshot(Answer):
    """All that a first paint needs, read at one seq: go on with `events?after=seq`. `retrying` is
    null but while the core tries its model again; `account` says whether the login is good."""

    conversation: ConversationView
    items: list[ItemView]
    items_before: int
    turns: list[TurnView]
    open_items: list[OpenItemView]
    retrying: RetryingView | None
    usage: TokenUsage | None
    approvals: list[ApprovalView]
    queue: list[QueuedView]
    core: CoreView
    account: AuthStatus | None
    seq: int
    position: str
    log_id: str


class CodexCopy(Answer):
    """What became of what Codex itself keeps of the conversation. `state`: `deleted`, `kept` or
    `none` (it had nothing). `keeps` says in words what may be left of it."""

    state: Literal["deleted", "kept", "none"]
    keeps: str


class DeletedView(Answer):
    """A conversation that was deleted. `wiped` is false where remains of its text may be in the
    log's files until the server's next stop."""

    id: str
    conversation_id: str
    thread_id: str
    deleted_at: str
    interrupted_turn: str | None
    removed_messages: int
    wiped: bool
    codex: CodexCopy
