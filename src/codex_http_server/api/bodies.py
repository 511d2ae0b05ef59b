"""Request bodies: what a caller may send, checked here and nowhere else."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from codex_http_server.accounts.logins import KEY
from codex_http_server.auth.callers import Scope
from codex_http_server.auth.roots import inside
from codex_http_server.auth.tokens import NAME
from codex_http_server.engine.decisions import Given
from codex_http_server.errors import InvalidDirectory, MessageTooLarge, OutsideRoots
from codex_http_server.records import Stated

MESSAGE_MAX: Final = 1_048_576  # characters; the core's own limit (measured)
DEPTH_MAX: Final = 100  # levels; the core never answers a request of 128 (measured)


class Body(BaseModel):
    """A request body: an unknown field is an error, never silently dropped, and so is a value of
    another type than the document says (`0` for `false`, `"5"` for `5`)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _can_be_written(cls, given: Any) -> Any:
        """JSON that Python takes and the core does not: deep, lone surrogates, NaN, Infinity."""
        if _deeper_than(DEPTH_MAX, given):
            raise ValueError(f"is nested deeper than {DEPTH_MAX} levels")
        try:
            json.dumps(given, ensure_ascii=False, allow_nan=False).encode()
        except UnicodeEncodeError:
            raise ValueError("holds half of a surrogate pair, which is not text") from None
        except ValueError:
            raise ValueError("holds NaN or Infinity, which are not JSON") from None
        return given


def _deeper_than(most: int, given: Any) -> bool:
    """Level by level: what is too deep to be walked down would end this walk as well."""
    level: list[Any] = [given]
    for _ in range(most):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    match value:
        case dict():
            return cast("dict[str, Any]", value).values()
        case list():
            return cast("list[Any]", value)
        case _:
            return ()


def _is_rfc3339(given: Any) -> Any:
    """What pydantic takes for a time beyond that: a number, and its digits."""
    if not isinstance(given, str) or not RFC3339.match(given):
        raise ValueError("must be a time such as 2030-01-31T12:00:00Z")
    return given


def _whole(given: Any) -> Any:
    """`300.0` is an integer to JSON Schema, and so to whoever reads openapi.json."""
    return int(given) if isinstance(given, float) and given.is_integer() else given


Whole = Annotated[int, BeforeValidator(_whole)]
RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")
Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_is_rfc3339)]
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


class Settable(Policy):
    """What a conversation is made with and what can be changed later."""

    title: Name | None = None
    approval_deadline: float | None = Field(
        default=None,
        ge=0,
        le=7 * 86400,
        description="Seconds that an approval waits before it is declined; 0: for ever. Left out,"
        " the server's settings decide.",
    )


class Tool(Body):
    """A tool that the agent may call and a client runs."""

    name: str = Field(pattern="^[a-zA-Z0-9_-]{1,64}$")
    description: str = Field(min_length=1, max_length=10_000)
    inputSchema: dict[str, Any] = Field(description="JSON Schema of its arguments.")


class CreateConversation(Settable):
    """A new conversation in a directory of this machine."""

    working_directory: str = Field(
        description="Absolute path of an existing directory.", examples=["/path/to/project"]
    )
    tools: list[Tool] = Field(
        default=[],
        max_length=100,
        description="Tools that clients run: each call is an approval of kind `tool_call`.",
    )


class PatchConversation(Settable):
    """What to change; the policy holds from the next turn on, the deadline from the next
    approval on."""


class TextPart(Body):
    """Text."""

    type: Literal["text"]
    text: str


class ImagePart(Body):
    """An image: in a `data:` URL (PNG, JPEG, GIF or WebP), or uploaded before."""

    type: Literal["image"]
    url: str | None = Field(default=None, min_length=1, examples=["data:image/png;base64,…"])
    upload_id: str | None = Field(default=None, min_length=1, description="Of `POST /uploads`.")

    @model_validator(mode="after")
    def _one_of_them(self) -> ImagePart:
        if (self.url is None) == (self.upload_id is None):
            raise ValueError("url or upload_id must be given, one of them")
        return self


class LocalImagePart(Body):
    """An image file on the server's machine, in the working directory or below a `--root`."""

    type: Literal["local_image"]
    path: str = Field(
        min_length=1,
        max_length=4096,
        description="Absolute, or from the conversation's working directory.",
    )


class SkillPart(Body):
    """A skill to use. The core passes over one that it does not know."""

    type: Literal["skill"]
    name: Name
    path: str = Field(min_length=1, max_length=4096, description="Of its SKILL.md.")


class MentionPart(Body):
    """A file or app that the text mentions. The model reads of it only what the text says."""

    type: Literal["mention"]
    name: Name
    path: str = Field(min_length=1, max_length=4096)


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
            return part.model_dump(exclude_none=True)


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


class StartLogin(Body):
    """How to sign in."""

    method: Literal["browser", "device_code", "api_key"] = Field(
        description="`browser`: on the machine of this server. `device_code`: anywhere."
    )
    api_key: str | None = Field(
        default=None,
        pattern=KEY,
        description="With `api_key` only: a key of the OpenAI platform. It is given to the core"
        " and kept nowhere else.",
    )

    @model_validator(mode="after")
    def _key_where_it_belongs(self) -> StartLogin:
        if (self.method == "api_key") != (self.api_key is not None):
            raise ValueError("api_key is needed with the method api_key, and only there")
        return self


class LoginCallback(Body):
    """The end of a browser login on another machine."""

    callback_url: str = Field(
        min_length=1,
        max_length=8000,
        description="The address that the browser ended at: http://127.0.0.1:1455/auth/callback?…",
    )


class BeginSession(Body):
    """The one-time code that `codex-http-server open` has put into the page's address."""

    code: str = Field(min_length=1, max_length=200)


class MakeTicket(Body):
    """The stream to open: the path of the events, with the filters of the query if any."""

    path: str = Field(max_length=8000, examples=["/conversations/{id}/events"])


class MakeToken(Body):
    """A new token. Without `scopes`: read, drive, login, approve."""

    name: str = Field(pattern=f"^{NAME.pattern}$", description="Names it in lists and logs.")
    scopes: list[Annotated[Scope, Field(strict=False)]] | None = Field(default=None, min_length=1)
    expires_at: Time | None = None


class InterruptAll(Body):
    """Stopping everything; what waits is held back unless it is to go on, or taken back."""

    clear_queues: bool = Field(default=False, description="Take all waiting messages back.")
    hold: bool = Field(
        default=True,
        description="Hold waiting messages back until `/resume`, or until someone writes to their"
        " conversation; false: they go on.",
    )


class ToolText(Body):
    """Text that a tool gives back."""

    type: Literal["inputText"]
    text: str


class ToolImage(Body):
    """An image that a tool gives back."""

    type: Literal["inputImage"]
    imageUrl: str


class ToolAudio(Body):
    """Sound that a tool gives back."""

    type: Literal["inputAudio"]
    audioUrl: str


ToolPart = Annotated[ToolText | ToolImage | ToolAudio, Field(discriminator="type")]


class ToolResult(Body):
    """What a tool of the client gives back, in the core's form."""

    success: bool
    contentItems: list[ToolPart] = Field(max_length=1000)


class AnswerApproval(Body):
    """An answer to a question of the core. `decision` is one of those offered; the rest is what
    that decision `takes`."""

    decision: str | dict[str, Any] | None = Field(
        default=None,
        description="The id of a decision that is offered, or the core's own form of it. May be"
        " left out with `answers`, `action` or `result`.",
        examples=["accept"],
    )
    answers: dict[str, str | list[str]] | None = Field(
        default=None, description="To a question: its answers by the ids of its questions."
    )
    action: Literal["accept", "decline", "cancel"] | None = Field(
        default=None, description="To an elicitation: the same as `decision`."
    )
    content: dict[str, Any] | None = Field(
        default=None, description="To an elicitation that is accepted: the filled form."
    )
    result: ToolResult | str | None = Field(
        default=None, description="To a tool call: what the tool gave; text for plain success."
    )

    @model_validator(mode="after")
    def _one_decision(self) -> AnswerApproval:
        if self.action is not None and self.decision not in (None, self.action):
            raise ValueError("decision and action must say the same")
        if all(part is None for part in (self.decision, self.answers, self.action, self.result)):
            raise ValueError("decision must be given")
        return self

    def given(self) -> Given:
        """As the engine takes it."""
        said = self.answers or {}
        lists = {name: [each] if isinstance(each, str) else each for name, each in said.items()}
        return Given(
            decision=self.decision if self.action is None else self.action,
            answers=None if self.answers is None else lists,
            content=self.content,
            result=self._result(),
        )

    def _result(self) -> dict[str, Any] | None:
        if isinstance(self.result, str):
            text = {"type": "inputText", "text": self.result}
            return {"success": True, "contentItems": [text]}
        return None if self.result is None else self.result.model_dump()


def check_directory(path: str, roots: Sequence[Path] | None) -> str:
    """A working directory, normalised. The core takes any path, so it is checked here.

    With `roots`, what lies outside is refused before anything is said about it.
    Raises `InvalidDirectory`, `OutsideRoots`.
    """
    problem = None
    try:
        if "\0" in path or not Path(path).is_absolute():
            problem = "must be an absolute path"
        elif roots is not None and not inside(os.path.normpath(path), roots):
            raise _outside(path)
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


def _outside(path: str) -> OutsideRoots:
    return OutsideRoots(
        f"working_directory {path[:300]!r} is outside the directories that this caller may use.",
        hint="Name one inside them, have the server started with --root, or send a token with the"
        " scope elevate.",
    )
