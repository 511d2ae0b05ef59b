"""What the client hands out: events and outcomes as small values, and the server's own objects as
typed dictionaries.

Owns shapes only. Every object keeps fields that a newer server adds (`raw`, or more keys).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypedDict

Json = dict[str, Any]

Sandbox = Literal["read-only", "workspace-write", "danger-full-access"]
ApprovalPolicy = Literal["untrusted", "on-request", "never"]
WhileBusy = Literal["queue", "steer", "reject", "interrupt"]
Status = Literal["started", "steered", "queued", "waiting_for_login", "removed", "ended"]


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `seq` is None for what is not in a conversation's log (`core/state`,
    `message/removed` …), `position` is its place among the events of all conversations.

    Draw text from `text`; `data` is the core's own object and changes with the core's version.
    """

    type: str
    seq: int | None
    turn_id: str | None
    item_id: str | None
    item_type: str | None
    text: str | None
    status: str | None
    data: Json
    raw: Json
    conversation_id: str | None = None
    position: str | None = None

    @classmethod
    def of(cls, raw: Json) -> Event:
        """The event of an envelope as the server sends it."""
        return cls(
            type=raw["type"],
            seq=raw.get("seq"),
            turn_id=raw.get("turn_id"),
            item_id=raw.get("item_id"),
            item_type=raw.get("item_type"),
            text=raw.get("text"),
            status=raw.get("status"),
            data=raw.get("data") or {},
            raw=raw,
            conversation_id=raw.get("conversation_id"),
            position=raw.get("position"),
        )


@dataclass(frozen=True, slots=True)
class Reset:
    """The numbers that the reader had mean nothing any more: forget what you drew, draw
    `snapshot` (of `GET …?include=snapshot`); the events that follow come after its `seq`.

    `reason` is `ahead` (the log ends before that number) or `other_log`.
    """

    reason: str
    seq: int
    log_id: str
    snapshot: Json


@dataclass(frozen=True, slots=True)
class Sent:
    """What has become of a message so far. `turn` and `reply` are there once it has ended."""

    submit_id: str
    turn_id: str | None
    status: Status
    turn: Json | None
    reply: str | None
    error: str | None
    raw: Json

    @classmethod
    def of(cls, raw: Json) -> Sent:
        """What the server answered."""
        return cls(
            submit_id=raw["submit_id"],
            turn_id=raw["turn_id"],
            status=raw["status"],
            turn=raw.get("turn"),
            reply=raw.get("reply"),
            error=raw.get("error"),
            raw=raw,
        )

    @property
    def done(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in ("ended", "removed")

    @property
    def outcome(self) -> str | None:
        """How its turn ended: `completed`, `interrupted` or `failed`; None while it has not, and
        for a message that never got a turn."""
        return None if self.turn is None else str(self.turn["status"])


class PolicyOptions(TypedDict, total=False):
    """What turns run under; what is left out, Codex's configuration decides."""

    model: str
    reasoning_effort: str
    approval_policy: ApprovalPolicy
    sandbox: Sandbox


class ConversationOptions(PolicyOptions, total=False):
    """What of a conversation can be changed later."""

    title: str
    approval_deadline: float


class CreateOptions(ConversationOptions, total=False):
    """What a conversation is made with. `tools` are run by clients: each call is an approval."""

    tools: list[Json]


class MessageOptions(PolicyOptions, total=False):
    """What goes with a message. `input` has parts (images, skills …) after the text."""

    input: list[Json]
    output_schema: Json
    while_busy: WhileBusy


class ConversationFilter(TypedDict, total=False):
    """Which conversations a list shows. `q`: in title or preview; `waiting`: where an approval
    waits."""

    q: str
    archived: bool
    working_directory: str
    status: Literal["idle", "running"]
    waiting: bool


class ConversationInfo(TypedDict):
    """A conversation as the server shows it."""

    id: str
    conversation_id: str
    thread_id: str
    working_directory: str
    source: str
    title: str | None
    preview: str
    forked_from: Json | None
    status: Literal["idle", "running"]
    waiting_for_approval: int
    archived: bool
    model: str | None
    reasoning_effort: str | None
    approval_policy: Any
    sandbox: str
    sandbox_policy: Json
    approval_deadline: float | None
    created_at: str
    updated_at: str
    head: int
    events: str


class SearchFilter(TypedDict, total=False):
    """Where to search. `prefix`: the last word is still being typed; `kind`: all but `command` and
    `output`, if not said."""

    prefix: bool
    kind: list[Literal["title", "preview", "message", "answer", "command", "output", "file"]]
    conversation: list[str]
    working_directory: str
    archived: bool


class Match(TypedDict):
    """Where in a snippet something was found: `text[start:end]`."""

    start: int
    end: int


class Snippet(TypedDict):
    """The text around what was found first. `cut_before`, `cut_after`: there is more."""

    text: str
    matches: list[Match]
    cut_before: bool
    cut_after: bool


class SearchHit(TypedDict):
    """What was found: an item, or a conversation by its title or preview (then without seq)."""

    kind: Literal["title", "preview", "message", "answer", "command", "output", "file"]
    conversation_id: str
    title: str | None
    preview: str
    working_directory: str
    source: str
    archived: bool
    turn_id: str | None
    item_id: str | None
    seq: int | None
    status: str | None
    at: str
    snippet: Snippet


class Decision(TypedDict):
    """One way to answer an approval."""

    id: str
    answer: Json
    takes: Literal["answers", "content", "result"] | None
    needs: Literal["approve", "elevate"]
    offered: bool


class Approval(TypedDict):
    """A question of the core."""

    approval_id: str
    conversation_id: str
    turn_id: str | None
    item_id: str | None
    kind: str
    method: str
    status: Literal["pending", "resolved"]
    request: Any
    diff: str | None
    decisions: list[Decision]
    default: str | None
    requested_at: str
    deadline_at: str | None
    resolution: Json | None


class AllEventsFilter(TypedDict, total=False):
    """`conversation`: only these; `account`: then the events of the account and the server too."""

    conversation: list[str]
    account: bool


class QueuedMessage(TypedDict):
    """A message that waits for its turn."""

    submit_id: str
    input: list[Json]
    status: Literal["queued", "waiting_for_login"]
    waits: Json | None
    overrides: Json
    created_at: str


class Upload(TypedDict):
    """An uploaded image; messages name it by `upload_id`."""

    upload_id: str
    media_type: str
    size: int
    expires_at: str


class Answer(TypedDict, total=False):
    """What a decision takes."""

    answers: Json
    content: Json
    action: str
    result: Any


class RuleAdded(TypedDict):
    """The newest approval that asked for a rule."""

    by: str
    at: str
    conversation_id: str
    approval_id: str


class Rule(TypedDict):
    """A statement of the core's rules. In `pattern` a list is a choice; `why_not` says why it can't
    be taken back by itself."""

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


class RemovedRule(TypedDict):
    """A rule that was taken back, and who still goes by it."""

    removed: Rule
    by: str
    at: str
    reloaded: list[str]
    held_by: list[str]
    hold: Json


class ReviewTarget(TypedDict, total=False):
    """What to review; which fields go with which `type`, the route says."""

    type: Literal["uncommitted_changes", "base_branch", "commit", "custom"]
    branch: str
    sha: str
    title: str
    instructions: str


class Began(TypedDict):
    """A turn that no message started."""

    turn_id: str
    status: Literal["started", "ended"]
    events: str


class TurnEnded(Began, total=False):
    """With `wait`, once it has ended: the core's turn, and the agent's last words."""

    turn: Json | None
    reply: str | None


class Ran(Began, total=False):
    """With `wait`, once the command has ended. `exit_code` is None where it was cut off."""

    turn: Json | None
    exit_code: int | None
    output: str


class Interrupted(TypedDict):
    """The turn that was asked to end; its end comes as `turn/completed`."""

    turn_id: str
    removed_messages: int


class Reverted(TypedDict):
    """The turns that were taken back, oldest first; `head` is the newest seq by then."""

    conversation_id: str
    before_turn_id: str
    turn_ids: list[str]
    head: int


class Cleared(Interrupted, total=False):
    """With `wait`, once all of it has ended: the commands that still ran, and the processes that
    had left them."""

    commands: list[Json]
    processes: list[Json]
    problem: str | None
