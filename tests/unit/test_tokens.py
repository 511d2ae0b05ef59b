"""Tokens and their file: what is kept, who may read it, and when it is read again."""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from codex_http_server.auth import tokenfile, tokens
from codex_http_server.auth.callers import Scope
from codex_http_server.auth.keyring import Keyring
from codex_http_server.auth.tokenfile import TokenFile
from codex_http_server.errors import TokenFileUnusable, TokenNameTaken, TokenNotFound
from tests.support.access import make_token

PAST = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


def damage(path: Path, content: str) -> None:
    """Replace the file as an editor would."""
    part = path.with_suffix(".part")
    part.write_bytes(content.encode("latin-1"))
    part.chmod(0o600)
    part.replace(path)


def names(file: TokenFile) -> list[str]:
    return [token.name for token in file.tokens()]


# --- tokens ---------------------------------------------------------------------------------


def test_a_token_is_43_characters_after_its_mark_and_never_the_same() -> None:
    made = {tokens.make("x", [Scope.READ])[1] for _ in range(50)}
    assert len(made) == 50
    for secret in made:
        assert secret.startswith("cht_")
        assert len(secret) == 4 + 43


def test_a_token_is_found_by_its_secret_and_by_nothing_else() -> None:
    pairs = [tokens.make(f"t{n}", [Scope.READ]) for n in range(5)]
    known = [token for token, _ in pairs]
    for token, secret in pairs:
        assert tokens.find(known, secret) is token
        for wrong in (secret[:-1], secret + "x", secret.lower(), token.sha256, "", "\udcff"):
            assert tokens.find(known, wrong) is None


def test_the_whole_list_is_compared_whichever_one_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [tokens.make(f"t{n}", [Scope.READ]) for n in range(4)]
    compared: list[str] = []

    def compare(one: str, other: str) -> bool:
        compared.append(one)
        return one == other

    monkeypatch.setattr(tokens.hmac, "compare_digest", compare)
    for _, secret in pairs:
        compared.clear()
        assert tokens.find([token for token, _ in pairs], secret)
        assert compared == [token.sha256 for token, _ in pairs]


@pytest.mark.parametrize(
    ("text", "span"),
    [("30d", timedelta(days=30)), ("12h", timedelta(hours=12)), ("1w", timedelta(weeks=1))]
    + [("90m", timedelta(minutes=90)), ("5s", timedelta(seconds=5))],
)
def test_a_span_of_time(text: str, span: timedelta) -> None:
    assert tokens.age(text) == span


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1.5d", "30 d", "30y", "9999999d"])
def test_what_is_no_span_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="30d"):
        tokens.age(text)


def test_a_token_expires() -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    assert tokens.make("x", [Scope.READ], PAST)[0].expired()
    assert not tokens.make("x", [Scope.READ], later)[0].expired()
    assert not tokens.make("x", [Scope.READ])[0].expired()


# --- the file -------------------------------------------------------------------------------


def test_the_file_holds_hashes_only_and_is_for_its_owner(path: Path) -> None:
    secret = make_token(path, "phone", ["read", "drive"])
    (found,) = json.loads(path.read_text())["tokens"]
    assert set(found) == {"name", "sha256", "scopes", "created_at", "expires_at"}
    assert found["sha256"] == tokens.digest(secret)
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir() if each.name.startswith(".")] == []


def test_no_file_is_no_token(path: Path) -> None:
    file = TokenFile(path)
    assert file.load() == ()
    make_token(path, "a")
    assert names(file) == ["a"]
    path.unlink()
    assert names(file) == []
    assert file.trouble is None


def test_names_are_taken_once_and_env_is_no_name(path: Path) -> None:
    make_token(path, "a")
    for name in ("a", "env"):
        with pytest.raises(TokenNameTaken):
            make_token(path, name)
    TokenFile(path).remove("a")
    with pytest.raises(TokenNotFound):
        TokenFile(path).remove("a")
    make_token(path, "a")


def test_a_change_is_seen_at_the_next_look_even_within_one_tick(path: Path) -> None:
    file = TokenFile(path)
    file.load()
    for n in range(200):  # all files of one size, and inodes are used again
        make_token(path, f"{n:03}")
        assert names(file) == [f"{n:03}"]
        TokenFile(path).remove(f"{n:03}")


def test_a_file_that_has_not_changed_is_not_read_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_token(path, "a")
    file = TokenFile(path)
    file.load()
    monkeypatch.setattr(tokenfile, "_read", lambda path: pytest.fail("it was read"))
    assert names(file) == names(file) == ["a"]


GOOD = {
    "name": "a",
    "sha256": "0" * 64,
    "scopes": ["read"],
    "created_at": "2026-01-01T00:00:00Z",
    "expires_at": None,
}
BAD = [
    {"name": "env"},
    {"name": "a b"},
    {"name": ""},
    {"sha256": "0" * 63},
    {"sha256": "cht_" + "0" * 60},
    {"scopes": ["write"]},
    {"created_at": "2026-01-01T00:00:00"},
    {"token": "cht_"},
]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"tokens": 1}', '{"tokens": [{"name": "a"}]}', '{"tokens": [], "x": 1}', "ÿ"]
    + [json.dumps({"tokens": [GOOD, GOOD]})]
    + [json.dumps({"tokens": [GOOD | bad]}) for bad in BAD],
)
def test_a_damaged_file_stops_the_start_and_later_leaves_the_last_good_tokens(
    path: Path, content: str
) -> None:
    make_token(path, "good")
    file = TokenFile(path)
    file.load()
    damage(path, content)
    with pytest.raises(TokenFileUnusable) as refused:
        TokenFile(path).load()
    assert str(path) in refused.value.detail
    assert names(file) == ["good"]
    assert file.trouble == refused.value.detail
    with pytest.raises(TokenFileUnusable):
        make_token(path, "more")
    path.unlink()
    make_token(path, "new")
    assert names(file) == ["new"]
    assert file.trouble is None


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o666, 0o610])
def test_a_file_that_is_open_to_others_is_not_used(path: Path, mode: int) -> None:
    make_token(path, "a")
    file = TokenFile(path)
    file.load()
    path.chmod(mode)
    with pytest.raises(TokenFileUnusable) as refused:
        TokenFile(path).load()
    assert f"chmod 600 {path}" in str(refused.value.hint)
    assert names(file) == []
    assert file.trouble
    path.chmod(0o600)
    assert names(file) == ["a"]


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_is_not_used(path: Path) -> None:
    make_token(path, "a")
    os.chown(path, 12345, -1)
    with pytest.raises(TokenFileUnusable, match="another user"):
        TokenFile(path).load()


def test_writers_take_turns(path: Path) -> None:
    def write(who: int) -> None:
        for n in range(10):
            make_token(path, f"{who}-{n}")

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(TokenFile(path).load()) == 40


def test_a_writer_that_does_not_let_go_is_not_waited_for_long(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenfile, "LOCK_WAIT", 0.05)
    with (
        TokenFile(path)._writing(),
        pytest.raises(TokenFileUnusable, match="another writer"),
    ):
        make_token(path, "a")


def test_a_link_stays_one(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "tokens.json"
    target.parent.mkdir()
    path.symlink_to(target)
    make_token(path, "a")
    assert path.is_symlink()
    assert names(TokenFile(path)) == names(TokenFile(target)) == ["a"]


# --- the keyring ----------------------------------------------------------------------------


def test_the_token_of_the_environment_has_all_scopes_but_admin(path: Path) -> None:
    keyring = Keyring(path, "the-token-of-the-environment")
    keyring.load()
    token = keyring.find("the-token-of-the-environment")
    assert token is not None
    assert (token.name, set(token.scopes)) == ("env", set(Scope) - {Scope.ADMIN})
    assert keyring.caller(token).name == "token:env"
    assert keyring.usable()


def test_without_a_token_that_is_not_expired_none_is_usable(path: Path) -> None:
    keyring = Keyring(path, None)
    keyring.load()
    assert not keyring.usable()
    make_token(path, "old", expires_at=PAST)
    assert not keyring.usable()
    make_token(path, "new")
    assert keyring.usable()


def test_a_caller_holds_until_its_token_is_ended_or_made_anew(path: Path) -> None:
    keyring = Keyring(path, None)
    keyring.load()
    secret = make_token(path, "a")
    token = keyring.find(secret)
    assert token is not None
    caller = keyring.caller(token)
    assert caller.holds()
    keyring.file.remove("a")
    assert not caller.holds()
    make_token(path, "a")  # the same name, another token
    assert not caller.holds()


def test_a_caller_holds_until_its_token_expires(path: Path) -> None:
    keyring = Keyring(path, None)
    keyring.load()
    secret = make_token(path, "a", expires_at=datetime.now(UTC) + timedelta(milliseconds=150))
    token = keyring.find(secret)
    assert token is not None
    caller = keyring.caller(token)
    assert caller.holds()
    waiting = threading.Event()
    waiting.wait(0.2)
    assert not caller.holds()
    assert keyring.find(secret) is not None, "an expired token is known, to say so"
