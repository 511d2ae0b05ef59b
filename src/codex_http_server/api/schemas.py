"""Request and response bodies. Requests are checked by these; answers are described by them,
and a test holds real answers against them.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from codex_http_server.errors import InvalidDirectory, MessageTooLarge
from codex_http_server.records import Stated

MESSAGE_MAX: Final = 1_048_576  # characters; the core's own limit (measured)


class Body(BaseModel):
    """A request body: an unknown field is an error, never silently dropped."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _can_be_written(cls, given: Any) -> Any:
        """JSON that Python takes and nothing else does: lone surrogates, NaN, Infinity."""
        try:
            json.dumps(given, ensure_ascii=False, allow_nan=False).encode()
        except UnicodeEncodeError:
            raise ValueError("holds half of a surrogate pair, which is not text") from None
        except ValueError:
            raise ValueError("holds NaN or Infinity, which are not JSON") from None
        return given


# --- requests -------------------------------------------------------------------------------

Sandbox = Literal["read-only", "workspace-write", "danger-full-access"]
ApprovalPolicy = Literal["untrusted", "on-request", "never"]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Policy(Body):
    """What turns run under. What is left out, the core's own configuration decides."""

    model: Name | None = None
    reasoning_effort: Name | None = None
    approval_policy: ApprovalPolicy | None = None
    sandbox: Sandbox | None = None

    def stated(self) -> Stated:
        """As a record keeps it."""
        return Stated(self.model, self.reasoning_effort, self.approval_policy, self.sandbox)


class CreateConversation(Policy):
    """A new conversation in a directory of this machine."""

    working_directory: str = Field(
        description="Absolute path of an existing directory.", examples=["/path/to/project"]
    )
    title: Name | None = None


class PatchConversation(Policy):
    """What to change; the policy holds from the next turn on."""

    title: Name | None = None


class TextPart(Body):
    """Text."""

    type: Literal["text"]
    text: str


class ImagePart(Body):
    """An image by URL (`https:` or `data:`)."""

    type: Literal["image"]
    url: str = Field(min_length=1)


class LocalImagePart(Body):
    """An image file on the server's machine."""

    type: Literal["local_image"]
    path: str = Field(min_length=1)


class SkillPart(Body):
    """A skill to use."""

    type: Literal["skill"]
    name: str
    path: str


class MentionPart(Body):
    """A file or app that the message mentions."""

    type: Literal["mention"]
    name: str
    path: str


AnyPart = TextPart | ImagePart | LocalImagePart | SkillPart | MentionPart
Part = Annotated[AnyPart, Field(discriminator="type")]


class Message(Body):
    """A message: `message` for plain text, `input` for parts, or both (text first)."""

    message: str | None = Field(
        default=None, description=f"Plain text, at most {MESSAGE_MAX:,} characters."
    )
    input: list[Part] | None = Field(default=None, max_length=100)

    @model_validator(mode="after")
    def _something(self) -> Message:
        if not self.message and not self.input:
            raise ValueError("message must be a text that is not empty, or input must have parts")
        return self

    def parts(self) -> list[dict[str, Any]]:
        """The message in the core's shape. Raises `MessageTooLarge`."""
        texts = [TextPart(type="text", text=self.message)] if self.message else []
        parts = [*texts, *(self.input or [])]
        size = sum(len(part.text) for part in parts if isinstance(part, TextPart))
        if size > MESSAGE_MAX:
            raise MessageTooLarge(
                f"The message has {size:,} characters; {MESSAGE_MAX:,} are allowed.",
                hint="Put long material into a file of the project and name it.",
            )
        return [_core_part(part) for part in parts]


def _core_part(part: AnyPart) -> dict[str, Any]:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text, "text_elements": []}
        case LocalImagePart():
            return {"type": "localImage", "path": part.path}
        case _:
            return part.model_dump()


class SendMessage(Message, Policy):
    """A message with what holds for its turn only."""

    while_busy: Literal["queue", "steer", "reject", "interrupt"] = Field(
        default="queue", description="What to do while a turn is running."
    )
    output_schema: dict[str, Any] | None = Field(
        default=None, description="JSON Schema of the final answer, for this turn."
    )

    def digest(self) -> str:
        """A hash of the body, by which an Idempotency-Key knows its own."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class Reorder(Body):
    """The waiting messages in their new order, each named once."""

    order: list[str]


class Interrupt(Body):
    """Interrupting; the waiting messages go on after it unless they are cleared."""

    clear_queue: bool = False


def check_directory(path: str) -> str:
    """A working directory, normalised. The core takes any path, so it is checked here.

    Raises `InvalidDirectory`.
    """
    problem = None
    try:
        if "\0" in path or not Path(path).is_absolute():
            problem = "must be an absolute path"
        elif not Path(path).exists():
            problem = "does not exist"
        elif not Path(path).is_dir():
            problem = "is not a directory"
    except OSError as error:  # a name that is too long, a folder that may not be entered
        problem = f"can't be used: {error.strerror}"
    if problem is not None:
        raise InvalidDirectory(
            f"working_directory {path[:300]!r} {problem}.",
            errors=[{"field": "working_directory", "message": problem}],
        )
    return os.path.normpath(path)


# --- answers --------------------------------------------------------------------------------


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
    archived: bool
    model: str | None
    reasoning_effort: str | None
    approval_policy: Any
    sandbox: str
    sandbox_policy: dict[str, Any]
    created_at: str
    updated_at: str
    head: int
    events: str


class ConversationPage(Answer):
    """Conversations, newest first."""

    data: list[ConversationView]
    next_cursor: str | None


class Submitted(Answer):
    """What became of a message so far. `events` streams what follows."""

    submit_id: str
    turn_id: str | None
    status: Literal["started", "steered", "queued", "waiting_for_login", "removed", "ended"]
    events: str
    policy: dict[str, Any]
    error: str | None = None


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


class Snapshot(Answer):
    """All that a first paint needs, read at one seq: go on with `events?after=seq`."""

    conversation: ConversationView
    items: list[ItemView]
    items_before: int
    turns: list[TurnView]
    open_items: list[OpenItemView]
    usage: dict[str, Any] | None
    approvals: list[Any]
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
