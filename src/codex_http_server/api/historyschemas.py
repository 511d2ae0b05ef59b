"""Answers about a conversation's history: pages of turns and items."""

from __future__ import annotations

from typing import Literal

from codex_http_server.api.schemas import (
    Answer,
    ItemView,
    OpenItemView,
    PlanView,
    TurnPolicy,
    TurnSpent,
)
from codex_http_server.api.schemas.core import Turn


class ItemPage(Answer):
    """Ended items, oldest first; `items_before` more lie before them and `items_after` after
    them. `open_items` are those that have not ended, on a page that reaches the newest; `seq` is
    where this was read: go on with `events?after=seq`."""

    data: list[ItemView]
    items_before: int
    items_after: int
    open_items: list[OpenItemView]
    seq: int


class TurnEntry(Answer):
    """A turn. `seq` is that of its start. `submit_ids` are the messages that went into it through
    this server, `items` how many of its items have ended, `usage` what it took (null until it has
    ended), `policy` what it ran under. `diff` is its last diff if that is small; `diff_url` is
    null where it has none. `plan` is its newest one. `turn` is the core's own object."""

    turn_id: str
    seq: int
    end_seq: int | None
    status: str | None
    synthetic: str | None
    started_at: str
    ended_at: str | None
    submit_ids: list[str]
    items: int
    items_url: str
    usage: TurnSpent | None
    policy: TurnPolicy | None
    diff: str | None
    diff_url: str | None
    plan: PlanView | None
    turn: Turn | None


class TurnPage(Answer):
    """Turns, oldest first; `turns_before` more lie before them and `turns_after` after them."""

    data: list[TurnEntry]
    turns_before: int
    turns_after: int


class TurnDiff(Answer):
    """What a turn changed, by the core's last word on it: its event is `seq`. `diff` is empty and
    `seq` null where it changed nothing that the core saw."""

    of: Literal["turn"]
    turn_id: str
    seq: int | None
    diff: str


class WorkTreeDiff(Answer):
    """What the working directory has that its last commit, `head`, has not; null before the first
    commit. `diff` has untracked files too, which `untracked` names. `truncated`: there is more."""

    of: Literal["work_tree"]
    head: str | None
    diff: str
    untracked: list[str]
    truncated: bool
