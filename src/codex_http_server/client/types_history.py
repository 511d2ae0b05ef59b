"""What a conversation has, as the server shows it: turns, items, changes, outputs, files.

Owns shapes only. `item` and `turn` are the core's own objects.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from codex_http_server.client.types import Json

ExportFormat = Literal["jsonl", "markdown"]


class TokenCounts(TypedDict):
    """Tokens by kind: `cached_input` is part of `input`, `reasoning_output` of `output`."""

    input: int
    cached_input: int
    cache_write_input: int
    output: int
    reasoning_output: int
    total: int


class Spent(TokenCounts):
    """What turns took: how many, how long, their tokens."""

    turns: int
    minutes: float


class TurnSpent(TypedDict):
    """What one turn took; `usage` says how its tokens are known."""

    turn_id: str
    caller: str
    status: str
    started_at: str
    ended_at: str | None
    minutes: float
    tokens: TokenCounts
    usage: Literal["reported", "none", "unknown", "late"]
    reverted: bool


class Quota(TypedDict):
    """A limit that the server's owner has set, and what is used of it."""

    quota: str
    limit: float
    used: float | None
    resets_at: str | None


class ConversationUsage(TypedDict):
    """What a conversation took: in all, its running turns, its ended ones newest first."""

    conversation_id: str
    tokens: Spent
    context: Json | None
    running: list[TurnSpent]
    turns: list[TurnSpent]
    next_before: str | None
    quotas: list[Quota]
    core: Json | None


class PageOptions(TypedDict, total=False):
    """Which page: before a seq, or after one; the newest, if neither is named. `limit` ≤ 200."""

    before: int
    after: int
    limit: int


class ItemOptions(PageOptions, total=False):
    """Which items: a page, and of which turn."""

    turn: str


class TurnEntry(TypedDict):
    """A turn. `seq` is that of its start; `diff` is there if it is small, else at `diff_url`."""

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
    policy: Json | None
    diff: str | None
    diff_url: str | None
    turn: Json | None


class TurnPage(TypedDict):
    """Turns, oldest first, and how many more lie before and after them."""

    data: list[TurnEntry]
    turns_before: int
    turns_after: int


class Item(TypedDict):
    """An ended item. `seq` is that of its end."""

    seq: int
    turn_id: str | None
    item_id: str | None
    item_type: str | None
    status: str
    synthetic: str | None
    at: str
    item: Json | None


class OpenItem(TypedDict):
    """An item that has not ended, with all text so far."""

    turn_id: str
    item_id: str
    item_type: str | None
    item: Json


class ItemPage(TypedDict):
    """Ended items, oldest first, and how many more lie before and after them. `open_items` are on
    the page that reaches the newest; `events(after=seq)` goes on from there."""

    data: list[Item]
    items_before: int
    items_after: int
    open_items: list[OpenItem]
    seq: int


class TurnDiff(TypedDict):
    """What a turn changed; empty, and `seq` None, where it changed nothing that the core saw."""

    of: Literal["turn"]
    turn_id: str
    seq: int | None
    diff: str


class WorkTreeDiff(TypedDict):
    """What the working directory has that its last commit, `head`, has not."""

    of: Literal["work_tree"]
    head: str | None
    diff: str
    untracked: list[str]
    truncated: bool


class Output(TypedDict):
    """A piece of a command's output, counted in characters; go on with `offset=next_offset`."""

    text: str
    offset: int
    next_offset: int
    size: int
    ended: bool
    truncated: bool


class Terminal(TypedDict):
    """A command that the agent runs, with the end of what it has written so far."""

    terminal_id: str
    turn_id: str | None
    item_id: str
    command: str
    working_directory: str
    pid: int | None
    in_background: bool
    tail: str
    output: str | None


class FileOptions(TypedDict, total=False):
    """Which part of a file (`offset`, `limit` in bytes), or of a directory (`limit`, `cursor`)."""

    offset: int
    limit: int
    cursor: str
    encoding: Literal["auto", "base64"]


class File(TypedDict):
    """A part of a file; `content` is text where these bytes are text, else base64."""

    type: Literal["file"]
    path: str
    size: int
    modified_at: str
    offset: int
    encoding: Literal["utf-8", "base64"]
    content: str
    truncated: bool
    next_offset: int | None


class Entry(TypedDict):
    """What stands in a directory; `path` is None where the name is no UTF-8."""

    name: str
    path: str | None
    type: Literal["file", "directory", "link", "other"]
    size: int | None
    modified_at: str


class Directory(TypedDict):
    """A page of a directory, by name."""

    type: Literal["directory"]
    path: str
    modified_at: str
    data: list[Entry]
    next_cursor: str | None


class FileHit(TypedDict):
    """A file or directory whose path fits; `indices` are the places of the letters that do."""

    path: str
    name: str
    type: Literal["file", "directory"]
    score: int
    indices: list[int]


class ForkOptions(TypedDict, total=False):
    """What a fork begins with. `at_turn_id`: the last turn that both have."""

    at_turn_id: str
    working_directory: str
    title: str


class Resumed(TypedDict):
    """Whether something was held back here, and how many messages wait for their turn."""

    resumed: bool
    waiting_messages: int
