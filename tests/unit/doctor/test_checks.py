"""The checks' judgements, as functions of values."""

from __future__ import annotations

import json
import threading
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import psutil
import pytest

from codex_http_server.doctor import core, examination, login, storage
from codex_http_server.doctor.case import Case, Config, open_case, read_config
from codex_http_server.doctor.home import reason
from codex_http_server.doctor.login import Stored, judge, read_auth, told
from codex_http_server.doctor.network import Reached
from codex_http_server.doctor.provider import API, CHATGPT, clock, endpoint
from codex_http_server.doctor.results import Result, ok
from codex_http_server.settings import resolve
from tests.support.doctor import token


def case(home: Path, **environ: str) -> Case:
    settings = resolve({"codex_home": str(home)}, environ, read_file=False)
    return open_case(settings, environ, offline=True)


# --- the examination ------------------------------------------------------------------------


def test_a_check_that_fails_or_hangs_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def breaks(_: Case) -> list[Result]:
        raise ValueError("with sk-a-key-of-mine in it")

    def hangs(_: Case) -> list[Result]:
        ended.wait(20)
        return [ok("late", "too late")]

    checks = (
        (("first", "second"), breaks),
        (("late",), hangs),
        (("well",), lambda _: [ok("well", "fine")]),
    )
    monkeypatch.setattr(examination, "CHECKS", checks)
    monkeypatch.setattr(examination, "IDS", ("first", "second", "late", "well"))
    began = time.monotonic()
    found = examination.examine(case(tmp_path), 0.3)
    assert time.monotonic() - began < 5
    ended.set()
    assert [(each.id, each.status) for each in found] == [
        ("first", "fail"), ("second", "fail"), ("late", "fail"), ("well", "ok"),
    ]  # fmt: skip
    assert "report it" in (found[0].advice or "")
    assert "a-key-of-mine" not in found[0].found
    assert "No result within 0.3 s" in found[2].found


# --- config.toml ----------------------------------------------------------------------------


def test_a_broken_config_is_named_by_its_place_only(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    assert read_config(path) == Config(path)
    path.write_text('a = 1\nb = "secret')
    assert read_config(path).error == "it is not valid TOML at its end"
    path.write_text('a = 1\nb = "secret\n')
    assert read_config(path).error == "it is not valid TOML at line 2, column 12"
    path.write_bytes(b"a = '\xff'")
    assert read_config(path).error == "it is not UTF-8"
    path.unlink()
    path.mkdir()
    assert "can't be read" in (read_config(path).error or "")


def test_the_cores_words_on_a_config_come_without_the_lines_they_quote() -> None:
    said = """Error: failed to load bootstrap configuration

Caused by:
    0: /home/config.toml:2:11: invalid basic string, expected `"`
    1: TOML parse error at line 2, column 11
         |
       2 | key = "secret
         |           ^

Stack backtrace:
   0: <unknown>
"""
    assert reason(said) == (
        '/home/config.toml:2:11: invalid basic string, expected `"`'
        " TOML parse error at line 2, column 11"
    )
    assert reason("") == "it does not say why"


PROFILE = """
profile = "p"
[profiles.p]
model_provider = "b"
[model_providers.b]
requires_openai_auth = true
"""


@pytest.mark.parametrize(
    ("text", "name", "url", "needs"),
    [
        ("", "openai", CHATGPT, True),
        ('openai_base_url = "https://eu"', "openai", "https://eu", True),
        ('model_provider = "ollama"', "ollama", "http://localhost:11434/v1", False),
        ('model_provider = "other"', "other", None, False),
        (
            'model_provider = "a"\n[model_providers.a]\nbase_url = "http://a/v1"',
            "a",
            "http://a/v1",
            False,
        ),
        (
            PROFILE,
            "b",
            CHATGPT,
            True,
        ),
        ('model_provider = 3\nmodel_providers = "x"', "openai", CHATGPT, True),
    ],
)
def test_which_provider_a_config_means(
    tmp_path: Path, text: str, name: str, url: str | None, needs: bool
) -> None:
    (tmp_path / "config.toml").write_text(text)
    found = endpoint(case(tmp_path))
    assert (found.name, found.url, found.login) == (name, url, needs)


def test_an_api_key_means_the_api(tmp_path: Path) -> None:
    (tmp_path / "auth.json").write_text(json.dumps({"OPENAI_API_KEY": "x"}))
    assert endpoint(case(tmp_path)).url == API


# --- login and clock ------------------------------------------------------------------------

NOW = 1_795_363_200.0


@pytest.mark.parametrize(
    ("stored", "status"),
    [
        (Stored("apikey"), "ok"),
        (Stored("other"), "ok"),
        (Stored("chatgpt", ends=None, renewable=True), "ok"),
        (Stored("chatgpt", ends=NOW + 1), "ok"),
        (Stored("chatgpt", ends=NOW - 1, renewable=True), "warn"),
        (Stored("chatgpt", ends=NOW - 1, renewable=False), "fail"),
    ],
)
def test_what_a_stored_login_is_worth(stored: Stored, status: str) -> None:
    assert judge(stored, NOW).status == status


def test_auth_json_is_read_without_its_tokens(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    assert read_auth(path) is None
    about = {login.CLAIMS: {"chatgpt_plan_type": "plus"}}
    tokens = {"id_token": token(email="a@b", **about), "access_token": token(exp=7)}
    path.write_text(json.dumps({"tokens": tokens | {"refresh_token": "r"}}))
    assert read_auth(path) == Stored("chatgpt", "a@b", "plus", 7.0, renewable=True)
    path.write_text(json.dumps({"auth_mode": "gateway"}))
    assert read_auth(path) == Stored("other")
    for nothing in ({}, {"tokens": None}, {"tokens": 3}, {"tokens": {}}, {"auth_mode": "chatgpt"}):
        path.write_text(json.dumps(nothing))
        assert read_auth(path) is None
    for odd in ("no token", "a.b.c", "a.W10.c", f"{token()[:9]}..", 5):
        path.write_text(json.dumps({"tokens": {"access_token": odd, "id_token": odd}}))
        assert read_auth(path) == Stored("chatgpt")
    path.write_text("torn")
    assert read_auth(path) is None


def test_what_a_server_says_of_the_login() -> None:
    good: dict[str, Any] = {"authenticated": True, "auth_mode": "chatgpt", "email": "a@b"}
    assert told(good).status == "ok"
    assert told({"authenticated": False, "requires_login": False}).status == "ok"
    gone = {"authenticated": False, "requires_login": True, "reason": "revoked", "detail": "why"}
    assert told(gone).status == "fail"
    assert "revoked: why" in told(gone).found


@pytest.mark.parametrize(
    ("apart", "status", "said"),
    [
        (0, "ok", "agrees"),
        (60, "ok", "agrees"),
        (75, "warn", "75 s ahead of"),
        (-600, "warn", "10 min behind"),
    ],
)
def test_a_clock_may_be_a_minute_off(apart: float, status: str, said: str) -> None:
    found = clock(Reached(401, NOW, NOW + apart, None))
    assert found.status == status
    assert said in found.found
    assert clock(Reached(401, None, NOW, None)).status == "skip"


# --- the machine ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"inside": True, "outside": False, "network": False}, "ok"),
        ({"inside": False, "outside": False, "network": False}, "fail"),
        ({"inside": True, "outside": True, "network": False}, "fail"),
        ({"inside": True, "outside": False, "network": True}, "fail"),
    ],
)
def test_a_sandbox_lets_a_command_write_in_its_directory_only(
    said: dict[str, bool], status: str
) -> None:
    assert core._judge(said).status == status


def test_a_sandbox_that_can_t_be_made(tmp_path: Path) -> None:
    binary = tmp_path / "codex"
    binary.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1"
    )
    binary.chmod(0o755)
    settings = resolve({"codex_bin": str(binary)}, {}, read_file=False)
    (found,) = core.sandbox(open_case(settings, {"PATH": "/bin:/usr/bin"}, offline=True))
    assert found.status == "fail"
    assert "No permissions to create a new namespace" in found.found
    assert "user namespaces" in (found.advice or "")


def test_little_memory_and_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    available = namedtuple("available", "available")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: available(100 * storage.MIB))
    (found,) = storage.memory(case(tmp_path))
    assert (found.status, found.found) == ("warn", "100.0 MiB available")

    def limits(soft: int, hard: int) -> Result:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
        return storage.files(case(tmp_path))[0]

    assert limits(4096, 4096).status == "ok"
    assert limits(resource.RLIM_INFINITY, resource.RLIM_INFINITY).status == "ok"
    assert "ulimit -n 1024" in (limits(256, 4096).advice or "")
    assert "ulimit" not in (limits(256, 256).advice or "")
