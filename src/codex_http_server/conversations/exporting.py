"""A conversation as a document: JSON lines for programs, Markdown for people. Pure."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

from codex_http_server.clock import rfc3339
from codex_http_server.events import ITEM_COMPLETED, ITEM_DISCARDED, Event

Format = Literal["jsonl", "markdown"]
MEDIA: Final[dict[Format, str]] = {"jsonl": "application/jsonl", "markdown": "text/markdown"}
_SUFFIX: Final[dict[Format, str]] = {"jsonl": "jsonl", "markdown": "md"}
_NAME: Final = 60  # characters of the title in a file's name


def file_name(title: str | None, conversation_id: str, form: Format) -> str:
    """A name that is safe in a header and on every disk."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", title or "")[:_NAME].strip("-")
    return f"{words or 'conversation'}-{conversation_id}.{_SUFFIX[form]}"


def head(conversation: dict[str, Any], form: Format) -> bytes:
    """What stands before the events."""
    if form == "jsonl":
        return msgspec.json.encode({"conversation": conversation}) + b"\n"
    title = conversation["title"] or conversation["preview"] or conversation["id"]
    lines = [
        f"# {' '.join(title.split())}",
        (
            f"{conversation['working_directory']} · {conversation['model']}"
            f" · {conversation['created_at']} · `{conversation['id']}`"
        ),
    ]
    return ("\n\n".join(lines) + "\n").encode()


def part(event: Event, form: Format) -> bytes:
    """An event in the document; nothing, where Markdown has no place for it."""
    if form == "jsonl":
        return event.json() + b"\n"
    if event.type not in (ITEM_COMPLETED, ITEM_DISCARDED):
        return b""
    item: dict[str, Any] = msgspec.json.decode(event.data).get("item") or {}
    text = _item(item)
    if not text:
        return b""
    broken = " (broken off)" if event.type == ITEM_DISCARDED else ""
    return f"\n## {_who(item)}{broken}\n\n*{rfc3339(event.at_ms)}*\n\n{text}\n".encode()


def _who(item: dict[str, Any]) -> str:
    kind = str(item.get("type"))
    return {"userMessage": "User", "agentMessage": "Codex"}.get(kind, kind)


def _item(item: dict[str, Any]) -> str:
    """An item in Markdown; one that is not known, or has another shape, as its JSON."""
    try:
        text = _known(item)
    except (KeyError, TypeError, AttributeError):
        text = None
    if text is None:
        return _fenced(msgspec.json.format(msgspec.json.encode(item)).decode(), "json")
    return text


def _known(item: dict[str, Any]) -> str | None:
    match item.get("type"):
        case "userMessage":
            return "\n\n".join(_input(each) for each in item["content"])
        case "agentMessage" | "plan":
            return str(item["text"])
        case "reasoning":
            return "\n\n".join(str(each) for each in item["summary"])
        case "commandExecution":
            output = item.get("aggregatedOutput") or ""
            return _fenced(f"$ {item['command']}\n{output}", "")
        case "fileChange":
            return "\n\n".join(_change(each) for each in item["changes"])
        case _:
            return None


def _change(change: dict[str, Any]) -> str:
    return f"`{change['path']}`\n\n{_fenced(str(change['diff']), 'diff')}"


def _input(given: dict[str, Any]) -> str:
    """What a user gave; an image in the address itself would be a megabyte of letters."""
    if given.get("type") == "text":
        return str(given.get("text", ""))
    where = str(given.get("path") or given.get("url") or given.get("name") or "")
    return f"[{given.get('type')}{'' if where.startswith('data:') else ' ' + where}]"


def _fenced(text: str, language: str) -> str:
    """Text in a fence that nothing in it can close."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip(chr(10))}\n{fence}"
