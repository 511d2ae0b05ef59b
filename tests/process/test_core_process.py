"""The core as a child process: it is started once, known again later, and ended for certain."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from codex_http_server.engine import process
from codex_http_server.engine.lock import write_private
from codex_http_server.engine.process import Child, find_core, identity, reap, rotate, spawn
from codex_http_server.errors import CoreMissing

ENGINES = Path(__file__).parent / "engines"
PATIENCE = 5.0  # seconds

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX")


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "core.json"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STOP_TERM", 0.4)
    monkeypatch.setattr(process, "REAP_TERM", 0.4)


@contextlib.asynccontextmanager
async def running(engine: str, record: Path) -> AsyncIterator[tuple[Child, str]]:
    """A child that has said that it is ready, and what it said."""
    command = [sys.executable, str(ENGINES / f"{engine}.py")]
    output = record.with_name("core.log")
    child = await spawn(command, os.environ, record=record, output=output, socket=None)
    try:
        assert child.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            yield child, (await child.process.stdout.readline()).decode().strip()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()


def kept(record: Path) -> dict[str, Any] | None:
    """What is on record, which must be private; None if nothing is."""
    if not record.exists():
        return None
    assert record.stat().st_mode & 0o777 == 0o600
    return json.loads(record.read_text())


async def has_ended(pid: int) -> bool:
    """Whether this process ends, or is a corpse that only its parent can bury."""
    try:
        found = psutil.Process(pid)
        if found.status() == psutil.STATUS_ZOMBIE:
            return True
        await asyncio.to_thread(found.wait, PATIENCE)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


# --- the ladder ----------------------------------------------------------------------------


async def test_a_polite_core_leaves_at_the_first_rung(record: Path) -> None:
    async with running("polite", record) as (child, _):
        assert await child.stop() == "term"
        assert child.process.returncode == -signal.SIGTERM


async def test_a_deaf_core_is_killed(record: Path) -> None:
    async with running("deaf_to_sigterm", record) as (child, _):
        assert await child.stop() == "kill"
        assert child.process.returncode == -signal.SIGKILL


async def test_a_core_that_ended_by_itself_is_gone_and_stop_may_be_called_again(
    record: Path,
) -> None:
    async with running("exits_at_once", record) as (child, _):
        assert await child.wait() == 3
        assert await child.stop() == "gone"
        assert await child.stop() == "gone"
    assert "no such model" in record.with_name("core.log").read_text()


async def test_a_command_that_outlives_the_core_is_killed_with_its_group(record: Path) -> None:
    async with running("leaves_a_child", record) as (child, said):
        assert os.getpgid(int(said)) == child.pid
        assert await child.stop() == "term"
        assert await has_ended(int(said))


async def test_a_command_left_by_a_core_that_died_is_killed_too(record: Path) -> None:
    async with running("leaves_a_child", record) as (child, said):
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
        assert await child.stop() == "gone"
        assert await has_ended(int(said))


# --- the record ----------------------------------------------------------------------------


async def test_the_core_is_on_record_before_it_starts_and_with_its_pid_after(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[dict[str, Any], int]] = []

    def write(path: Path, value: dict[str, Any]) -> None:
        written.append((value, len(psutil.Process().children())))
        write_private(path, value)

    monkeypatch.setattr(process, "write_private", write)
    before = len(psutil.Process().children())
    async with running("polite", record) as (child, _):
        (first, none), (second, one) = written
        assert (none, one) == (before, before + 1)
        assert "pid" not in first
        assert second == first | identity(child.pid)
        assert kept(record) == second
        await child.stop()
    assert kept(record) is None


async def test_the_socket_s_path_is_on_record_and_the_core_has_no_pipes(record: Path) -> None:
    socket = str(record.with_name("x.sock"))
    command = [sys.executable, str(ENGINES / "polite.py"), socket]
    output = record.with_name("core.log")
    child = await spawn(command, os.environ, record=record, output=output, socket=socket)
    try:
        assert (kept(record) or {})["socket"] == socket
        assert (child.process.stdout, child.process.stdin) == (None, None)
        assert os.getpgid(child.pid) == os.getsid(child.pid) == child.pid
    finally:
        await child.stop()


async def test_the_core_gets_exactly_the_environment_it_was_given(record: Path) -> None:
    command = ["/usr/bin/env"]
    output = record.with_name("core.log")
    given = {"CODEX_HOME": "/h", "LC_ALL": "C"}
    child = await spawn(command, given, record=record, output=output, socket="x")
    await child.wait()
    await child.stop()
    assert dict(line.split("=", 1) for line in output.read_text().splitlines()) == given


async def test_a_core_that_can_not_be_run_leaves_no_record(record: Path) -> None:
    text = record.with_name("text")
    text.write_text("not a program")
    for command in (str(record.with_name("absent")), str(text)):
        with pytest.raises(CoreMissing, match="can't be run"):
            await spawn([command], {}, record=record, output=record.with_name("o"), socket=None)
        assert kept(record) is None


async def test_a_core_that_can_not_be_registered_is_not_left_running(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(path: Path, value: dict[str, Any]) -> None:
        if "pid" in value:
            raise OSError("no space left on device")
        write_private(path, value)

    monkeypatch.setattr(process, "write_private", write)
    mark = str(record.with_name("mark.sock"))
    command = [sys.executable, str(ENGINES / "polite.py"), mark]
    with pytest.raises(OSError, match="no space"):
        await spawn(command, {}, record=record, output=record.with_name("o"), socket=mark)
    left = [child for child in psutil.Process().children() if mark in child.cmdline()]
    for child in left:
        child.kill()
    assert left == []


# --- what an earlier server left -----------------------------------------------------------


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
    write_private(record, {"command": [], "socket": None} | identity(left.pid))
    assert reap(record) == left.pid
    assert not left.lives
    assert not record.exists()


def test_a_left_core_without_a_pid_on_record_is_known_by_its_socket(
    left: Left, record: Path
) -> None:
    write_private(record, {"command": [], "socket": str(record.with_name("left.sock"))})
    assert reap(record) == left.pid
    assert not left.lives


@pytest.mark.parametrize("left", ["leaves_a_child"], indirect=True)
async def test_the_commands_of_a_left_core_end_with_it(left: Left, record: Path) -> None:
    write_private(record, identity(left.pid))
    assert reap(record) == left.pid
    assert await has_ended(int(left.said))


@pytest.mark.parametrize("off", [-10.0, 0.2, 3600.0])
def test_a_stranger_under_the_same_pid_is_not_touched(left: Left, record: Path, off: float) -> None:
    known = identity(left.pid)
    stranger = known | {"started_at": known["started_at"] + off}
    write_private(record, {"socket": str(record.with_name("left.sock"))} | stranger)
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
        '{"pid": 1, "started_at": null, "socket": null}',
        '{"socket": "/nowhere/of-anyone.sock"}',
        '{"pid": 4194303, "started_at": 1.5}',
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


# --- the output and the binary -------------------------------------------------------------


def test_output_past_the_limit_is_moved_aside_while_the_core_goes_on_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "OUTPUT_MAX", 100)
    output, older = tmp_path / "core.log", tmp_path / "core.log.1"
    with output.open("ab", buffering=0) as core:
        core.write(b"a" * 100)
        rotate(output)
        assert not older.exists()
        core.write(b"a")
        rotate(output)
        assert (older.read_bytes(), output.read_bytes()) == (b"a" * 101, b"")
        core.write(b"b" * 101)
        rotate(output)
        core.write(b"c")
    assert (older.read_bytes(), output.read_bytes()) == (b"b" * 101, b"c")


def test_there_is_nothing_to_rotate_before_the_first_output(tmp_path: Path) -> None:
    rotate(tmp_path / "core.log")
    assert list(tmp_path.iterdir()) == []


def test_the_core_is_the_pinned_one_or_the_one_given(tmp_path: Path) -> None:
    assert os.access(find_core(None), os.X_OK)
    given = tmp_path / "codex"
    for mode, fits in ((0o600, False), (0o700, True)):
        given.touch()
        given.chmod(mode)
        with contextlib.nullcontext() if fits else pytest.raises(CoreMissing, match="codex"):
            assert find_core(given) == given
    for wrong in (tmp_path / "absent", tmp_path):
        with pytest.raises(CoreMissing, match="no codex binary"):
            find_core(wrong)
