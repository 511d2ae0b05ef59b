"""The core, seen from inside: turned into another error before a caller sees it."""

from __future__ import annotations

from typing import Any


class CoreError(Exception):
    """The core answered a request with a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{code}: {message}")
        self.rpc_code = code
        self.message = message
        self.data = data


class CoreGone(Exception):
    """The connection to the core ended before it answered."""
