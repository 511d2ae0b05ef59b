"""A log that is damaged or may not be written: said clearly, and nothing made worse."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_http_server.testing.answers import Text
from tests.support.codes import refused
from tests.support.commands import until
from tests.support.judge import check_whole
from tests.support.server import Site, start


def damage(site: Site, table: str) -> None:
    """Overwrite the root page of a table or an index of the log."""
    (path,) = (site.root / "state").glob("*/*/log.db")
    with sqlite3.connect(path) as look:
        (size,) = look.execute("PRAGMA page_size").fetchone()
        find = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (page,) = look.execute(find, (table,)).fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(os.urandom(size))


def used(site: Site) -> str:
    """Run one turn on a server and stop it; the conversation."""
    site.provider.script = lambda _: [Text("fine")]
    with start(site) as server:
        server.wait_ready()
        conversation = server.conversation()
        server.run(conversation)
    return conversation


def test_a_log_that_can_not_be_loaded_stops_the_start_with_a_hint(site: Site) -> None:
    used(site)
    damage(site, "event")
    with pytest.raises(AssertionError, match=r"did not start \(1\)") as failed:
        start(site)
    assert "can't be read" in str(failed.value)
    assert ".recover" in str(failed.value)


def test_a_part_that_can_not_be_read_is_an_error_of_its_own_and_nothing_more_is_taken(
    site: Site,
) -> None:
    conversation = used(site)
    damage(site, "event_seq")
    with start(site) as server:
        answer = server.client.get(f"/conversations/{conversation}/events")
        refused(answer, 500, "log_damaged")
        ready = server.client.get("/ready")
        assert ready.status_code == 503
        assert "event log" in str(ready.json()["reasons"])
        path = f"/conversations/{conversation}/messages"
        refused(server.client.post(path, json={"message": "go on"}), 507, "storage_full")
        assert server.get("/health")["status"] == "ok"


@pytest.fixture
def own_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of our own, which can be made read-only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)],
            capture_output=True,
            check=False,
        ).returncode
    ):
        pytest.skip("this machine does not let us mount a disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, mode: str) -> None:
    # By force: a file that is open for writing would keep a plain remount from happening.
    subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True)


def test_a_read_only_folder_stops_the_start(site: Site, own_disk: Path) -> None:
    remount(own_disk, "ro")
    with pytest.raises(AssertionError, match=r"did not start \(1\)") as failed:
        start(site, "--data-dir", str(own_disk))
    assert "can't be written" in str(failed.value)


def test_a_log_that_may_not_be_written_is_507_until_it_may(site: Site, own_disk: Path) -> None:
    site.provider.script = lambda _: [Text("fine")]
    with start(site, "--data-dir", str(own_disk)) as server:
        server.wait_ready()
        conversation = server.conversation()
        path = f"/conversations/{conversation}/messages"
        with sqlite3.connect(own_disk / "log.db", isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")  # another process keeps the log to itself
            answer = server.client.post(path, json={"message": "go on"})
            refused(answer, 507, "storage_full")
            assert server.client.get("/ready").status_code == 503
            other.execute("ROLLBACK")
        other.close()
        until(lambda: server.client.get("/ready").status_code == 200, "the log is well again")
        assert server.run(conversation, "and now?")["reply"] == "fine"
        check_whole(server.events(conversation))
