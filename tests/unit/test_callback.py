"""The pasted end of a browser login: only the answer to this login is ever fetched."""

from __future__ import annotations

import pytest

from codex_http_server.accounts.callback import Redirect, redirect_of, target
from codex_http_server.errors import Invalid, LoginStateMismatch

HERE = "http://127.0.0.1:1455/auth/callback"
REDIRECT = Redirect(1455, "/auth/callback", "st")


def test_the_redirect_stands_in_the_authorize_url() -> None:
    url = (
        "https://x/authorize?state=st&redirect_uri=http%3A%2F%2F127.0.0.1%3A1455%2Fauth%2Fcallback"
    )
    assert redirect_of(url) == REDIRECT


def test_what_is_fetched_is_path_and_known_parts_only() -> None:
    wanted = target(f"  {HERE}?code=a%26b&state=st&scope=s&more=no#part\n", REDIRECT)
    assert wanted == "/auth/callback?code=a%26b&state=st&scope=s"
    assert target(f"{HERE}?error=access_denied&state=st", REDIRECT)
    assert target(f"{HERE}?code=c&state=st".replace("127.0.0.1", "localhost"), REDIRECT)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "code=c&state=st",
        f"{HERE}?state=st",
        "https://127.0.0.1:1455/auth/callback?code=c&state=st",
        "http://127.0.0.1/auth/callback?code=c&state=st",
        "http://127.0.0.1:99999999/auth/callback?code=c&state=st",
        "http://user@127.0.0.1:1455/auth/callback?code=c&state=st",
        "http://127.0.0.1.example.com:1455/auth/callback?code=c&state=st",
        "http://127.0.0.1:1455/success?code=c&state=st",
    ],
)
def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="callback_url"):
        target(url, REDIRECT)


@pytest.mark.parametrize("query", ["code=c", "code=c&state=other", "code=c&state="])
def test_another_state_is_refused(query: str) -> None:
    with pytest.raises(LoginStateMismatch):
        target(f"{HERE}?{query}", REDIRECT)
