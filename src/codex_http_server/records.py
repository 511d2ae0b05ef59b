"""What is kept beside the events: conversations, submitted messages, answers to keep.

Values only. A record is written in the same commit as the events that tell of its change, so
the two can't disagree after a crash.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

SubmitState = Literal[
    "queued", "starting", "started", "steering", "steered", "ended", "removed", "reverted"
]
WAITING: tuple[SubmitState, ...] = ("queued", "starting", "steering")

ApprovalState = Literal["pending", "answered", "ended"]
Takes = Literal["answers", "content", "result"]
RequestId = int | str


class Stated(msgspec.Struct, frozen=True):
    """The policy that a user asked for; None leaves it to the core's configuration."""

    model: str | None = None
    reasoning_effort: str | None = None
    approval_policy: Any = None
    sandbox: str | None = None


class ForkedFrom(msgspec.Struct, frozen=True):
    """Where a fork comes from: `turn_id` is the last turn that both have, None where they share
    none. `key` and `body_hash` are of the request that made it."""

    conversation_id: str
    turn_id: str | None = None
    key: str | None = None
    body_hash: str = ""


class Reverting(msgspec.Struct, frozen=True):
    """The core was asked to forget this turn and all after it, by `caller`. `sent_again`: so that
    its message can be; what was sent stays what it was."""

    turn_id: str
    caller: str
    sent_again: bool = False


class ConversationRecord(msgspec.Struct, kw_only=True):
    """A conversation. `resolved_*` is what the core's own configuration says."""

    id: str
    thread_id: str
    working_directory: str
    source: str = "server"  # who began it; what was found in the core: `cli`, `vscode`, `exec` …
    untold: bool = False  # the core has history of it that is not in the log yet
    forked_from: ForkedFrom | None = None
    title: str | None = None
    preview: str = ""
    stated: Stated = Stated()
    resolved_model: str | None = None
    resolved_effort: str | None = None
    resolved_approval: Any = None
    resolved_sandbox: dict[str, Any] = {}
    tools: list[dict[str, Any]] = []  # tools that its clients run, in the core's form
    archived: bool = False
    unloaded_ms: int = 0  # when the core last dropped its thread from memory, as far as we heard
    reload: bool = False  # its thread is to be loaded anew as soon as it is quiet
    held: bool = False  # all was stopped: what waits is not sent until someone says so
    status: Literal["idle", "running"] = "idle"
    begins: bool = False  # the core was asked for a turn of its own and may have begun it
    reverts: Reverting | None = None  # the core may have done it, and the log does not tell yet
    open_since: int = 0  # seq before which nothing in the core is open; 0: nothing is open
    waiting: int = 0  # approvals that wait for a decision
    approval_deadline: float | None = None  # seconds; None: as the server's settings say
    created_ms: int = 0
    updated_ms: int = 0


class SubmitRecord(msgspec.Struct, kw_only=True):
    """A message from the moment it is accepted. `id` goes to the core with it."""

    id: str
    conversation_id: str
    key: str | None
    body_hash: str
    caller: str = "local"  # `Caller.name`
    state: SubmitState
    turn_id: str | None = None
    after: int = 0  # the conversation's seq before the submit
    place: float = 0.0  # order in the queue, lowest first
    message: list[dict[str, Any]]
    overrides: Stated = Stated()
    output_schema: Any = None
    error: str | None = None
    held: Literal["login"] | None = None  # it waits for more than its turn
    revert: str | None = None  # a refused turn with it, which the core must forget first
    created_ms: int = 0


class Decision(msgspec.Struct, frozen=True):
    """One way to answer an approval. `answer` is what the core is told; where it `takes`
    something, the caller's part is added."""

    id: str
    answer: dict[str, Any]
    takes: Takes | None = None
    elevate: bool = False  # it holds beyond the session, or changes rules
    offered: bool = True  # False: the core takes it, but does not list it


class Resolution(msgspec.Struct, frozen=True):
    """How an approval ended: what was decided (None where nobody here did), by whom, and why."""

    decision: str | None
    answer: Any
    by: str  # `Caller.name`, `client`, `server` or `core_lost`
    reason: str
    at_ms: int


class ApprovalRecord(msgspec.Struct, kw_only=True):
    """A question of the core, from the moment it is asked.

    `answered`: it has ended here, and the core may not have been told yet.
    """

    id: str
    conversation_id: str
    thread_id: str  # the conversation's, or that of an agent that one of its turns started
    request_id: RequestId  # the core's; it begins anew with each core
    asked_turn: str | None  # in that thread
    turn_id: str | None  # of the conversation
    item_id: str | None
    kind: str
    method: str
    request: msgspec.Raw
    diff: str | None = None
    decisions: list[Decision] = []
    default: str | None = None  # the decision at the deadline
    created_ms: int = 0
    deadline_ms: int | None = None
    state: ApprovalState = "pending"
    resolution: Resolution | None = None
    hidden: bool = False  # the answer held a secret, which is not kept


class AnswerRecord(msgspec.Struct, kw_only=True):
    """The stored answer to a POST with an Idempotency-Key."""

    scope: str  # method and path
    key: str
    body_hash: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    created_ms: int


class Tokens(msgspec.Struct, frozen=True):
    """Tokens by kind, as the provider counts them: `cached_input` is part of `input`,
    `reasoning_output` of `output`."""

    input: int = 0
    cached_input: int = 0
    cache_write_input: int = 0
    output: int = 0
    reasoning_output: int = 0
    total: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(*(a + b for a, b in self._pairs(other)))

    def since(self, before: Tokens) -> Tokens:
        """What was added since; a count that went down adds nothing."""
        return Tokens(*(max(0, a - b) for a, b in self._pairs(before)))

    def least(self, other: Tokens) -> Tokens:
        """The smaller count of each kind."""
        return Tokens(*map(min, self._pairs(other)))

    def _pairs(self, other: Tokens) -> zip[tuple[int, int]]:
        return zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)


class Spent(msgspec.Struct, frozen=True):
    """What turns cost: how many, how long they ran, their tokens."""

    turns: int = 0
    ms: int = 0
    tokens: Tokens = Tokens()

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.turns + other.turns, self.ms + other.ms, self.tokens + other.tokens)

    def without(self, other: Spent) -> Spent:
        """The rest when `other` is taken out."""
        tokens = self.tokens.since(other.tokens)
        return Spent(max(0, self.turns - other.turns), max(0, self.ms - other.ms), tokens)


class TurnRecord(msgspec.Struct, kw_only=True, frozen=True):
    """A turn that has ended, in the ledger.

    `reported`: its tokens were told while it ran; `none`: the provider reported none; `unknown`:
    nobody was connected to the core for a part of it; `late`: that part was found out afterwards,
    by the core's total.
    """

    conversation_id: str
    turn_id: str
    thread_id: str
    caller: str  # of the message that started it; `core` where none of ours did
    status: str
    started_ms: int
    ended_ms: int
    tokens: Tokens = Tokens()
    usage: Literal["reported", "none", "unknown", "late"] = "none"
    thread_total: Tokens = Tokens()  # the core's count for the thread when the turn ended

    @property
    def spent(self) -> Spent:
        """What it cost."""
        return Spent(1, max(0, self.ended_ms - self.started_ms), self.tokens)


class RevertRecord(msgspec.Struct, kw_only=True, frozen=True):
    """A turn that was taken back, with `first` and all between."""

    conversation_id: str
    turn_id: str
    first: str


Record = (
    ConversationRecord | SubmitRecord | AnswerRecord | TurnRecord | ApprovalRecord | RevertRecord
)
