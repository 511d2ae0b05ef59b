"""Who makes a request, and what that caller may do. Pure values.

Owns the scopes and their meaning. Knows no header and no socket: `api/doorkeeper.py` finds out
who calls, by the peers, tokens and tickets of this folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal

from codex_http_server.errors import ScopeRequired


class Scope(StrEnum):
    """One right. A caller has any number of them; none contains another."""

    READ = "read"
    DRIVE = "drive"
    LOGIN = "login"
    APPROVE = "approve"
    ELEVATE = "elevate"
    ADMIN = "admin"


MEANING: Final[Mapping[Scope, str]] = MappingProxyType(
    {
        Scope.READ: "Look at conversations, events, queue, account and usage.",
        Scope.DRIVE: "Start and change conversations, send messages, interrupt.",
        Scope.LOGIN: "Sign in and out.",
        Scope.APPROVE: "Answer questions of the core, for the session too.",
        Scope.ELEVATE: "Ask for a sandbox or approvals looser than the ceiling, and for directories"
        " outside `--root`; give approvals that outlast their session or change rules.",
        Scope.ADMIN: "Make and end tokens, change the configuration.",
    }
)

TOKENLESS: Final = frozenset({Scope.READ, Scope.DRIVE, Scope.LOGIN, Scope.APPROVE})
"""What a caller without a token may do: the same user, on this machine."""


@dataclass(frozen=True)
class Caller:
    """Who makes a request. `name` is stable and no secret: limits, quotas and logs go by it."""

    name: str  # `local`, `token:<name>`, `page:<id>`, `ticket:<id>`
    via: Literal["local", "token", "page", "ticket"]
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether the caller has this scope."""
        return scope in self.scopes

    def need(self, scope: Scope) -> None:
        """Raises `ScopeRequired` where the caller lacks `scope`."""
        if not self.may(scope):
            raise ScopeRequired(
                f"This needs the scope {scope}, which this caller ({self.via}) does not have.",
                hint=_HINTS[self.via],
                scope=str(scope),
            )


_HINTS: Final = {
    "local": "Send a token that has it: Authorization: Bearer …; make one with"
    " `codex-http-server token`.",
    "token": "Use a token that has it; `codex-http-server token` makes one.",
    "page": "Open the page with `codex-http-server open`, or send a token that has it.",
    "ticket": "A ticket opens one event stream and nothing else.",
}

LOCAL: Final = Caller("local", "local", TOKENLESS)
"""The same OS user on this machine, without a token."""
