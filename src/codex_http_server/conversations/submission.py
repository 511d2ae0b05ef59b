"""A message as it was asked for. A value; what becomes of it is a `SubmitRecord`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from codex_http_server.auth.callers import Caller
from codex_http_server.clock import new_id, now_ms
from codex_http_server.records import Stated, SubmitRecord
from codex_http_server.state import WhileBusy


@dataclass(frozen=True)
class Submission:
    """What a caller wants sent, and how."""

    message: list[dict[str, Any]]
    body_hash: str
    caller: Caller
    while_busy: WhileBusy = "queue"
    overrides: Stated = field(default_factory=Stated)
    output_schema: Any = None
    key: str | None = None
    own_turn: bool = False  # the caller waits for the turn, or streams it
    revert: str | None = None  # a turn that the core must forget first
    prepare: Prepare | None = None  # once it is known to be new

    @property
    def needs_own_turn(self) -> bool:
        """Whether it can't join a running turn."""
        return self.own_turn or self.overrides != Stated() or self.output_schema is not None

    def record(self, conversation_id: str, after: int) -> SubmitRecord:
        """A new record of it; `after` is the conversation's seq before it."""
        return SubmitRecord(
            id=new_id(),
            conversation_id=conversation_id,
            key=self.key,
            body_hash=self.body_hash,
            caller=self.caller.name,
            state="queued",
            after=after,
            message=self.message,
            overrides=self.overrides,
            output_schema=self.output_schema,
            revert=self.revert,
            created_ms=now_ms(),
        )


def preview(message: list[dict[str, Any]], limit: int) -> str:
    """The beginning of a message's text, for lists; what it is where it has none."""
    texts = "\n".join(str(p["text"]) for p in message if p.get("type") == "text")[:limit]
    return texts or f"[{message[0]['type'].removeprefix('local').lower()}]"


Prepare = Callable[[Submission], Awaitable[Submission]]
