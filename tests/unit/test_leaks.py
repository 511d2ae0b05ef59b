"""The search for secrets finds what is planted, and never shows it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from codex_http_server.testing.tokens import SECRET_MARK, encode, jwt
from tests.support.leaks import WATCH, Watch
from tests.support.secrets import secrets_in
from tests.support.server import _drain

ROOT = Path(__file__).parents[2]
KEY = "sk-proj-" + "a1B2" * 6
TOKEN = "cht_" + "x-Y_" * 10 + "abc"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f'"rt-{SECRET_MARK}-7"', "a secret of the login issuer"),
        (jwt(3, {})[30:90], "a part of a token of the login issuer"),
        (f"Bearer {TOKEN}.", "a token"),
        ("?ticket=chs_" + "a" * 43, "a ticket"),
        (f"key={KEY}&", "an API key"),
        (f"x{encode(b'{}')}", None),
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln", "a JSON Web Token"),
        ("cht_short", None),
        ("cht_" + "a" * 42, None),
        ("a task-force-of-many-people, a disk-of-a-thousand-bytes", None),
        ("sk-short", None),
        ("eyJ", None),
        ("", None),
    ],
)
def test_a_secret_is_known_by_its_form(text: str, kind: str | None) -> None:
    assert list(secrets_in(text)) == ([kind] if kind else [])


def test_a_whole_token_of_the_issuer_is_found_wherever_it_stands() -> None:
    assert "a JSON Web Token" in secrets_in("x" * 100_000 + jwt(1, {"email": "a@b"}) + "y")


def test_a_second_place_counts_where_the_first_only_looks_like_one() -> None:
    assert list(secrets_in(f"a disk-full and a task-list, sk-1, {KEY}")) == ["an API key"]


def test_what_is_found_is_named_and_not_shown(tmp_path: Path) -> None:
    watch = Watch()
    watch.look("the log", f"all is well\nkey {KEY}")
    (tmp_path / "state" / "deep").mkdir(parents=True)
    (tmp_path / "state" / "deep" / "log.db").write_bytes(b"\0\xff" + TOKEN.encode() + b"\0")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "auth.json").write_text(KEY)
    watch.files(tmp_path)
    watch.printed(["serve"], "", f"{TOKEN}")
    watch.printed(["token", "create"], TOKEN, "")
    found = watch.take()
    assert found == [
        "a token in stderr of the command serve",
        "a token in the file state/deep/log.db",
        "an API key in the log",
    ]
    assert watch.take() == []


def answered(method: str, path: str, *, header: str = "") -> httpx.Response:
    headers = {"x-note": header}
    request = httpx.Request(method, f"http://127.0.0.1:1{path}")
    return httpx.Response(200, json={"token": TOKEN}, headers=headers, request=request)


def test_an_answer_is_searched_unless_it_hands_out_a_secret() -> None:
    watch = Watch()
    watch.answer(answered("POST", "/tokens"))
    watch.answer(answered("POST", "/tickets"))
    assert watch.take() == []
    watch.answer(answered("GET", "/tokens", header=KEY))
    assert watch.take() == [
        "a token in the answer of GET /tokens",
        "an API key in the headers of GET /tokens",
    ]


@pytest.mark.plants("an API key in the log of the server")
def test_a_line_of_a_servers_log_is_searched() -> None:
    script = f"import sys; print('a line', file=sys.stderr); print('{KEY}', file=sys.stderr)"
    command = [sys.executable, "-c", script]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    lines: list[str] = []
    _drain(process, lines)
    assert process.wait(10) == 0
    assert lines == ["a line\n", f"{KEY}\n"]


PLANTS = f"""
import pytest
from tests.support.leaks import WATCH

def test_clean(): WATCH.look("a log", "nothing")

def test_leaks(): WATCH.look("a log", "{KEY}")

def test_after(): pass

@pytest.fixture(scope="module")
def late():
    yield
    WATCH.look("a log of the module", "{KEY}")

@pytest.mark.plants("a log")
def test_plants(): WATCH.look("a log", "{KEY}")

@pytest.mark.plants("another log")
def test_plants_in_vain(): pass

def test_module(late): pass
"""


def test_a_secret_fails_the_test_in_which_it_turned_up(tmp_path: Path) -> None:
    path = tmp_path / "test_planted.py"
    path.write_text(PLANTS)
    options = ["-p", "tests.support.leaks", "-p", "no:cacheprovider", "-rA", "--rootdir", str(ROOT)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-c", str(ROOT / "pyproject.toml"), str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    summary = done.stdout.partition("short test summary")[2]
    failed = [line.split("::")[1].split()[0] for line in summary.splitlines() if "ERROR" in line]
    assert sorted(failed) == ["test_leaks", "test_module", "test_plants_in_vain"], done.stdout
    assert "a secret turned up: an API key in a log" in done.stdout
    assert "no secrets in " in done.stdout


def test_all_that_this_run_saw_is_counted() -> None:
    before = WATCH.searched
    WATCH.look("nothing", "12345")
    assert WATCH.searched == before + 5
