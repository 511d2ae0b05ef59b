"""Answers about messages, their turns, and what waits."""

from __future__ import annotations

from typing import Any, Literal

from codex_http_server.api.schemas.base import Answer
from codex_http_server.api.schemas.core import Turn
from codex_http_server.api.schemas.events import TurnPolicy


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
    policy: TurnPolicy
    error: str | None = None
    login: LoginNeeded | None = None


class Finished(Submitted):
    """A message whose turn has ended: the core's turn, and the agent's last words. Both are null
    where the turn was taken back since, for a retry say."""

    turn: Turn | None
    reply: str | None


class Reverted(Answer):
    """The turns that were taken back, oldest first. `head` is the newest seq by then."""

    conversation_id: str
    before_turn_id: str
    turn_ids: list[str]
    head: int


class Began(Answer):
    """A turn that no message started, and that has begun. `events` streams what follows."""

    turn_id: str
    status: Literal["started", "ended"]
    events: str


class TurnEnded(Began):
    """It has ended: the core's turn, and the agent's last words."""

    turn: Turn | None
    reply: str | None


class Ran(Began):
    """The command has ended. `exit_code` is null where it was cut off; `output` is what the core
    keeps of it, head and tail of a long one."""

    turn: Turn | None
    exit_code: int | None
    output: str


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
