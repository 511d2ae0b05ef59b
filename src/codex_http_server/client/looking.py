"""What a conversation has, asked for: requests as values, like those of `calls`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from codex_http_server.client.calls import QUIET, Call, Query, within
from codex_http_server.client.types_history import (
    ConversationUsage,
    Directory,
    ExportFormat,
    File,
    FileHit,
    ItemPage,
    Output,
    Terminal,
    TurnDiff,
    TurnEntry,
    TurnPage,
    WorkTreeDiff,
)


def turns(conversation_id: str, page: Mapping[str, Any]) -> Call[TurnPage]:
    """A page of its turns."""
    return Call("GET", within(conversation_id, "/turns"), params=page)


def turn(conversation_id: str, turn_id: str) -> Call[TurnEntry]:
    """One turn."""
    return Call("GET", within(conversation_id, f"/turns/{_part(turn_id)}"))


def items(conversation_id: str, page: Mapping[str, Any]) -> Call[ItemPage]:
    """A page of its items."""
    return Call("GET", within(conversation_id, "/items"), params=page)


def output(
    conversation_id: str, turn_id: str, item_id: str, offset: int, limit: int | None
) -> Call[Output]:
    """A piece of a command's output."""
    path = within(conversation_id, f"/turns/{_part(turn_id)}/items/{_part(item_id)}/output")
    return Call("GET", path, params={"offset": offset, "limit": limit})


def diff(conversation_id: str, turn_id: str | None) -> Call[TurnDiff]:
    """What a turn changed."""
    return Call("GET", within(conversation_id, "/diff"), params={"turn_id": turn_id})


def work_tree_diff(conversation_id: str) -> Call[WorkTreeDiff]:
    """What has changed in its directory."""
    return Call("GET", within(conversation_id, "/diff"), params={"of": "work_tree"})


def export(conversation_id: str, form: ExportFormat) -> Call[Any]:
    """All of it as a file."""
    path = within(conversation_id, "/export")
    return Call("GET", path, params={"format": form}, timeout=QUIET)


def usage(conversation_id: str, page: Query) -> Call[ConversationUsage]:
    """What it took."""
    return Call("GET", within(conversation_id, "/usage"), params=page)


def terminals(conversation_id: str) -> Call[list[Terminal]]:
    """The commands that run."""
    return Call("GET", within(conversation_id, "/terminals"), read=_data)


def end_terminals(conversation_id: str, terminal_id: str | None) -> Call[list[str]]:
    """End one of them, or all."""
    which = "" if terminal_id is None else f"/{_part(terminal_id)}"
    return Call("DELETE", within(conversation_id, f"/terminals{which}"), read=_ended)


def files(conversation_id: str, path: str, part: Mapping[str, Any]) -> Call[File | Directory]:
    """A file, or what stands in a directory."""
    return Call("GET", "/files", params={"conversation_id": conversation_id, "path": path, **part})


def find_files(conversation_id: str, q: str) -> Call[list[FileHit]]:
    """Files by letters of their path."""
    params: Query = {"conversation_id": conversation_id, "q": q}
    return Call("GET", "/files/search", params=params, read=_data)


def _part(identity: str) -> str:
    return quote(identity, safe="")


def _data(answer: Any) -> Any:
    return answer["data"]


def _ended(answer: Any) -> list[str]:
    return answer["ended"]
