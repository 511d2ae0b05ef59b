"""The tokens of the login issuer: made and told apart by their text. Pure.

Every secret of the issuer contains `SECRET_MARK` in plain text, and a JWT's payload begins with
it too, so that `marked` finds a leak of any of them, whole or in parts.
"""

import base64
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

SECRET_MARK = "Xm4rkedS3cretX"  # noqa: S105 # what marks the secrets

_START = '{"mark":"' + SECRET_MARK + '"'


@dataclass(frozen=True)
class Person:
    """Who signs in."""

    email: str = "ada@example.com"
    plan: str = "pro"
    account: str = "acct-ada"
    user: str = "user-ada"


def encode(data: bytes) -> str:
    """URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# The whole groups of three bytes, which are the same whatever follows.
_ENCODED_MARK = encode(_START.encode())[: len(_START) // 3 * 4]


def jwt(number: int, claims: Mapping[str, object]) -> str:
    """A JWT that nobody signed: the core accepts it (measured)."""
    payload = json.dumps({"mark": SECRET_MARK, "jti": number, **claims}, separators=(",", ":"))
    header = encode(b'{"alg":"none","typ":"JWT"}')
    return f"{header}.{encode(payload.encode())}.{SECRET_MARK}{number}"


def person_claims(person: Person, issued: float, expires: float) -> dict[str, object]:
    """What the core reads in an id token and an access token."""
    auth = {
        "chatgpt_plan_type": person.plan,
        "chatgpt_user_id": person.user,
        "chatgpt_account_id": person.account,
    }
    return {
        "iat": int(issued),
        "exp": int(expires),
        "sub": person.user,
        "email": person.email,
        "https://api.openai.com/auth": auth,
        "https://api.openai.com/profile": {"email": person.email, "email_verified": True},
    }


def secrets_of(kind: str) -> Iterator[str]:
    """Opaque secrets of one kind: refresh tokens `rt`, codes `ac`, API keys `sk` …"""
    for number in itertools.count(1):
        yield f"{kind}-{SECRET_MARK}-{number}"


def marked(text: str) -> list[str]:
    """The places in `text` that give a secret away, with what stands around them."""
    found: list[str] = []
    for mark in (SECRET_MARK, _ENCODED_MARK):
        start = text.find(mark)
        while start >= 0:
            found.append(text[max(0, start - 80) : start + len(mark) + 40])
            start = text.find(mark, start + 1)
    return found
