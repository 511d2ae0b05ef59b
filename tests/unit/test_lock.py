"""One server per Codex home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from codex_http_server.engine.lock import ServerLock, read_json, write_private
from codex_http_server.errors import HomeInUse
from codex_http_server.places import Places, places

HOLD = """
import sys
from pathlib import Path
from codex_http_server.engine.lock import ServerLock
from codex_http_server.places import places

with ServerLock(places(Path(sys.argv[1]), None, Path(sys.argv[2]))) as lock:
    lock.announce("http://127.0.0.1:1", "9")
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def here(tmp_path: Path) -> Places:
    return places(tmp_path / "home", None, tmp_path / "state")


@pytest.fixture
def holder(here: Places, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLD, str(here.home), str(tmp_path / "state")]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate(timeout=5)


def test_a_second_server_of_a_home_is_refused_and_told_of_the_first(here: Places) -> None:
    with ServerLock(here) as first:
        with pytest.raises(HomeInUse, match="still starting"), ServerLock(here):
            pass
        first.announce("http://127.0.0.1:3032", "1.2.3")
        where = f"at http://127.0.0.1:3032 .pid {os.getpid()}."
        with pytest.raises(HomeInUse, match=where), ServerLock(here):
            pass
        assert here.discovery.exists()


def test_a_second_process_is_refused_too(here: Places, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(HomeInUse, match=f"pid {holder.pid}"), ServerLock(here):
        pass


def test_the_lock_is_free_after_a_kill_9_and_its_announcement_is_gone(
    here: Places, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    holder.wait(5)
    assert here.discovery.exists()
    with ServerLock(here):
        assert not here.discovery.exists()


def test_the_lock_is_free_after_its_block_however_it_ended(here: Places) -> None:
    lock = ServerLock(here)
    with pytest.raises(ValueError, match="failed"), lock:
        raise ValueError(f"failed {lock.announce('http://x', '1')}")
    assert not here.discovery.exists()
    with ServerLock(here):
        pass


def test_a_child_of_the_server_does_not_keep_the_lock(here: Places) -> None:
    with ServerLock(here):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with ServerLock(here):
        assert child.poll() is None
    child.kill()
    child.communicate(timeout=5)


def test_the_announcement_is_private_and_names_the_process_and_the_home(here: Places) -> None:
    with ServerLock(here) as lock:
        lock.announce("http://127.0.0.1:3032", "1.2.3")
        assert here.discovery.stat().st_mode & 0o777 == 0o600
        assert json.loads(here.discovery.read_text()) == {
            "url": "http://127.0.0.1:3032",
            "pid": os.getpid(),
            "started_at": psutil.Process().create_time(),
            "version": "1.2.3",
            "codex_home": str(here.home),
        }


def test_two_homes_have_two_locks(here: Places, tmp_path: Path) -> None:
    other = places(tmp_path / "other", None, tmp_path / "state")
    with ServerLock(here), ServerLock(other):
        pass


def test_a_file_is_written_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("old and public")
    path.chmod(0o644)
    write_private(path, {"a": "é"})
    assert read_json(path) == {"a": "é"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["x.json"]


def test_what_can_not_be_written_leaves_the_old(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_private(path, {"a": 1})
    with pytest.raises(TypeError):
        write_private(path, {"a": object()})
    assert read_json(path) == {"a": 1}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff\xfe", b'"x"'])
def test_what_is_no_object_reads_as_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    assert read_json(path) is None
    path.write_bytes(content)
    assert read_json(path) is None
