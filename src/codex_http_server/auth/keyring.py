"""All tokens that this server takes: those of the file, and the one of the environment.

Owns which are in force now. Knows no header: api/recognise.py.
"""

from __future__ import annotations

from pathlib import Path

from codex_http_server.auth import tokens
from codex_http_server.auth.callers import Caller
from codex_http_server.auth.tokenfile import TokenFile
from codex_http_server.auth.tokens import Token


class Keyring:
    """Asked for every request; the file is looked at each time."""

    def __init__(self, path: Path, given: str | None) -> None:
        """`given` is the token of the environment."""
        self.file = TokenFile(path)
        self.given = tokens.from_environment(given) if given else None

    def load(self) -> None:
        """Read the file for the first time. Raises `TokenFileUnusable`."""
        self.file.load()

    def all(self) -> tuple[Token, ...]:
        """The tokens, those that have expired too."""
        found = self.file.tokens()
        return found if self.given is None else (self.given, *found)

    def usable(self) -> bool:
        """Whether there is a token that lets anyone in."""
        return any(not token.expired() for token in self.all())

    def find(self, secret: str) -> Token | None:
        """The token that `secret` is, expired or not."""
        return tokens.find(self.all(), secret)

    def caller(self, token: Token) -> Caller:
        """Who calls with this token."""

        def holds() -> bool:
            return not token.expired() and token in self.all()

        name = f"token:{token.name}"
        return Caller(name, "token", frozenset(token.scopes), holds)
