"""The changes of a `fileChange` item as one unified diff, as people and tools read it. Pure.

Of a file that comes or goes the core gives the content, of a changed one the hunks (measured).
"""

from __future__ import annotations

from typing import Any, Final, cast

NOWHERE: Final = "/dev/null"


def unified(changes: Any) -> str | None:
    """All changes as one text; None where there is nothing to show."""
    if not isinstance(changes, list) or not changes:
        return None
    return "".join(_file(change) for change in cast(list[dict[str, Any]], changes))


def _file(change: dict[str, Any]) -> str:
    kind: dict[str, Any] = change.get("kind") or {}
    path, text = str(change.get("path")), str(change.get("diff") or "")
    match kind.get("type"):
        case "add":
            return _names(NOWHERE, path) + _whole(text, "+")
        case "delete":
            return _names(path, NOWHERE) + _whole(text, "-")
        case _:
            return _names(path, str(kind.get("move_path") or path)) + _ended(text)


def _names(before: str, after: str) -> str:
    return f"--- {before}\n+++ {after}\n"


def _whole(text: str, sign: str) -> str:
    """A whole file as one hunk; a hunk stays as it is."""
    if text.startswith("@@") or not text:
        return _ended(text)
    lines = _ended(text).split("\n")[:-1]
    count = f"1,{len(lines)}"
    place = f"-0,0 +{count}" if sign == "+" else f"-{count} +0,0"
    return f"@@ {place} @@\n" + "".join(f"{sign}{line}\n" for line in lines)


def _ended(text: str) -> str:
    return text if text.endswith("\n") or not text else text + "\n"
