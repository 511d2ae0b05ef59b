"""Another Codex on the same home is named, with what it holds; we and ours never are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from codex_http_server.engine import neighbours
from codex_http_server.engine.daemon import CONTROL
from codex_http_server.engine.neighbours import Neighbour
from codex_http_server.places import Places
from codex_http_server.testing.answers import Command, Gate, Text
from tests.support.codex import codex
from tests.support.commands import Barrier, until
from tests.support.server import Server, Site, start

OPEN = "import sys; f = open(sys.argv[1], sys.argv[2]); print(1, flush=True); input()"


def others(server: Server) -> list[dict[str, Any]]:
    return server.get("/auth/status")["also_using_home"]


def named(server: Server, test: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The one neighbour, once it passes. Looks are kept for five seconds."""
    found: list[dict[str, Any]] = []

    def look() -> bool:
        found[:] = others(server)
        return len(found) == 1 and test(found[0])

    until(look, "the neighbour is named")
    return found[0]


def alone(server: Server) -> bool:
    return others(server) == []


def find(site: Site, *ours: int) -> list[Neighbour]:
    """What is found when nobody else has looked."""
    places = Places(site.home.resolve(), site.root / "state", site.root / "state", site.root)
    return neighbours.find(places, ours)


def test_a_server_with_its_core_and_commands_is_alone(server: Server, site: Site) -> None:
    barrier = Barrier(site.project)
    site.provider.expect(Command(barrier.command))
    conversation = server.conversation()
    server.send(conversation)
    barrier.wait_reached()
    assert others(server) == []
    assert server.get("/auth/status")["hint"] is None
    ready = server.get("/ready")
    assert (ready["ready"], ready["reasons"], ready["notes"]) == (True, [], [])
    site.provider.expect(Text("done"))
    with server.read(conversation) as reader:
        barrier.open()
        reader.wait_type("turn/completed")


def test_a_codex_exec_is_named_with_the_thread_it_writes(server: Server, site: Site) -> None:
    gate = Gate()
    site.provider.expect(Text(["one", gate, "two"]))
    with codex(site, "exec", "--skip-git-repo-check", "the prompt is nobody's business") as other:
        gate.wait_reached()
        found = named(server, lambda each: each["pid"] == other.pid)
        note = server.get("/ready")["notes"][0]  # and /ready stays 200
        gate.open()
        other.wait(20)
    assert found["command"] == "codex exec"
    (rollout,) = site.home.glob("sessions/**/*.jsonl")
    thread = rollout.stem[-36:]
    assert found["holds"] == [f"writes thread {thread}", "has its databases open"]
    assert found["since"].endswith("Z")
    assert f"codex exec (pid {other.pid}, since {found['since']}, writes thread {thread}" in note
    assert "--codex-home" in note
    assert "nobody's business" not in note
    until(lambda: alone(server), "it is forgotten once it has ended")


def test_an_idle_app_server_and_the_hint_are_in_the_status(server: Server, site: Site) -> None:
    with codex(site, "app-server") as other:
        found = named(server, lambda each: bool(each["holds"]))
        assert (found["pid"], found["command"]) == (other.pid, "codex app-server")
        assert "--codex-home" in server.get("/auth/status")["hint"]


def test_codexs_own_daemon_is_known_by_its_socket(site: Site) -> None:
    with codex(site, "app-server", "--listen", "unix://") as daemon:
        until((site.home / CONTROL).exists, "the socket appears")
        wanted = "listens on the home's control socket"
        until(lambda: any(wanted in each.holds for each in find(site)), "it is named")
        assert [each.pid for each in find(site)] == [daemon.pid]


def test_a_core_that_a_killed_server_left_is_ours(site: Site) -> None:
    with start(site) as first:
        first.wait_ready()
        first.kill()
    with start(site) as second:
        second.wait_ready()
        assert others(second) == []


def test_a_codex_on_another_home_is_no_neighbour(site: Site) -> None:
    elsewhere = site.root / "user" / "elsewhere"  # a Codex home brings a thousand files
    elsewhere.mkdir()
    with codex(site, "app-server", CODEX_HOME=str(elsewhere)) as other:
        until(lambda: bool(other.open_files()), "it runs")
        assert find(site) == []


def test_a_codex_that_holds_nothing_yet_is_known_by_its_environment(
    site: Site, tmp_path: Path
) -> None:
    fake = tmp_path / "codex-waiting"
    fake.symlink_to(Path(sys.executable).resolve())
    link = site.root / "another-name-of-the-home"
    link.symlink_to(site.home)
    for environment in (
        {"CODEX_HOME": str(link)},
        {"HOME": str(site.root / "user")},  # whose .codex is the home
    ):
        (site.root / "user" / ".codex").unlink(missing_ok=True)
        (site.root / "user" / ".codex").symlink_to(site.home)
        process = subprocess.Popen(
            [str(fake), "-c", "print(1, flush=True); input()"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with process:
            assert process.stdout is not None
            process.stdout.readline()
            assert [(each.pid, each.holds) for each in find(site)] == [(process.pid, ())]
            assert find(site, process.pid) == []
            process.kill()


@pytest.mark.parametrize(("mode", "counts"), [("r", False), ("a", True)])
def test_who_only_reads_a_file_is_no_neighbour(site: Site, mode: str, counts: bool) -> None:
    database = site.home / "state_5.sqlite"
    database.touch()
    process = subprocess.Popen(
        [sys.executable, "-c", OPEN, str(database), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        found = find(site)
        assert [each.pid for each in found] == ([process.pid] if counts else [])
        assert find(site, process.pid) == []
        process.kill()
    if counts:
        assert found[0].holds == ("has its databases open",)
        assert found[0].command.startswith("python")


def test_a_look_is_cheap(site: Site) -> None:
    """Two hundred files and all processes of this machine: milliseconds, not seconds."""
    before = psutil.Process().cpu_times()
    find(site)
    after = psutil.Process().cpu_times()
    assert after.user + after.system - before.user - before.system < 0.5
