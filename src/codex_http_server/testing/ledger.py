"""What the login issuer has given out, and what of it is still good. No HTTP.

A login is a family: its refresh tokens follow each other, each good once, and its access tokens
live for `access_seconds`. Any thread may call it.
"""

import itertools
import threading
import time
from dataclasses import dataclass, field

from codex_http_server.testing.tokens import (
    Person,
    jwt,
    person_claims,
    secrets_of,
)


@dataclass(frozen=True)
class Tokens:
    """What one login or one refresh gives."""

    id: str
    access: str
    refresh: str

    def json(self) -> dict[str, object]:
        """The answer of the token endpoint."""
        return {
            "id_token": self.id,
            "access_token": self.access,
            "refresh_token": self.refresh,
            "token_type": "Bearer",
        }


class Refused(Exception):
    """The issuer says no; `code` is the one that the core reads."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class _Family:
    person: Person
    current: str = ""
    used: set[str] = field(default_factory=set[str])
    revoked: bool = False


class Ledger:
    """The issuer's books."""

    def __init__(self) -> None:
        self.access_seconds = 3600.0
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._refresh_tokens = secrets_of("rt")
        self._keys = secrets_of("sk")
        self._families: list[_Family] = []
        self._access: dict[str, tuple[_Family, float]] = {}  # token → family, end
        self._good_keys: set[str] = set()

    def sign_in(self, person: Person, lifetime: float | None = None) -> Tokens:
        """A new login."""
        with self._lock:
            family = _Family(person)
            self._families.append(family)
            return self._issue(family, lifetime)

    def refresh(self, token: str) -> Tokens:
        """The next tokens for a refresh token, which is used up. Raises `Refused`."""
        with self._lock:
            family = self._family(token)
            if family is None or family.revoked:
                raise Refused("refresh_token_invalidated")
            if token in family.used:
                raise Refused("refresh_token_reused")
            family.used.add(token)
            return self._issue(family, None)

    def revoke(self, token: str) -> bool:
        """End the login that this refresh or access token belongs to; whether there was one."""
        with self._lock:
            family = self._family(token)
            if family is None and token in self._access:
                family, _ = self._access[token]
            if family is None:
                return False
            family.revoked = True
            return True

    def revoke_all(self) -> None:
        """End every login, as a change of password does. Keys stay."""
        with self._lock:
            for family in self._families:
                family.revoked = True

    def expire_access(self) -> None:
        """End every access token now, whatever it says of itself; refresh tokens stay good."""
        with self._lock:
            self._access = {token: (family, 0.0) for token, (family, _) in self._access.items()}

    def new_key(self) -> str:
        """An API key that is good."""
        with self._lock:
            key = next(self._keys)
            self._good_keys.add(key)
            return key

    def holder(self, bearer: str) -> Person | None:
        """Whose access token this is; None if it is unknown, over or revoked."""
        with self._lock:
            if bearer not in self._access:
                return None
            family, end = self._access[bearer]
            return None if family.revoked or time.time() >= end else family.person

    def good(self, bearer: str) -> bool:
        """Whether an access token or an API key is good now."""
        return bearer in self._good_keys or self.holder(bearer) is not None

    def _family(self, refresh: str) -> _Family | None:
        for family in self._families:
            if refresh == family.current or refresh in family.used:
                return family
        return None

    def _issue(self, family: _Family, lifetime: float | None) -> Tokens:
        now = time.time()
        end = now + (self.access_seconds if lifetime is None else lifetime)
        claims = person_claims(family.person, now, end)
        made = Tokens(
            id=jwt(next(self._numbers), claims),
            access=jwt(next(self._numbers), claims),
            refresh=next(self._refresh_tokens),
        )
        family.current = made.refresh
        self._access[made.access] = (family, end)
        return made
