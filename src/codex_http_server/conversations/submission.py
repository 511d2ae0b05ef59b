"""A message as it was asked for. A value; what becomes of it is a `SubmitRecord`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from codex_http_server.records import Stated
from codex_http_server.state import WhileBusy


@dataclass(frozen=True)
class Submission:
    """What a caller wants sent, and how."""

    message: list[dict[str, Any]]
    body_hash: str
    while_busy: WhileBusy = "queue"
    overrides: Stated = field(default_factory=Stated)
    output_schema: Any = None
    key: str | None = None
    own_turn: bool = False  # the caller waits for the turn, or streams it

    @property
    def needs_own_turn(self) -> bool:
        """Whether it can't join a running turn."""
        return self.own_turn or self.overrides != Stated() or self.output_schema is not None


def preview(message: list[dict[str, Any]], limit: int) -> str:
    """The beginning of a message's text, for lists."""
    return "\n".join(str(p["text"]) for p in message if p.get("type") == "text")[:limit]
