"""Who makes a request, and what that caller may do. Pure values.

Owns the scopes and their meaning. Knows no header and no socket: `api/doorkeeper.py` finds out
who calls, by the peers, tokens and tickets of this folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal

from codex_http_server.errors import ScopeRequired, TokenRequired


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
        Scope.ADMIN: "Make and end tokens, change the configuration: all that Codex may do.",
    }
)

TOKENLESS: Final = frozenset({Scope.READ, Scope.DRIVE, Scope.LOGIN, Scope.APPROVE})
"""What a caller without a token may do: the same user, on this machine."""


def _always() -> bool:
    return True


@dataclass(frozen=True)
class Caller:
    """Who makes a request. `name` is stable and no secret: limits, quotas and logs go by it.

    `holds` says whether what the caller showed is still good: a stream asks again and again.
    """

    name: str  # `local`, `token:<name>`, `page:<id>`; a ticket has its maker's; `nobody`
    via: Literal["local", "token", "page", "ticket", "none"]
    scopes: frozenset[Scope]
    holds: Callable[[], bool] = field(default=_always, compare=False, repr=False)

    def may(self, scope: Scope) -> bool:
        """Whether the caller has this scope."""
        return scope in self.scopes

    def need(self, scope: Scope) -> None:
        """Raises `ScopeRequired` where the caller lacks `scope`; `TokenRequired` for nobody."""
        if self.via == "none" and not self.may(scope):
            raise TokenRequired("This needs a token.", hint=_HINTS["none"], scope=str(scope))
        if not self.may(scope):
            raise ScopeRequired(
                f"This needs the scope {scope}, which this caller ({self.via}) does not have.",
                hint=_HINTS[self.via].format(create=_create(scope)),
                scope=str(scope),
            )


def _create(scope: Scope) -> str:
    """The command that makes a token which has this scope, and what goes with it."""
    more = "" if scope in TOKENLESS else f" --scope read,drive,approve,{scope}"
    return f"codex-http-server token create{more}"


_HINTS: Final = {
    "local": "Send a token that has it: Authorization: Bearer …; make one with `{create}`.",
    "token": "Use a token that has it; `{create}` makes one.",
    "page": "Send a token that has it; `{create}` makes one.",
    "ticket": "A ticket opens one event stream and nothing else.",
    "none": "Send one: Authorization: Bearer …; `codex-http-server token create` makes one. The"
    " page gets its own way in by `codex-http-server open`.",
}

LOCAL: Final = Caller("local", "local", TOKENLESS)
"""The same OS user on this machine, without a token."""

NOBODY: Final = Caller("nobody", "none", frozenset())
"""Who has shown nothing where something must be shown: only what is public is open."""
