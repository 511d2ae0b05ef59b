"""Answers about what was stopped, and goes on."""

from __future__ import annotations

from codex_http_server.api.schemas.base import Answer


class Interrupted(Answer):
    """The turn that was asked to end. Its end comes as `turn/completed`."""

    turn_id: str
    removed_messages: int


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
