"""A core that an earlier server left behind is found by its record, and ended for certain."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from codex_http_server.engine import process
from codex_http_server.engine.lock import write_private
from codex_http_server.engine.process import birth, identity, reap
from tests.support.commands import until
from tests.support.keepers import ENGINES, PATIENCE
from tests.support.server import gone

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX")


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "core.json"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STOP_TERM", 0.4)
    monkeypatch.setattr(process, "STOP_KILL", 0.4)
    monkeypatch.setattr(process, "DRAIN", 0.1)


class Left:
    """A process that no one here is the parent of, as after a crash of the server."""

    def __init__(self, engine: str, *arguments: str) -> None:
        command = [sys.executable, str(ENGINES / f"{engine}.py"), *arguments]
        code = (
            "import subprocess, sys\n"
            "child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True,"
            " start_new_session=True)\n"
            "print(child.pid, child.stdout.readline())"
        )
        parent = subprocess.run(
            [sys.executable, "-c", code, *command],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=PATIENCE,
        )
        pid, self.said = parent.stdout.split()
        self.pid = int(pid)

    @property
    def lives(self) -> bool:
        try:
            return psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


@pytest.fixture
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Left]:
    made = Left(getattr(request, "param", "polite"), str(tmp_path / "left.sock"))
    assert made.lives
    yield made
    made.kill()


@pytest.mark.parametrize("left", ["polite", "deaf_to_sigterm"], indirect=True)
def test_a_left_core_is_known_by_pid_and_start_time_and_ended(left: Left, record: Path) -> None:
    write_private(record, {"command": []} | identity(left.pid))
    assert reap(record) == left.pid
    assert not left.lives
    assert not record.exists()


@pytest.mark.parametrize("left", ["drains_first"], indirect=True)
def test_a_left_core_that_drains_gets_a_second_sigterm(
    left: Left, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "STOP_TERM", PATIENCE)
    monkeypatch.setattr(process, "KILL", signal.SIGURG)  # which ends no one
    write_private(record, identity(left.pid))
    assert reap(record) == left.pid
    assert not left.lives


def test_a_left_keeper_ends_with_its_core_on_record_or_without(left: Left, record: Path) -> None:
    write_private(record, {"keeper": identity(left.pid)})
    assert reap(record) is None
    assert not left.lives
    assert not record.exists()


def test_sockets_on_record_are_removed_with_it(record: Path) -> None:
    sockets = [record.with_name(name) for name in ("a.sock", "a.sock.keeper", "other.sock")]
    for path in sockets:
        path.touch()
    write_private(record, {"socket": str(sockets[0]), "control": str(sockets[1])})
    assert reap(record) is None
    assert [path.exists() for path in sockets] == [False, False, True]


@pytest.mark.parametrize("left", ["leaves_a_child"], indirect=True)
def test_the_commands_of_a_left_core_end_with_it(left: Left, record: Path) -> None:
    command = psutil.Process(int(left.said))
    write_private(record, identity(left.pid))
    assert reap(record) == left.pid
    until(lambda: gone(command), "the command ends", PATIENCE)


@pytest.mark.parametrize("role", ["core", "keeper"])
@pytest.mark.parametrize("other", ["ticks", "boot", "none"])
def test_a_stranger_under_the_same_pid_is_not_touched(
    left: Left, record: Path, role: str, other: str
) -> None:
    born = birth(left.pid)
    assert born
    births = {"ticks": f"{born}0", "boot": f"0{born}", "none": None}
    stranger = {"pid": left.pid, "birth": births[other]}
    write_private(record, stranger if role == "core" else {"keeper": stranger})
    assert reap(record) is None
    assert left.lives
    assert not record.exists()


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "{",
        "[]",
        "{}",
        '{"pid": "1"}',
        '{"pid": 1}',
        '{"pid": 1, "birth": null, "socket": null, "keeper": null}',
        '{"pid": 1, "started_at": 1.5}',
        '{"socket": "/nowhere/of-anyone.sock", "keeper": {}}',
        '{"pid": 4194303, "birth": "a/1", "keeper": [1]}',
        '{"pid": 4194303, "birth": null, "keeper": {"pid": 4194303, "birth": null}}',
    ],
)
def test_a_record_that_leads_to_no_one_ends_no_one(
    left: Left, record: Path, content: str | None
) -> None:
    if content is not None:
        record.write_text(content)
    assert reap(record) is None
    assert left.lives
    assert not record.exists()
