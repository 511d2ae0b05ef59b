"""The port to a receiver: tell it one notice, and say how that went."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

import msgspec

from codex_http_server.notify.notices import Notice


class Outcome(Enum):
    """What becomes of a notice that was told."""

    TOLD = "told"
    AGAIN = "again"  # the receiver is away or busy
    REFUSED = "refused"  # telling it again would change nothing


class Told(msgspec.Struct, frozen=True):
    """How it went. `after` is when the receiver wants to hear it again, in seconds."""

    outcome: Outcome
    detail: str
    after: float = 0.0


class Receiver(Protocol):
    """Someone who is told. `name` is used in logs and in the file of positions."""

    name: str

    async def tell(self, notice: Notice, body: bytes) -> Told:
        """Tell one notice; ends in bounded time and raises nothing."""
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...
