"""Answers of the full-text search."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from codex_http_server.api.schemas.base import Answer


class MatchView(Answer):
    """Where in the snippet something was found, in Unicode characters; `end` is behind it."""

    start: int
    end: int


class SnippetView(Answer):
    """The text around what was found first. It is plain text, never HTML. `cut_before` and
    `cut_after`: there is more."""

    text: str
    matches: list[MatchView]
    cut_before: bool
    cut_after: bool


class SearchHitView(Answer):
    """An item, or the title of a conversation, that has all the words. `turn_id`, `item_id`, `seq`
    (of the item's end) and `status` are null where it is a title or a preview."""

    kind: Literal["title", "preview", "message", "answer", "command", "output", "file"]
    conversation_id: str
    title: str | None
    preview: str
    working_directory: str
    source: str
    archived: bool
    turn_id: str | None
    item_id: str | None
    seq: int | None
    status: str | None = Field(
        description="`completed`, `failed` …; `discarded`: it was broken off."
    )
    at: str = Field(description="When it ended; of a title, when the conversation began.")
    snippet: SnippetView


class SearchResults(Answer):
    """What was found: titles first, then newest first. `complete` is false while the index is
    still being made of an old log, so that more may be found later."""

    data: list[SearchHitView]
    next_cursor: str | None
    complete: bool
