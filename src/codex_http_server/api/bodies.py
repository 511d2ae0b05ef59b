"""Request bodies: what a caller may send, checked here and nowhere else."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from codex_http_server.accounts.logins import KEY
from codex_http_server.auth.callers import Scope
from codex_http_server.auth.roots import inside
from codex_http_server.auth.tokens import NAME
from codex_http_server.errors import InvalidDirectory, MessageTooLarge, OutsideRoots
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
    scopes: list[Scope] | None = Field(default=None, min_length=1)
    expires_at: AwareDatetime | None = None


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
