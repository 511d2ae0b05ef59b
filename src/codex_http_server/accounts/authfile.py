"""Codex's `auth.json`: whose login it holds, and whether somebody has changed it.

The file belongs to Codex and is shared by every Codex program on the home. It is only read here,
and only for its claims: of keys and tokens nothing stays but a digest under a key of this
process, enough to tell that they changed. Where Codex keeps its login in the system's keyring
there is no such file, and a change is not noticed.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

NAME: Final = "auth.json"
_KEY: Final = secrets.token_bytes(32)
_CLAIMS: Final = "https://api.openai.com/auth"

Signature = tuple[int, int, int] | None


@dataclass(frozen=True)
class AuthFile:
    """What the file says. `identity` is who is signed in, `content` changes with every token."""

    state: Literal["absent", "unreadable", "present"]
    mode: str | None = None  # `chatgpt`, `apikey`, or another of the core's
    email: str | None = None
    plan: str | None = None
    account_id: str | None = None
    expires_at: float | None = None  # of the access token, in seconds
    identity: str = ""
    content: str = ""
    token: str = ""  # digest of the access token, or of the API key


class Watch:
    """One `auth.json`. `changed` costs one stat."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: Signature = None
        self._looked = False

    def changed(self) -> bool:
        """Whether it is another file than `look` read, or was not read yet."""
        return not self._looked or self._signature() != self._seen

    def look(self) -> AuthFile:
        """Read it."""
        # The signature first: a change while we read is then seen as a change.
        self._seen, self._looked = self._signature(), True
        return read(self.path)

    def again(self) -> None:
        """Take it for changed until it is read again."""
        self._looked = False

    def _signature(self) -> Signature:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns


def read(path: Path) -> AuthFile:
    """What the file says now."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return AuthFile("absent")
    except OSError:
        return AuthFile("unreadable")
    try:
        return _parsed(msgspec.json.decode(content, type=dict[str, Any]), content)
    except (ValueError, TypeError, AttributeError):
        return AuthFile("unreadable", content=digest(content))


def _parsed(body: dict[str, Any], content: bytes) -> AuthFile:
    tokens: dict[str, Any] = body.get("tokens") or {}
    key: str | None = body.get("OPENAI_API_KEY")
    mode = body.get("auth_mode") or ("apikey" if key else "chatgpt")
    if mode != "chatgpt" or not tokens:
        identity = digest(repr((mode, key)).encode())
        token = digest((key or "").encode())
        return AuthFile("present", mode, identity=identity, content=digest(content), token=token)
    claims = _claims(tokens["id_token"])
    about: dict[str, Any] = claims.get(_CLAIMS) or {}
    account = tokens.get("account_id") or about.get("chatgpt_account_id")
    who = repr((mode, account, about.get("chatgpt_user_id"), claims.get("email")))
    return AuthFile(
        "present",
        mode,
        email=claims.get("email"),
        plan=about.get("chatgpt_plan_type"),
        account_id=account,
        expires_at=_claims(tokens["access_token"]).get("exp"),
        identity=digest(who.encode()),
        content=digest(content),
        token=digest(tokens["access_token"].encode()),
    )


def _claims(token: str) -> dict[str, Any]:
    """The payload of a JWT. ValueError if it is none."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    raw = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    return msgspec.json.decode(raw, type=dict[str, Any])


def digest(secret: bytes) -> str:
    """What is kept of a secret: equal for equal ones, as long as this process lives."""
    return hashlib.blake2b(secret, key=_KEY, digest_size=16).hexdigest()
