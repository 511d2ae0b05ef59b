"""Answers about approvals, and the rules that they leave."""

from __future__ import annotations

from typing import Any, Literal

from codex_http_server.api.schemas.base import Answer
from codex_http_server.api.schemas.core import Request


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
        "no_conversation",
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
    request: Request
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


class RuleAdded(Answer):
    """The newest approval that asked for the rule."""

    by: str
    at: str
    conversation_id: str
    approval_id: str


class RuleView(Answer):
    """A statement of a `.rules` file. `kind` is `prefix` (commands that begin with `pattern`, in
    which a list is a choice), `network` (a `host`), `session` (what an approval allowed until
    its conversation is unloaded; in no file) or `other` (code that is only shown). `lines`:
    where it begins, more than once where it is repeated. `added` is null where no approval is known
    that asked for it: it was written by hand, or by another client."""

    id: str
    kind: Literal["prefix", "network", "session", "other"]
    decision: str | None
    pattern: list[str | list[str]] | None
    host: str | None
    protocol: str | None
    justification: str | None
    file: str | None
    lines: list[int]
    text: str
    removable: bool
    why_not: str | None
    added: RuleAdded | None


class RuleList(Answer):
    """All rules, by file and in order. `folder` is where the files are. `complete` is false
    where the core can't be asked now what was approved for a session that goes on."""

    folder: str
    complete: bool
    data: list[RuleView]


class RuleHold(Answer):
    """Whether something still goes by a removed rule. `means` says it in words."""

    state: Literal["none", "some", "joined", "unknown"]
    means: str


class RuleRemoved(Answer):
    """A rule that is gone from its file. `reloaded`: loaded conversations that go by the files as
    they are now. `held_by`: those that still go by the rule."""

    removed: RuleView
    by: str
    at: str
    reloaded: list[str]
    held_by: list[str]
    hold: RuleHold
