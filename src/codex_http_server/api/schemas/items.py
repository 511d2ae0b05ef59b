"""Answers about what turns hold, and the commands that they run."""

from __future__ import annotations

from codex_http_server.api.schemas.base import Answer
from codex_http_server.api.schemas.core import Item, PlanStep, Turn, TurnError


class ItemView(Answer):
    """An ended item; `item` is the core's own object."""

    seq: int
    turn_id: str | None
    item_id: str | None
    item_type: str | None
    status: str
    synthetic: str | None
    at: str
    item: Item | None


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
    item: Item


class PlanView(Answer):
    """What the agent means to do, by its newest word: the core's own steps, each `pending`,
    `inProgress` or `completed`, and what it says about them."""

    explanation: str | None
    steps: list[PlanStep]


class RetryingView(Answer):
    """The core tries its model again: the turn goes on. `message` is the core's (`Reconnecting...
    2/5`), `error` its whole object."""

    turn_id: str
    message: str
    error: TurnError


class TurnView(Answer):
    """A turn: the core's newest object of it (with the `error` that ended it, if one did), its
    last diff and its newest plan."""

    turn_id: str
    status: str | None
    turn: Turn | None
    diff: str | None
    plan: PlanView | None
    synthetic: str | None = None


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
