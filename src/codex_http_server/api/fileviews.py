"""Answers about files, as schemas/ has the others."""

from __future__ import annotations

from typing import Literal

from codex_http_server.api.schemas import Answer


class FileView(Answer):
    """A part of a file. `path` is where it really is: from the working directory, or absolute.
    `content` is text where these bytes are text, else base64. `next_offset` is null at the end."""

    type: Literal["file"]
    path: str
    size: int
    modified_at: str
    offset: int
    encoding: Literal["utf-8", "base64"]
    content: str
    truncated: bool
    next_offset: int | None


class EntryView(Answer):
    """What stands in a directory. `path` is null where the name is no UTF-8: no request can name
    it. `size` is null for all but files."""

    name: str
    path: str | None
    type: Literal["file", "directory", "link", "other"]
    size: int | None
    modified_at: str


class DirectoryView(Answer):
    """A page of a directory, by name. `next_cursor` is null on the last page."""

    type: Literal["directory"]
    path: str
    modified_at: str
    data: list[EntryView]
    next_cursor: str | None


class HitView(Answer):
    """A file or directory whose path fits. `indices` are the places of the letters that do."""

    path: str
    name: str
    type: Literal["file", "directory"]
    score: int
    indices: list[int]


class Hits(Answer):
    """The best first. `truncated`: the core found as many as it shows, there may be more."""

    data: list[HitView]
    truncated: bool
