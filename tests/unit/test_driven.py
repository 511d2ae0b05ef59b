"""A whole run fails where an operation was not driven, also side by side; a part of it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.driven import DRIVEN, Driven
from tests.support.server import _drain

ROOT = Path(__file__).parents[2]
LEFT = ("GET", "/models")


def logged(method: str, path: str, status: int = 200) -> str:
    """A line as a server logs it."""
    said = {"method": method, "path": path, "status": status, "event": "request"}
    return json.dumps(said)


@pytest.mark.parametrize(
    ("line", "noted"),
    [
        (logged("GET", "/models"), ("GET", "/models")),
        (logged("POST", "/models"), None),
        (logged("GET", "/models", 404), None),
        (logged("GET", "/models", 499), None),
        (logged("GET", "/models/"), None),
        (logged("GET", "/nowhere"), None),
        (logged("GET", "/files/search"), ("GET", "/files/search")),
        (logged("POST", "/mcp-servers/reload", 204), ("POST", "/mcp-servers/reload")),
        (logged("GET", "/mcp-servers/reload"), ("GET", "/mcp-servers/{server_name}")),
        (
            logged("GET", "/conversations/a/queue"),
            ("GET", "/conversations/{conversation_id}/queue"),
        ),
        (logged("GET", "/app-server", 101), ("GET", "/app-server")),
        (logged("GET", "/models")[:-9], None),
        ('{"event": "request', None),
        ("GET /models 200", None),
    ],
)
def test_an_operation_counts_when_a_server_logs_its_success(
    line: str, noted: tuple[str, str] | None
) -> None:
    driven = Driven()
    driven.line(line)
    assert driven.noted == ({noted} if noted else set())


@pytest.mark.parametrize(
    ("path", "status", "counts"),
    [
        ("/health", 200, True),
        ("/ready", 503, False),
        ("/models", 200, False),
    ],
)
def test_what_is_not_logged_counts_when_a_client_sees_it(
    path: str, status: int, counts: bool
) -> None:
    driven = Driven()
    request = httpx.Request("GET", f"http://127.0.0.1:1{path}")
    driven.answer(httpx.Response(status, request=request))
    assert bool(driven.noted) == counts


def test_the_lines_of_every_server_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DRIVEN, "noted", set())
    program = f"import sys; print({logged(*LEFT)!r}, file=sys.stderr)"
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    _drain(process, [])
    process.wait(10)
    assert DRIVEN.noted == {LEFT}


# --- runs -------------------------------------------------------------------------------------

FILE = """
import pytest
from tests.support.driven import DRIVEN

@pytest.mark.parametrize("operation", {operations!r}, ids=" ".join)
def test_one(operation):
    DRIVEN.note(*operation, 200)
"""


def suite(folder: Path, *, whole: bool) -> None:
    """Two files of tests that together drive every operation, or every one but `LEFT`."""
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = some\n")
    (folder / "some").mkdir()
    given = sorted(each for each in DRIVEN.operations if whole or each != LEFT)
    for number in (0, 1):
        text = FILE.format(operations=given[number::2])
        (folder / "some" / f"test_{number}.py").write_text(text)


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """The exit status and the output of a run with the plugin alone."""
    plugins = ["-p", "tests.support.seen", "-p", "tests.support.driven", "-p", "no:cacheprovider"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stdout


SIDE_BY_SIDE = ("-n", "2", "--dist", "loadfile")


def test_a_whole_run_names_what_no_test_drives_and_fails(tmp_path: Path) -> None:
    suite(tmp_path, whole=False)
    status, output = run(tmp_path, *SIDE_BY_SIDE)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "no test drives GET /models\n" in output
    assert output.count("no test drives") == 1


def test_a_whole_run_that_drives_all_passes(tmp_path: Path) -> None:
    suite(tmp_path, whole=True)
    status, output = run(tmp_path, *SIDE_BY_SIDE)
    assert status == pytest.ExitCode.OK
    assert "no test drives" not in output
    every = len(DRIVEN.operations)
    assert f"drove {every} of {every} operations" in output


@pytest.mark.parametrize("part", [("-k", "health"), ("some/test_0.py",)], ids=str)
def test_a_part_of_the_run_does_not_fail(tmp_path: Path, part: tuple[str, ...]) -> None:
    suite(tmp_path, whole=False)
    status, output = run(tmp_path, *part)
    assert status == pytest.ExitCode.OK
    assert "no test drives" not in output
