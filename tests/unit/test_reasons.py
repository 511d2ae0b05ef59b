"""Why a login does not work, from all that is known of it."""

from __future__ import annotations

from typing import Any

import pytest

from codex_http_server.accounts.authfile import AuthFile
from codex_http_server.accounts.reasons import Known, Refusal, plain, refused_refresh, view
from codex_http_server.engine.base import Account, LoginRules

NOBODY = Account(requires_login=True)
ADA = Account(True, "chatgpt", "ada@example.com", "pro", "acct-ada")
FILE = AuthFile("present", "chatgpt", "ada@example.com", "pro", "acct-ada", expires_at=1000.0)
KEY = AuthFile("present", "apikey")


def known(account: Account | None = ADA, file: AuthFile = FILE, **more: Any) -> Known:
    """A login that works, but for what is given."""
    rest: dict[str, Any] = {
        "error": "",
        "rules": LoginRules(),
        "refusal": None,
        "renewing": False,
        "now": 500.0,
    }
    return Known(account, file=file, **(rest | more))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (known(), None),
        (known(NOBODY, AuthFile("absent")), "not_signed_in"),
        (known(NOBODY, AuthFile("unreadable")), "account_unreadable"),
        (known(NOBODY, now=2000.0), "expired"),
        (known(NOBODY), "refresh_refused"),
        (known(NOBODY, rules=LoginRules(workspaces=("acct-bob",))), "wrong_workspace"),
        (known(NOBODY, rules=LoginRules(workspaces=("acct-ada",)), now=2000.0), "expired"),
        (known(NOBODY, rules=LoginRules("api")), "wrong_method"),
        (known(NOBODY, KEY, rules=LoginRules("chatgpt")), "wrong_method"),
        (known(refusal=Refusal("revoked", "it was")), "revoked"),
        (known(NOBODY, refusal=Refusal("expired", "it is")), "expired"),
        (known(Account(False)), "provider_needs_no_login"),
        (known(Account(False), refusal=Refusal("revoked", "x")), "provider_needs_no_login"),
        (known(None, error="workspace routing discovery failed"), "account_unreadable"),
        (known(None, error="… discovery unauthorized (401)"), "refresh_refused"),
        (known(None, renewing=True), None),
        (known(None, AuthFile("absent"), renewing=True), "not_signed_in"),
        (known(None, AuthFile("unreadable"), renewing=True), "account_unreadable"),
    ],
)
def test_the_reason(given: Known, reason: str | None) -> None:
    found = view(given)
    assert found["reason"] == reason
    assert found["authenticated"] is (reason is None)
    assert (found["hint"] is None) is (reason in (None, "provider_needs_no_login"))
    assert reason is None or found["detail"]


def test_whose_login_does_not_work_is_said() -> None:
    found = view(known(NOBODY, now=2000.0))
    assert (found["auth_mode"], found["email"]) == ("chatgpt", "ada@example.com")
    found = view(known(NOBODY, AuthFile("absent")))
    assert (found["auth_mode"], found["email"]) == (None, None)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("… because your refresh token has expired. Please log out", "expired"),
        ("… because your refresh token was already used. Please log out", "refresh_refused"),
        ("… because your refresh token was revoked. Please log out", "revoked"),
        ("… you have since logged out or signed in to another account.", "revoked"),
        ("Your access token could not be refreshed. Please log out", "refresh_refused"),
        ("stream disconnected", None),
    ],
)
def test_the_core_s_sentences(said: str, reason: str | None) -> None:
    assert refused_refresh(said) == reason


@pytest.mark.parametrize("secret", ["sk-abcdefgh", "eyJhbGciOiJub25l.e30.x", "rt-123456789"])
def test_what_looks_like_a_secret_is_taken_out(secret: str) -> None:
    assert plain(f"key {secret} is bad") == "key [removed] is bad"
