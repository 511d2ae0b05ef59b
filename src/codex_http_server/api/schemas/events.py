"""Answers about events. What each type carries: `ownevents.py` and `api/eventschemas.py`."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ConfigDict, Field

from codex_http_server.api.schemas.base import Answer
from codex_http_server.api.schemas.core import ApprovalPolicy, SandboxPolicy
from codex_http_server.events import ENVELOPE

ABSENT: Final[Any] = None  # the default of a field that is left out, and never null


def told(name: str) -> str:
    """What a field of the envelope means."""
    return ENVELOPE[name]


class TurnPolicy(Answer):
    """All that a turn runs under. `sandbox` is our word, `sandbox_policy` the core's own object."""

    model: str | None
    reasoning_effort: str | None
    approval_policy: ApprovalPolicy
    sandbox: str
    sandbox_policy: SandboxPolicy


class Event(Answer):
    """What every event has. `type` says what is in `data`. One without `position` is not in the log
    (a frame of a stream): then it has no `seq`, `turn_id` and `item_id` either."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description=told("type"))
    conversation_id: str | None = Field(description=told("conversation_id"))
    at: str = Field(description=told("at"))
    core: str = Field(description=told("core"))
    data: dict[str, Any] = Field(description=told("data"))
    seq: int = Field(default=ABSENT, description=told("seq"))
    position: str = Field(default=ABSENT, description=told("position"))
    turn_id: str | None = Field(default=ABSENT, description=told("turn_id"))
    item_id: str | None = Field(default=ABSENT, description=told("item_id"))
    item_type: str = Field(default=ABSENT, description=told("item_type"))
    text: str = Field(default=ABSENT, description=told("text"))
    status: str = Field(default=ABSENT, description=told("status"))
    synthetic: str = Field(default=ABSENT, description=told("synthetic"))
    policy: TurnPolicy = Field(default=ABSENT, description=told("policy"))
    folded: int = Field(default=ABSENT, description=told("folded"))


class EventPage(Answer):
    """Events, oldest first. Go on with `after=next_after`; there is more while it is below
    `head`."""

    data: list[Event]
    next_after: int
    head: int
    log_id: str


class AllEventPage(Answer):
    """Events of all conversations, in the order in which they were committed."""

    data: list[Event]
    next_after: str
    head: str
    log_id: str
