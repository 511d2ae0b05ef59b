"""What every error has: a code, a title, a sentence, a hint."""

from __future__ import annotations

from typing import Any, ClassVar


class ServerError(Exception):
    """The server failed in a way it did not expect. The log has the trace, by request id."""

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    advice: ClassVar[str | None] = None  # the hint, where no better one is given
    retry_after: int = 0  # seconds; 0 where trying again is no use

    def __init__(self, detail: str, *, hint: str | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint or self.advice
        self.extra = extra


class Internal(ServerError):
    """A fault of the server itself."""
