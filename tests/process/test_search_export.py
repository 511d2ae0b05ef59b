"""`codex-http-server search` and `export`: on a terminal, in a pipe, and what goes wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_http_server.testing.answers import Command, Text
from tests.support.access import make_token, token_file
from tests.support.cli import SCRIPT, run_cli
from tests.support.cutting import Proxy
from tests.support.pages import Snippet, snippets
from tests.support.server import Server, Site, start
from tests.support.shared import server_at
from tests.support.terminal import Terminal


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server_at(tmp_path_factory.mktemp("search")) as running:
        yield running


@pytest.fixture(scope="module")
def garden(server: Server) -> str:
    """A conversation to be found."""
    made = server.conversation(title="Garden\twall")
    server.site.provider.expect(Command("printf 'mortar \\033[2J'"))
    server.site.provider.expect(Text("The wall\nneeds 42 bricks.\u202e"))
    server.run(made, "How many bricks?")
    return made


def run(server: Server, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run_cli(*arguments, environment=server.site.environment() | environment)


# --- search ---------------------------------------------------------------------------------


def test_one_hit_a_line_with_tabs_between(server: Server, garden: str) -> None:
    done = run(server, "search", "wall")
    assert (done.returncode, done.stderr) == (0, "")
    title, answer = (line.split("\t") for line in done.stdout.splitlines())
    assert title[:2] == [garden, "title"]
    assert title[3:] == ["Garden wall", "Garden wall"]
    assert answer[:2] == [garden, "answer"]
    assert answer[2].endswith("Z")
    assert answer[4] == "The wall needs 42 bricks.\\u202e"


def test_words_phrases_kinds_and_directories(server: Server, garden: str) -> None:
    def found(*arguments: str) -> int:
        return len(run(server, "search", *arguments).stdout.splitlines())

    assert found("garden", "wall") == 1
    assert found('"wall garden"') == 0
    assert found("brick*", "--kind", "message") == 1
    assert found("mortar") == 0
    assert found("mortar", "-k", "output") == 1
    assert found("bricks", "-C", str(server.site.project)) == 2
    assert found("bricks", "-C", str(server.site.root)) == 0
    assert found("bricks", "--archived") == 0
    assert found("bricks", "--conversation", garden, "--no-archived") == 2


def test_json_lines_are_hits(server: Server, garden: str) -> None:
    done = run(server, "search", "bricks", "--json")
    hits = [json.loads(line) for line in done.stdout.splitlines()]
    assert hits == server.get("/search?q=bricks")["data"]
    assert len(hits) == 2


def test_more_than_is_shown(server: Server) -> None:
    for number in range(120):
        server.conversation(title=f"Ocelot {number}")
    done = run(server, "search", "ocelot")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 20)
    assert "There is more. --limit 100" in done.stderr
    done = run(server, "search", "ocelot", "--limit", "120")
    assert (len(done.stdout.splitlines()), done.stderr) == (120, "")


def test_nothing_is_found(server: Server) -> None:
    done = run(server, "search", "no-such-word")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "Nothing was found.\n")


def test_on_a_terminal(server: Server, garden: str) -> None:
    site = server.site
    with Terminal("search", "wall", env=site.environment(), cwd=site.project) as shown:
        shown.wait(f"{garden} · title · 20")
        shown.wait(f"{garden} · answer · 20")
        assert shown.ends() == 0
    bold = "\x1b[1mwall\x1b[0m"
    assert f"The {bold} needs 42 bricks.\\u202e" in shown.shown
    assert "\u202e" not in shown.shown


# --- export ---------------------------------------------------------------------------------


def test_to_stdout_as_it_is(server: Server, garden: str) -> None:
    wanted = server.client.get(f"/conversations/{garden}/export?format=markdown").text
    assert run(server, "export", garden).stdout == wanted
    assert "\x1b[2J" in wanted
    done = run(server, "export", garden, "--format", "jsonl", "-o", "-")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["conversation"]["id"] == garden
    assert lines[1:] == server.events(garden)


def test_to_a_file_that_is_there_when_all_of_it_is(
    server: Server, garden: str, tmp_path: Path
) -> None:
    target = tmp_path / "wall.jsonl"  # its name says the format
    target.write_text("old")
    target.chmod(0o600)
    done = run(server, "export", garden, "--output", str(target))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [json.loads(line).get("seq") for line in target.read_text().splitlines()][1] == 1
    assert target.stat().st_mode & 0o777 == 0o600
    with Proxy(server.url) as proxy:
        proxy.cut_after = 3000
        done = run(server, "export", garden, "-o", str(target), "--url", proxy.url)
    assert done.returncode == 1
    assert done.stderr.startswith(f"codex-http-server: {target} was not written: ")
    assert target.read_text().startswith('{"conversation"')
    assert [each.name for each in tmp_path.iterdir()] == ["wall.jsonl"]


def test_a_file_that_can_not_be_written(server: Server, garden: str, tmp_path: Path) -> None:
    target = tmp_path / "no" / "such.md"
    done = run(server, "export", garden, "-o", str(target))
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr == f"codex-http-server: {target} was not written: No such file or directory\n"
    )
    assert run(server, "export", garden, "-o", str(tmp_path)).returncode == 2
    assert run(server, "export", garden, "-o", "/dev/full").returncode == 1
    assert run(server, "export", garden, "-o", "/dev/null").returncode == 0


@pytest.mark.parametrize("command", [["export"], ["search", "bricks", "--conversation"]])
def test_a_pipe_whose_reader_leaves(server: Server, garden: str, command: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [str(SCRIPT), *command, garden],
        env=server.site.environment(),
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_an_export_on_a_terminal_moves_no_cursor(server: Server, garden: str) -> None:
    site = server.site
    with Terminal("export", garden, env=site.environment(), cwd=site.project) as shown:
        shown.wait("mortar \\u001b[2J")
        shown.wait("The wall\nneeds 42 bricks.\\u202e")
        assert shown.ends() == 0
    assert "\x1b" not in shown.shown


# --- the guide ------------------------------------------------------------------------------


BLOCKS = [each for each in snippets("bash") if re.search("-server (search|export)", each.text)]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_the_commands_of_the_guide(server: Server, block: Snippet, tmp_path: Path) -> None:
    made = server.conversation(title="Brick wall", working_directory=str(tmp_path))
    server.site.provider.expect(Text("This brick wall is refactored."))
    server.run(made)
    folder = SCRIPT.parent
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        env=server.site.environment() | {"ID": made, "PATH": f"{folder}:{os.environ['PATH']}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert made in done.stdout or list(tmp_path.iterdir())


# --- what goes wrong ------------------------------------------------------------------------


def test_no_such_conversation(server: Server) -> None:
    done = run(server, "export", "no-such-id")
    assert (done.returncode, done.stdout) == (3, "")
    assert "[conversation_not_found]" in done.stderr
    assert "hint: codex-http-server search" in done.stderr


@pytest.mark.parametrize("command", [["export", "an-id"], ["search", "x"]])
def test_no_server(site: Site, command: list[str]) -> None:
    done = run_cli(*command, environment=site.environment())
    assert (done.returncode, done.stdout) == (3, "")
    assert "No server runs" in done.stderr
    assert "--url" in done.stderr
    done = run_cli(*command, "--url", "127.0.0.1:9", environment=site.environment())
    assert (done.returncode, "like http://127.0.0.1:3032" in done.stderr) == (3, True)
    done = run_cli(*command, "--url", "http://127.0.0.1:9", environment=site.environment())
    assert done.returncode == 3
    assert "hint: " in done.stderr


def test_a_token_without_the_right(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        for scope, code in (("drive", 3), ("read", 1)):
            token = make_token(token_file(site), scope, [scope])
            done = run(server, "search", "nothing", CODEX_HTTP_TOKEN=token)
            assert done.returncode == code, done
            assert ("[scope_required]" in done.stderr) is (code == 3)


def test_typed_wrongly(server: Server) -> None:
    for arguments in (["search"], ["search", "x", "--kind", "y"], ["export", "x", "-f", "pdf"]):
        assert run(server, *arguments).returncode == 2
