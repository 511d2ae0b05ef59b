"""Tokens: what one is, how it is made, and whether a given text is one. Pure.

A token is shown once, when it is made; afterwards only its SHA-256 is known, because the agent's
sandbox reads every file of the user. 32 random bytes need no slow hash: there is nothing to guess.
Where tokens are kept: tokenfile.py.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec

from codex_http_server.auth.callers import Scope

PREFIX: Final = "cht_"
ENV: Final = "env"  # the name of the token that came by the environment
ENV_LEAST: Final = 16  # characters
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
GIVEN: Final = (Scope.READ, Scope.DRIVE, Scope.LOGIN, Scope.APPROVE)
"""The scopes of a token that is made without a word about them."""

_AGE: Final = re.compile(r"([1-9]\d{0,5})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token as it is kept: everything but the token."""

    name: Annotated[str, msgspec.Meta(pattern=f"^{NAME.pattern}$")]
    sha256: Hash
    scopes: tuple[Scope, ...]
    created_at: Moment
    expires_at: Moment | None = None

    def expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)


def new_secret(prefix: str) -> str:
    """32 random bytes as 43 characters that need no quoting anywhere, after a prefix."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept in place of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def make(
    name: str, scopes: Iterable[Scope], expires_at: datetime | None = None
) -> tuple[Token, str]:
    """A new token: what is kept, and the secret that is shown once."""
    secret = new_secret(PREFIX)
    return of_secret(name, secret, scopes, expires_at), secret


def of_secret(
    name: str, secret: str, scopes: Iterable[Scope], expires_at: datetime | None = None
) -> Token:
    """The token that `secret` is."""
    now = datetime.now(UTC).replace(microsecond=0)
    ordered = tuple(scope for scope in Scope if scope in set(scopes))
    return Token(
        name=name,
        sha256=digest(secret),
        scopes=ordered,
        created_at=now,
        expires_at=expires_at,
    )


def from_environment(secret: str) -> Token:
    """The token of `CODEX_HTTP_TOKEN`: all scopes but admin."""
    return of_secret(ENV, secret, set(Scope) - {Scope.ADMIN})


def find(known: Iterable[Token], secret: str) -> Token | None:
    """The token that `secret` is, expired or not. Each is looked at, however soon one fits."""
    wanted, found = digest(secret), None
    for token in known:
        if hmac.compare_digest(token.sha256, wanted):
            found = token
    return found


def age(text: str) -> timedelta:
    """`30d`, `12h`, `90m` as a span of time. Raises ValueError."""
    match = _AGE.fullmatch(text)
    if match is None:
        raise ValueError("a number and s, m, h, d or w: 30d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
