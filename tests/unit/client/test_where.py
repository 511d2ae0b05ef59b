"""How the client finds its server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codex_http_server.client.errors import ServerNotFound
from codex_http_server.client.where import Address, Locator, address_of, token_of
from codex_http_server.places import places


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "home"))
    for name in ("CODEX_HTTP_URL", "CODEX_HTTP_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def discovered(home: Path, content: str) -> None:
    places(home, None).discovery.write_text(content)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:3032/", Address("http://127.0.0.1:3032")),
        ("https://codex.example", Address("https://codex.example")),
        ("unix:/run/s.sock", Address("http://localhost", "/run/s.sock")),
        ("unix:///run/s.sock", Address("http://localhost", "/run/s.sock")),
        ("http+unix://%2Frun%2Fs.sock", Address("http://localhost", "/run/s.sock")),
    ],
)
def test_addresses(url: str, address: Address) -> None:
    assert address_of(url) == address
    assert address.local == ("example" not in url)


def test_what_is_no_address() -> None:
    with pytest.raises(ServerNotFound):
        address_of("127.0.0.1:3032")


def test_the_given_url_then_the_environment_then_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    discovered(tmp_path / "home", json.dumps({"url": "http://127.0.0.1:1"}))
    discovered(tmp_path / "other", json.dumps({"url": "unix:/s"}))
    assert Locator(None, None).find().url == "http://127.0.0.1:1"
    monkeypatch.setenv("CODEX_HTTP_URL", "http://127.0.0.1:2")
    assert Locator(None, None).find().url == "http://127.0.0.1:2"
    assert Locator(None, tmp_path / "other").find().socket == "/s"
    assert Locator("http://127.0.0.1:3", None).find().url == "http://127.0.0.1:3"


def test_a_server_that_moved_is_found_again(tmp_path: Path) -> None:
    locator = Locator(None, None)
    for port in (1, 2):
        discovered(tmp_path / "home", json.dumps({"url": f"http://127.0.0.1:{port}"}))
        assert locator.find().url.endswith(str(port))


@pytest.mark.parametrize("content", [None, "", "[]", '{"pid": 1}', "\0"])
def test_no_server_and_what_to_do(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        discovered(tmp_path / "home", content)
    with pytest.raises(ServerNotFound) as error:
        Locator(None, None).find()
    assert "CODEX_HTTP_URL" in (error.value.hint or "")


def test_the_token() -> None:
    assert token_of(None, {}) is None
    assert token_of(None, {"CODEX_HTTP_TOKEN": "b"}) == "b"
    assert token_of("a", {"CODEX_HTTP_TOKEN": "b"}) == "a"
