"""A run fails where an operation answered a code that the document does not list for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from codex_http_server.api.problems import MEDIA_TYPE
from tests.support.driven import DOCUMENT
from tests.support.promises import Promises

ROOT = Path(__file__).parents[2]
FILE = """
import pytest
from tests.support.promises import PROMISES

@pytest.mark.parametrize("code", {codes!r})
def test_one(code):
    PROMISES.refused(("GET", "/models"), code)
"""


def seen(path: str, code: str, kind: str = MEDIA_TYPE) -> set[tuple[str, str, str]]:
    """What is broken after a client saw this answer of GET `path`."""
    promises = Promises(DOCUMENT)
    headers = {"content-type": kind}
    request = httpx.Request("GET", f"http://127.0.0.1:1{path}")
    answer = httpx.Response(422, headers=headers, json={"code": code}, request=request)
    promises.answer(answer)
    return promises.broken


def test_a_code_that_is_not_listed_is_noted_with_its_operation() -> None:
    found = seen("/conversations/a/items", "turn_not_found")
    assert found == {("GET", "/conversations/{conversation_id}/items", "turn_not_found")}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/models", "core_timeout"),  # its own
        ("/models", "too_many_requests"),  # any request may be answered this
        ("/nowhere", "not_found"),  # no operation
    ],
)
def test_what_is_listed_and_what_is_no_operation_is_not(path: str, code: str) -> None:
    assert seen(path, code) == set()


def test_only_problems_count() -> None:
    assert seen("/models", "quota_exceeded")
    assert not seen("/models", "quota_exceeded", kind="application/json")


def run(folder: Path, codes: list[str], *arguments: str) -> tuple[int, str]:
    """The exit status and the output of tests that see these codes."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_some.py").write_text(FILE.format(codes=codes))
    plugins = [
        "-p",
        "tests.support.seen",
        "-p",
        "tests.support.promises",
        "-p",
        "no:cacheprovider",
        *arguments,
    ]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, "test_some.py"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return ended.returncode, ended.stdout


def test_a_run_that_saw_one_fails_and_names_it(tmp_path: Path) -> None:
    status, output = run(tmp_path, ["core_timeout", "turn_not_found"], "-n", "2")
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "GET /models answered turn_not_found" in output
    assert "core_timeout," not in output


def test_a_run_that_saw_none_passes(tmp_path: Path) -> None:
    status, output = run(tmp_path, ["core_timeout"])
    assert status == pytest.ExitCode.OK
    assert "answered" not in output
