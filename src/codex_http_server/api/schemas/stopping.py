"""Answers about what was stopped, and goes on."""

from __future__ import annotations

from typing import Literal

from codex_http_server.api.schemas.base import Answer


class Interrupted(Answer):
    """The turn that was asked to end. Its end comes as `turn/completed`, and then, as
    `turn/cleared`, what was ended with it."""

    turn_id: str
    removed_messages: int


class EndedCommand(Answer):
    """A command that still ran when its turn ended."""

    item_id: str
    command: str


class EndedProcess(EndedCommand):
    """A process that had left its command: it ended when asked to, was killed, or was left."""

    pid: int
    how: Literal["terminated", "killed", "left"]


class Cleared(Interrupted):
    """The turn that was asked to end has ended, and what it left running."""

    commands: list[EndedCommand]
    processes: list[EndedProcess]
    problem: str | None = None


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
