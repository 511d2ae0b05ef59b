"""What is read in `auth.json`, and when it counts as changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codex_http_server.accounts.authfile import AuthFile, Watch, read
from codex_http_server.testing.issuer import Issuer
from codex_http_server.testing.tokens import Person, marked


@pytest.fixture
def issuer() -> Issuer:
    """One that only writes logins."""
    return Issuer()


def of(home: Path) -> AuthFile:
    return read(home / "auth.json")


def test_a_chatgpt_login_says_who_and_until_when(issuer: Issuer, tmp_path: Path) -> None:
    issuer.write_login(tmp_path, expires_in=-60)
    found = of(tmp_path)
    assert (found.state, found.mode, found.email) == ("present", "chatgpt", "ada@example.com")
    assert (found.plan, found.account_id) == ("pro", "acct-ada")
    assert found.expires_at is not None
    assert not marked(repr(found)), "no secret is kept"


def test_new_tokens_of_the_same_person_are_the_same_identity(
    issuer: Issuer, tmp_path: Path
) -> None:
    issuer.write_login(tmp_path)
    first = of(tmp_path)
    issuer.write_login(tmp_path)
    second = of(tmp_path)
    assert first.identity == second.identity
    assert first.content != second.content
    issuer.write_login(tmp_path, Person(account="another-workspace"))
    assert of(tmp_path).identity != first.identity


def test_a_key_is_known_by_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    seen: set[str] = set()
    for key in ("sk-one", "sk-two", "sk-one"):
        path.write_text(json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": key}))
        found = read(path)
        assert found.mode == "apikey"
        assert key not in repr(found)
        seen.add(found.identity)
    assert len(seen) == 2


@pytest.mark.parametrize(
    "content",
    ["", "{ half", "[]", '"text"', '{"tokens": 1}', '{"tokens": {"id_token": "x"}}',
     '{"tokens": {"id_token": "a.b.c", "access_token": "a.b.c"}}'],
)  # fmt: skip
def test_what_makes_no_sense_is_unreadable_and_no_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "auth.json").write_text(content)
    assert of(tmp_path).state == "unreadable"


def test_no_file_is_absent(tmp_path: Path) -> None:
    assert of(tmp_path) == AuthFile("absent")


def test_a_change_is_seen_once_read(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    watch = Watch(path)
    assert watch.changed(), "it was not read yet"
    watch.look()
    assert not watch.changed()
    path.write_text("{}")
    assert watch.changed()
    watch.look()
    assert not watch.changed()
    path.unlink()
    assert watch.changed()
    watch.look()
    watch.again()
    assert watch.changed()
