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
    """The core: its state, its version, and how its protocol compares to the one we know. `joined`:
    it is Codex's own daemon, which this server neither started nor ends."""

    state: Literal["starting", "ready", "restarting", "stopped", "failed"]
    version: str | None
    reason: str | None = None
    joined: bool
    pid: int | None
    protocol: dict[str, Any] | None = None


class Health(Answer):
    """Always 200 and quick: the server answers, whatever the core does. `core` is not shown to
    a caller that may not read."""

    status: Literal["ok"]
    version: str
    core: CoreView | None = None


class Ready(Answer):
    """Whether a message would be accepted now, and if not, why. `notes` are no reasons: another
    process on the Codex home, say."""

    ready: bool
    reasons: list[str]
    notes: list[str]
    core: CoreView


class NeighbourView(Answer):
    """A process that uses the Codex home besides this server and its core."""

    pid: int
    command: str
    since: str
    holds: list[str]


class AuthStatus(Answer):
    """Who the core is signed in as. `authenticated` is false where it would not get through, and
    `reason` says why: `not_signed_in`, `expired`, `refresh_refused`, `revoked`, `key_refused`,
    `wrong_workspace`, `wrong_method`, `provider_needs_no_login`, `account_unreadable`. `email`
    and `plan_type` are then of the login that does not work, if there is one."""

    authenticated: bool
    auth_mode: str | None
    email: str | None
    plan_type: str | None
    requires_login: bool
    reason: str | None
    detail: str | None = Field(description="What is wrong, in a sentence.")
    hint: str | None = Field(description="What to do.")
    stale: bool = Field(
        description="Whether the core holds another login than `auth.json`, and is Codex's own"
        " daemon, which this server does not start anew."
    )
    core: CoreView | None = None
    login: str | None = Field(description="The login that is pending, by its id.")
    also_using_home: list[NeighbourView] = []


class LoginError(Answer):
    """Why a login did not succeed."""

    code: str
    detail: str
    hint: str | None


class LoginView(Answer):
    """A login. While it is `pending` a person has to do something: open `url`, and type
    `user_code` there if it is not null."""

    id: str
    method: Literal["browser", "device_code", "api_key"]
    state: Literal["pending", "succeeded", "failed", "cancelled", "expired"]
    url: str | None
    user_code: str | None
    created_at: str
    expires_at: str
    ended_at: str | None
    error: LoginError | None
    note: str | None = Field(description="What to do with it, in a sentence.")


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


class Began(Answer):
    """A turn that no message started, and that has begun. `events` streams what follows."""

    turn_id: str
    status: Literal["started", "ended"]
    events: str


class TurnEnded(Began):
    """It has ended: the core's turn, and the agent's last words."""

    turn: dict[str, Any] | None
    reply: str | None


class Ran(Began):
    """The command has ended. `exit_code` is null where it was cut off; `output` is what the core
    keeps of it, head and tail of a long one."""

    turn: dict[str, Any] | None
    exit_code: int | None
    output: str


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


class Waits(Answer):
    """Why the first message waits though nothing runs: `quota` (one is used up; it is sent when
    that begins anew) or `held` (all was stopped; `…/resume` lets it go)."""

    reason: Literal["quota", "held"]
    quota: str | None = None
    limit: float | None = None
    used: float | None = None
    resets_at: str | None = None


class QueuedView(Answer):
    """A message that waits for its turn."""

    submit_id: str
    input: list[dict[str, Any]]
    status: Literal["queued", "waiting_for_login"]
    waits: Waits | None
    overrides: dict[str, Any]
    created_at: str


class UploadView(Answer):
    """An uploaded image. Its lifetime begins anew when a message names it."""

    upload_id: str
    media_type: Literal["image/png", "image/jpeg", "image/gif", "image/webp"]
    size: int
    expires_at: str


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


class TerminalView(Answer):
    """A command that the agent runs. `in_background`: its turn has ended without it. `output` is
    where its whole output is read, `tail` the end of what it has written so far. `pid` is null
    where Codex does not tell it."""

    terminal_id: str
    turn_id: str | None
    item_id: str
    command: str
    working_directory: str
    pid: int | None
    in_background: bool
    tail: str
    output: str | None


class TerminalList(Answer):
    """The commands that run in a conversation."""

    data: list[TerminalView]


class TerminalsEnded(Answer):
    """The commands that were ended. Their items end with `item/completed`."""

    ended: list[str]


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


class StoppedView(Answer):
    """What was stopped in one conversation: its turn (its end comes as `turn/completed`), running
    commands, and messages that waited."""

    conversation_id: str
    turn_id: str | None
    commands: int
    removed_messages: int
    held_messages: int


class InterruptedAll(Answer):
    """The conversations whose running turn was asked to end, and what was stopped in each."""

    conversations: list[str]
    stopped: list[StoppedView]


class Resumed(Answer):
    """Whether something was held back here, and how many messages wait for their turn."""

    resumed: bool
    waiting_messages: int


class ResumedAll(Answer):
    """The conversations that were held back."""

    conversations: list[str]


class TokenView(Answer):
    """A token, without the token. `source` says where it stands."""

    name: str
    scopes: list[str]
    created_at: str
    expires_at: str | None
    expired: bool
    source: Literal["file", "environment"]


class TokenList(Answer):
    """All tokens of this server, those that have expired too."""

    data: list[TokenView]


class NewToken(TokenView):
    """A token that was just made. It is shown this once."""

    token: str


class NewTicket(Answer):
    """A ticket: `url` is the stream, with it. It must be opened before `expires_at`."""

    ticket: str
    expires_at: str
    url: str


class SessionView(Answer):
    """How this caller is known, and what it may do."""

    via: Literal["local", "token", "page", "ticket", "none"]
    scopes: list[str]


class CoreList(Answer):
    """All of a list: `data` holds the core's own objects, unchanged."""

    data: list[dict[str, Any]]


class SkillList(CoreList):
    """The skills that a turn in the working directory has; `errors` names files that are none."""

    working_directory: str | None
    errors: list[dict[str, Any]]


class SkillView(Answer):
    """A skill, and whether it is on."""

    path: str
    enabled: bool


class ConfigView(Answer):
    """The configuration as it is in effect: the core's own objects, without their secrets.
    `version` and `file` are of the one file that can be written, null where there is none yet."""

    working_directory: str | None
    version: str | None
    file: str | None
    config: dict[str, Any]
    origins: dict[str, Any] = Field(description="Which layer each value comes from.")
    layers: list[dict[str, Any]] | None = Field(description="With `?layers=1`, highest first.")
    requirements: dict[str, Any] | None = Field(description="What an administrator demands.")


class ConfigWritten(Answer):
    """What was written. `overridden`: the layer that keeps it from being in effect, if one does."""

    version: str
    file: str
    overridden: dict[str, Any] | None


class RpcAnswer(Answer):
    """What the core answered, unchanged."""

    result: Any


class McpServerLogin(Answer):
    """A login to an MCP server that waits for a person: open `url` in a browser on the server's
    machine. It ends with the event `mcpServer/oauthLogin/completed` on `/events`."""

    name: str
    url: str
    expires_at: str


class RateLimit(Answer):
    """One window of one limit of the account."""

    limit_id: str | None
    limit_name: str | None
    window: Literal["primary", "secondary"]
    used_percent: int | None
    window_minutes: int | None
    resets_at: str | None
    reached: str | None = Field(description="Why nothing is left, in the core's words.")


class Credits(Answer):
    """What is paid for beside the plan."""

    has_credits: bool | None
    unlimited: bool | None
    balance: str | None


class TokenCounts(Answer):
    """Tokens by kind: `cached_input` is part of `input`, `reasoning_output` of `output`."""

    input: int
    cached_input: int
    cache_write_input: int
    output: int
    reasoning_output: int
    total: int


class SpentView(TokenCounts):
    """What turns took: how many, how long, their tokens. Running ones are in it."""

    turns: int
    minutes: float


class CallerSpent(SpentView):
    """What the turns of one caller took today."""

    caller: str


class ConversationSpentView(SpentView):
    """What a conversation's turns took that have ended."""

    conversation_id: str
    last_turn_at: str


class ServerTokens(Answer):
    """What turns of this server took: ever, and today (UTC)."""

    total: SpentView
    today: SpentView


class QuotaView(Answer):
    """A limit that the server's owner has set, and what is used of it: by this caller, today or
    in this conversation. `used` is null where the quota is each conversation's own."""

    quota: str
    limit: float
    used: float | None
    resets_at: str | None


class CoreUsage(Answer):
    """The core's own answers to `account/rateLimits/read` and `account/usage/read`, unchanged."""

    rate_limits: dict[str, Any] | None
    token_usage: dict[str, Any] | None
    token_usage_reason: str | None


class Usage(Answer):
    """What is left and what was used. `reason` says why the rate limits can't be read:
    `not_signed_in`, `api_key`, `provider_needs_no_login`, `unreadable` (the backend refused),
    `core_unavailable`. `stale`: they are shown, but are older than a minute."""

    rate_limits: list[RateLimit]
    credits: Credits | None
    plan_type: str | None
    fetched_at: str | None
    stale: bool
    reason: str | None
    tokens: ServerTokens
    callers: list[CallerSpent]
    quotas: list[QuotaView]
    conversations: list[ConversationSpentView] | None
    core: CoreUsage


class TurnSpent(Answer):
    """What one turn took. `caller` is whose message started it, `core` where none did. `usage`:
    its tokens were `reported` while it ran, there were `none`, they are `unknown` (nobody was
    connected to the core for a part of it) or came `late` (from the core's total afterwards)."""

    turn_id: str
    caller: str
    status: str
    started_at: str
    ended_at: str | None
    minutes: float
    tokens: TokenCounts
    usage: Literal["reported", "none", "unknown", "late"]


class ContextView(Answer):
    """How full the model's context is, in tokens."""

    window: int
    used: int
    left: int


class ConversationUsage(Answer):
    """What a conversation took: in all, its running turns, its ended turns newest first (go on
    with `before=next_before`), and the core's newest token report, unchanged."""

    conversation_id: str
    tokens: SpentView
    context: ContextView | None
    running: list[TurnSpent]
    turns: list[TurnSpent]
    next_before: str | None
    quotas: list[QuotaView]
    core: dict[str, Any] | None


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
