"""The core as a child process: it is started once, known again later, and ended for certain."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from codex_http_server.engine import process
from codex_http_server.engine.lock import write_private
from codex_http_server.engine.process import Child, birth, find_core, rotate, spawn
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


@contextlib.asynccontextmanager
async def running(engine: str, record: Path) -> AsyncIterator[tuple[Child, str]]:
    """A child that has said that it is ready, and what it said."""
    command = [sys.executable, str(ENGINES / f"{engine}.py")]
    output = record.with_name("core.log")
    child = await spawn(command, os.environ, record=record, output=output)
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


async def test_a_core_is_on_record_once_by_pid_and_birth_for_as_long_as_it_lives(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[dict[str, Any]] = []

    def write(path: Path, value: dict[str, Any]) -> None:
        written.append(value)
        write_private(path, value)

    monkeypatch.setattr(process, "write_private", write)
    async with running("polite", record) as (child, _):
        command = [sys.executable, str(ENGINES / "polite.py")]
        assert written == [{"command": command, "pid": child.pid, "birth": birth(child.pid)}]
        assert kept(record) == written[0]
        await child.stop()
    assert kept(record) is None


async def test_the_birth_of_a_process_is_its_own_and_of_no_one_else(record: Path) -> None:
    async with running("polite", record) as (first, _):
        async with running("polite", record) as (second, _):
            births = [birth(pid) for pid in (os.getpid(), first.pid, second.pid)]
            assert births == [birth(pid) for pid in (os.getpid(), first.pid, second.pid)]
        assert birth(first.pid) == births[1]
    assert None not in births
    assert len(set(births)) == 3
    assert [birth(first.pid), birth(second.pid)] == [None, None]


async def test_the_core_has_a_session_of_its_own(record: Path) -> None:
    async with running("polite", record) as (child, _):
        assert os.getpgid(child.pid) == os.getsid(child.pid) == child.pid


async def test_the_core_gets_exactly_the_environment_it_was_given(record: Path) -> None:
    given = {"CODEX_HOME": "/h", "LC_ALL": "C"}
    output = record.with_name("core.log")
    child = await spawn(["/usr/bin/env"], given, record=record, output=output)
    assert child.process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        said = await child.process.stdout.read()
    await child.stop()
    assert dict(line.split("=", 1) for line in said.decode().splitlines()) == given


async def test_a_core_that_can_not_be_run_leaves_no_record(record: Path) -> None:
    text = record.with_name("text")
    text.write_text("not a program")
    for command in (str(record.with_name("absent")), str(text)):
        with pytest.raises(CoreMissing, match="can't be run"):
            await spawn([command], {}, record=record, output=record.with_name("o"))
        assert kept(record) is None


async def test_a_core_that_can_not_be_registered_is_not_left_running(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids: list[int] = []

    def write(path: Path, value: dict[str, Any]) -> None:
        pids.append(value["pid"])
        assert psutil.pid_exists(value["pid"])
        raise OSError("no space left on device")

    monkeypatch.setattr(process, "write_private", write)
    command = [sys.executable, str(ENGINES / "polite.py")]
    with pytest.raises(OSError, match="no space"):
        await spawn(command, {}, record=record, output=record.with_name("o"))
    (pid,) = pids
    assert await has_ended(pid)
    assert kept(record) is None


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
