"""The command line: help, the ready line, exit codes, and that a refused start touches nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_http_server import __version__
from codex_http_server.cli.main import COMMANDS
from codex_http_server.settings import SETTINGS
from codex_http_server.testing.answers import Gate, Text
from tests.support.cli import SCRIPT, refuses, run_cli
from tests.support.contract import SIX
from tests.support.server import Server, Site, left_behind, start
from tests.support.shared import site_at

BARE = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that others get in the way of; it must not notice."""
    with site_at(tmp_path_factory.mktemp("first")) as site:
        site.configure(stream_idle_timeout_ms=60_000)  # its turn waits for the test
        with start(site) as running:
            running.wait_ready()
            yield running


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Site]:
    """Another home, on which nothing may be left running."""
    with site_at(tmp_path) as site:
        yield site


@pytest.fixture
def busy(first: Server) -> Iterator[str]:
    """A turn that runs during the test; after it the turn goes on and ends as it should."""
    gate = Gate()
    first.site.provider.expect(Text(["one ", gate, "two"]))
    conversation_id = first.conversation()
    with first.read(conversation_id) as reader:
        first.send(conversation_id)
        gate.wait_reached()
        yield conversation_id
        gate.open()
        assert reader.wait_type("turn/completed")["status"] == "completed"
    assert first.process.poll() is None


# --- help -----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["serve", "demo", "doctor"])
def test_help_shows_every_setting_with_its_variable(command: str, tmp_path: Path) -> None:
    wide = BARE | {"HOME": str(tmp_path), "COLUMNS": "400"}
    found = run_cli(command, "--help", environment=wide)
    assert found.returncode == 0
    missing = [s.flag for s in SETTINGS if s.flag not in found.stdout or s.env not in found.stdout]
    assert not missing


def test_the_help_of_the_program_names_its_commands_and_what_it_does_without_one(
    tmp_path: Path,
) -> None:
    found = run_cli("--help", environment=BARE | {"HOME": str(tmp_path), "COLUMNS": "200"})
    assert found.returncode == 0
    lines = [line.strip() for line in found.stdout.splitlines()]
    assert any(line.startswith("serve ") for line in lines)
    assert any(line.startswith("demo ") for line in lines)
    assert "Without a command: serve." in found.stdout


def test_version_prints_the_version_and_nothing_else(tmp_path: Path) -> None:
    found = run_cli("--version", environment=BARE | {"HOME": str(tmp_path)})
    assert (found.returncode, found.stdout, found.stderr) == (0, f"{__version__}\n", "")


def test_a_shell_completes_each_command(tmp_path: Path) -> None:
    asks = {"_CODEX_HTTP_SERVER_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    home = BARE | {"HOME": str(tmp_path), "COMP_WORDS": "codex-http-server "}
    found = run_cli(environment=home | asks)
    assert found.stdout.split() == [*COMMANDS]


# --- starting -------------------------------------------------------------------------------


def test_the_ready_line_is_all_that_ever_stands_on_stdout(site: Site) -> None:
    server = start(site)
    with server:
        assert set(server.ready) == {"event", "url", "pid", "version", "peer_check"}
        assert server.ready["event"] == "ready"
        assert server.ready["pid"] == server.process.pid
        assert server.ready["url"].startswith("http://127.0.0.1:")
        server.wait_ready()
        site.provider.expect(Text("fine"))
        server.run(server.conversation())
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(8)
        assert server.process.stdout is not None
        assert server.process.stdout.read() == ""


def test_without_a_command_it_serves(site: Site) -> None:
    process = subprocess.Popen(
        [str(SCRIPT), "--port", "0"], env=site.environment(), stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "ready"
        process.terminate()
        assert process.wait(8) == 0


def test_the_server_is_found_by_its_discovery_file_while_it_runs(site: Site) -> None:
    with start(site) as server:
        (found,) = (site.root / "state").rglob("server.json")
        record = json.loads(found.read_text())
        assert (record["url"], record["pid"]) == (server.url, server.process.pid)
        assert found.stat().st_mode & 0o077 == 0
    assert not found.exists()


def curl(command: str, site: Site, conversation_id: str = "") -> dict:
    """The answer of one of the promised commands, in a shell, as it stands in the contract."""
    line = command.replace("/path/to/project", str(site.project)).replace("{id}", conversation_id)
    done = subprocess.run(["bash", "-c", line], capture_output=True, timeout=20, check=True)
    return json.loads(done.stdout)


def port_is_free(port: int) -> bool:
    """Whether nothing listens on this port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.skipif(not port_is_free(3032), reason="port 3032 is taken by another program")
def test_the_six_commands_work_as_written_on_a_fresh_start(site: Site) -> None:
    health, create, send, listing, events, auth = SIX
    site.provider.expect(Text("Hello to you"))
    with start(site, "--port", "3032") as server:
        assert curl(health, site)["status"] == "ok"
        made = curl(create, site)
        assert made["working_directory"] == str(site.project)
        assert made["id"] == made["conversation_id"]
        with server.read(made["id"]) as reader:
            sent = curl(send, site, made["id"])
            assert sent["status"] == "started"
            reader.wait_type("turn/completed", turn_id=sent["turn_id"])
        (listed,) = curl(listing, site)["data"]
        assert listed["id"] == made["id"]
        page = curl(events, site, made["id"])
        assert page["data"][-1]["type"] == "turn/completed"
        assert page["next_after"] == page["head"] == page["data"][-1]["seq"]
        assert curl(auth, site)["authenticated"] is False


# --- refusing to start ----------------------------------------------------------------------


@pytest.mark.usefixtures("busy")
def test_a_second_server_on_a_home_exits_3_and_names_the_first(first: Server) -> None:
    core = first.core().pid
    said = refuses(first.site, status=3)
    assert first.url in said
    assert f"pid {first.process.pid}" in said
    assert first.core().pid == core


@pytest.mark.usefixtures("busy")
def test_another_name_of_the_same_home_is_the_same_home(first: Server, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    alias.symlink_to(first.site.home)
    said = refuses(first.site, "--codex-home", str(alias), status=3)
    assert first.url in said


@pytest.mark.usefixtures("busy")
def test_a_port_of_another_codex_http_server_exits_4_and_says_whose(
    first: Server, elsewhere: Site
) -> None:
    port = first.url.rsplit(":", 1)[1]
    said = refuses(elsewhere, "--port", port, status=4)
    assert f"codex-http-server {__version__}" in said
    assert "--port" in said
    assert not list((elsewhere.root / "state").rglob("core.log")), "a core was started"


def test_a_port_of_another_program_exits_4(elsewhere: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        said = refuses(elsewhere, "--port", port, status=4)
    assert f"Port {port}" in said
    assert "another program" in said


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--port", "x"), "--port"),
        (("--port", "65536"), "--port"),
        (("--log-level", "loud"), "--log-level"),
        (("--max-body", "1"), "--max-body"),
        (("--allow-origin", "*"), "--allow-origin"),
        (("--request-timeout", "0"), "--request-timeout"),
        (("--config", "/no/such/file.toml"), "/no/such/file.toml"),
        (("--no-such-setting", "1"), "--no-such-setting"),
    ],
)
def test_a_bad_setting_exits_2_and_is_named(
    elsewhere: Site, arguments: tuple[str, ...], named: str
) -> None:
    assert named in refuses(elsewhere, *arguments, status=2)


def test_a_bad_variable_and_a_bad_line_of_the_file_exit_2(elsewhere: Site, tmp_path: Path) -> None:
    said = refuses(elsewhere, status=2, CODEX_HTTP_HEARTBEAT="often")
    assert "CODEX_HTTP_HEARTBEAT" in said
    file = tmp_path / "settings.toml"
    file.write_text('hearbeat = "1"\n')
    said = refuses(elsewhere, "--config", str(file), status=2)
    assert "hearbeat" in said
    assert "Did you mean heartbeat?" in said


@pytest.mark.parametrize("kind", ["missing", "folder", "not executable"])
def test_a_binary_that_is_none_exits_1_and_says_where(
    elsewhere: Site, tmp_path: Path, kind: str
) -> None:
    binary = tmp_path / "codex"
    if kind == "folder":
        binary.mkdir()
    elif kind == "not executable":
        binary.write_text("#!/bin/sh\n")
    said = refuses(elsewhere, "--codex-bin", str(binary), status=1)
    assert str(binary) in said
    assert "--codex-bin" in said


@pytest.mark.parametrize("which", ["--codex-home", "--data-dir"])
def test_a_folder_that_can_not_be_made_exits_1_and_is_named(
    elsewhere: Site, tmp_path: Path, which: str
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    for path in (in_the_way, in_the_way / "below"):
        said = refuses(elsewhere, which, str(path), status=1)
        assert str(path) in said
        assert "hint: " in said


def test_a_state_folder_that_can_not_be_made_exits_1_and_is_named(
    elsewhere: Site, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "state-file"
    in_the_way.write_text("")
    said = refuses(elsewhere, status=1, XDG_STATE_HOME=str(in_the_way))
    assert str(in_the_way) in said


# --- a log that is not ours -----------------------------------------------------------------


def make_log(site: Site, folder: Path) -> Path:
    """A log as a server on this site leaves it."""
    with start(site, "--data-dir", str(folder)) as server:
        server.wait_ready()
        server.conversation()
    return folder / "log.db"


def test_a_log_of_a_newer_version_is_refused_and_left_alone(site: Site, tmp_path: Path) -> None:
    log = make_log(site, tmp_path / "data")
    with sqlite3.connect(log) as connection:
        connection.execute("PRAGMA user_version=999")
    connection.close()
    before = log.read_bytes()
    said = refuses(site, "--data-dir", str(log.parent), status=1)
    assert "newer" in said
    assert str(log) in said
    assert log.read_bytes() == before


def test_a_file_that_is_no_log_is_refused_and_left_alone(elsewhere: Site, tmp_path: Path) -> None:
    log = tmp_path / "data" / "log.db"
    log.parent.mkdir()
    log.write_bytes(b"Dear diary, this is not a database.\n" * 100)
    before = log.read_bytes()
    said = refuses(elsewhere, "--data-dir", str(log.parent), status=1)
    assert str(log) in said
    assert log.read_bytes() == before


def test_a_database_of_another_program_is_refused_and_left_alone(
    elsewhere: Site, tmp_path: Path
) -> None:
    log = tmp_path / "data" / "log.db"
    log.parent.mkdir()
    with sqlite3.connect(log) as connection:
        connection.execute("CREATE TABLE diary (line TEXT)")
    connection.close()
    before = log.read_bytes()
    said = refuses(elsewhere, "--data-dir", str(log.parent), status=1)
    assert "not an event log" in said
    assert log.read_bytes() == before


def test_the_data_folder_of_another_home_is_refused_and_left_alone(
    elsewhere: Site, tmp_path: Path
) -> None:
    with site_at(tmp_path / "other") as other:
        log = make_log(other, tmp_path / "data")
    before = log.read_bytes()
    said = refuses(elsewhere, "--data-dir", str(log.parent), status=1)
    assert str(other.home) in said
    assert log.read_bytes() == before


# --- stopping -------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_stops_within_5_seconds_and_leaves_no_process(
    site: Site, number: signal.Signals
) -> None:
    with start(site) as server:
        server.wait_ready()
        server.process.send_signal(number)
        assert server.process.wait(5) == 0
        assert not left_behind(site)


def test_a_server_whose_core_is_still_starting_stops_within_5_seconds(site: Site) -> None:
    with start(site) as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(5) == 0


def test_a_stop_ends_the_turn_then_the_streams_and_says_why(site: Site) -> None:
    gate = Gate()
    site.provider.expect(Text(["one ", gate, "two"]))
    with start(site) as server:
        server.wait_ready()
        here = server.conversation()
        with server.read(here) as reader, server.read_all() as everything:
            server.send(here)
            reader.wait(lambda e: e.get("text") == "one ")
            server.process.send_signal(signal.SIGTERM)
            reader.wait_end(5)
            everything.wait_end(5)
            assert server.process.wait(5) == 0
        gate.open()
    (end,) = (e for e in reader.events if e["type"] == "turn/completed")
    assert end["status"] == "interrupted"
    assert end in everything.events
    assert reader.status == everything.status == 200
    assert [e["type"] for e in (reader.events[-1], everything.events[-1])] == ["core/state"] * 2
    assert reader.events.index(end) < len(reader.events) - 1
    assert reader.ids[-1] is None
    assert "the server is stopping" in reader.events[-1]["data"]["reason"]


def test_a_stop_is_not_held_up_by_many_readers_or_a_silent_connection(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        here = server.conversation()
        host, port = server.url.removeprefix("http://").split(":")
        readers = [server.read(here) for _ in range(20)]
        with socket.create_connection((host, int(port))):  # connected, and says nothing
            for reader in readers:
                reader.wait_comments(1)
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(5) == 0
        for reader in readers:
            reader.wait_end(5)
            assert reader.events[-1]["type"] == "core/state"
            reader.close()


# --- the demo -------------------------------------------------------------------------------


def demo(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """A demo with a user's home of its own."""
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [str(SCRIPT), "demo", "--no-open", *arguments],
        env=BARE | {"HOME": str(home), "TMPDIR": str(home / "tmp")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_demo_plays_one_turn_and_leaves_nothing(tmp_path: Path) -> None:
    with demo(tmp_path, "--once") as process:
        said, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "turn/completed" in said
    assert errors == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tmp"], "the user's home was used"
    assert not list((tmp_path / "tmp").iterdir()), "temporary files were left"


def test_the_demo_really_changes_files_of_its_project(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Your turn:"):
                break
        (project,) = (line.split()[-1] for line in lines if line.startswith("The project:"))
        assert "Hello" in (Path(project) / "demo_hello.sh").read_text()
        process.terminate()
        assert process.wait(8) == 0
    assert not Path(project).exists()
    assert not (tmp_path / ".codex").exists()


def test_two_demos_at_once_both_work(tmp_path: Path) -> None:
    with demo(tmp_path / "a", "--once") as one, demo(tmp_path / "b", "--once") as two:
        for process in (one, two):
            said, errors = process.communicate(timeout=90)
            assert process.returncode == 0, errors
            assert "turn/completed" in said
