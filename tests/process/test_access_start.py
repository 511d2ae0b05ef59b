"""Tokens at the start: the environment that forgets, what stops a start, the commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from codex_http_server.auth.tokenfile import TokenFile
from codex_http_server.testing.answers import Command, Text
from tests.support.access import bearer, lan_address, make_token, token_file
from tests.support.cli import SCRIPT, refuses, run_cli
from tests.support.commands import until
from tests.support.server import Server, Site, environment_of, start
from tests.support.shared import server_at

TOKEN = "a-token-of-the-environment"
GIVEN = {"CODEX_HTTP_TOKEN": TOKEN}
on_linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")


# --- the environment ------------------------------------------------------------------------


@on_linux
def test_the_token_of_the_environment_is_in_no_process_and_no_command(site: Site) -> None:
    """The agent looks everywhere itself, too: it is the same user."""
    with start(site, environment=GIVEN) as server:
        server.wait_ready()
        assert server.get("/session", headers=bearer(TOKEN))["via"] == "token"
        processes = [server.process.pid, server.core().pid, server.keeper().pid]
        for pid in processes:
            assert not [each for each in environment_of(pid) if TOKEN in each]
        look = "env; " + "; ".join(f"tr '\\0' '\\n' < /proc/{pid}/environ" for pid in processes)
        site.provider.expect(Command(f"{look}; tr '\\0' '\\n' < /proc/{processes[0]}/cmdline"))
        site.provider.expect(Text("seen"))
        here = server.conversation()
        server.run(here)
        with server.read(here) as reader:  # the command may outlive its turn
            ended = reader.wait_type("item/completed", item_type="commandExecution")
        assert "PATH=" in ended["data"]["item"]["aggregatedOutput"]
        assert TOKEN not in json.dumps(server.events(here))
        files = [path for path in site.root.rglob("*") if path.is_file()]
        assert not [path for path in files if TOKEN.encode() in path.read_bytes()]


def inheritable(pid: int) -> set[str]:
    """The descriptors that a child of this process would get: the token's pipe was such a one."""
    return {
        info.name
        for info in Path(f"/proc/{pid}/fdinfo").iterdir()
        if not int(info.read_text().split("flags:")[1].split()[0], 8) & os.O_CLOEXEC
    }


@on_linux
@pytest.mark.parametrize("command", [[str(SCRIPT)], [sys.executable, "-m", "codex_http_server"]])
def test_the_process_stays_itself_with_its_arguments_stdin_and_stdout(
    site: Site, command: list[str]
) -> None:
    arguments = [*command, "serve", "--port", "0", "--exit-with-parent", "--heartbeat", "7"]
    process = subprocess.Popen(
        arguments,
        env=site.environment() | GIVEN,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdin is not None
        ready = json.loads(process.stdout.readline())
        assert ready["pid"] == process.pid
        found = psutil.Process(process.pid)
        assert found.cmdline()[-len(arguments) + 1 :] == arguments[1:]
        until(lambda: inheritable(process.pid) <= {"0", "1", "2"}, "the token's pipe is closed")
        process.stdin.close()  # the end of the parent's interest
        assert process.wait(8) == 0


def test_without_a_token_nothing_is_started_anew(site: Site) -> None:
    with start(site, environment={"CODEX_HTTP_TOKEN": ""}) as server:
        assert server.get("/session")["via"] == "local"


@pytest.mark.parametrize(
    "token", ["short", "x" * 15, "has a space in it", "x" * 5000, "ümlaut" * 5]
)
def test_a_token_that_is_none_exits_2_and_is_not_shown(site: Site, token: str) -> None:
    said = refuses(site, status=2, CODEX_HTTP_TOKEN=token)
    assert "CODEX_HTTP_TOKEN" in said
    assert "16" in said
    assert token not in said
    assert "hint: " in said


def test_a_pipe_that_is_none_exits_2(site: Site) -> None:
    for pipe in ("x", "99", "-1"):
        assert "CODEX_HTTP_TOKEN_FD" in refuses(site, status=2, CODEX_HTTP_TOKEN_FD=pipe)


@on_linux
def test_a_server_that_is_killed_and_started_again_takes_the_token_again(site: Site) -> None:
    with start(site, environment=GIVEN) as server:
        server.wait_ready()
        core = server.core().pid
        server.kill()
        with start(site, environment=GIVEN) as second:
            second.wait_ready()
            assert second.core().pid == core
            assert second.get("/session", headers=bearer(TOKEN))["via"] == "token"


# --- what stops a start ---------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_an_address_beyond_this_machine_needs_a_token(site: Site, host: str) -> None:
    said = refuses(site, "--host", host, status=2)
    assert "codex-http-server token create" in said
    assert "ssh -L" in said


@pytest.mark.parametrize("expires", ["1s", None])
def test_an_expired_or_ended_token_does_not_open_the_door(site: Site, expires: str | None) -> None:
    path = site.root / "tokens.json"
    make_token(path, "gone")
    if expires:
        content = json.loads(path.read_text())
        content["tokens"][0]["expires_at"] = "2020-01-01T00:00:00Z"
        path.write_text(json.dumps(content))
    else:
        TokenFile(path).remove("gone")
    said = refuses(site, "--host", "0.0.0.0", "--token-file", str(path), status=2)
    assert "no token" in said


@pytest.mark.skipif(lan_address() is None, reason="this machine has no address but loopback")
def test_with_a_token_an_address_of_the_network_is_listened_on(site: Site) -> None:
    with start(site, "--host", str(lan_address()), environment=GIVEN) as server:
        assert server.url.startswith(f"http://{lan_address()}:")
        assert server.client.get("/conversations").status_code == 401
        assert server.get("/session", headers=bearer(TOKEN))["via"] == "token"
        found = run_cli("open", "--no-browser", environment=site.environment())
        assert found.returncode == 1
        assert "loopback" in found.stderr


@pytest.mark.parametrize(
    ("content", "mode", "named"),
    [("{}", 0o600, "damaged"), ('{"tokens":[]}', 0o644, "chmod 600"), ("", 0o600, "damaged")],
)
def test_a_token_file_that_can_not_be_used_exits_2(
    site: Site, content: str, mode: int, named: str
) -> None:
    path = site.root / "tokens.json"
    path.write_text(content)
    path.chmod(mode)
    said = refuses(site, "--token-file", str(path), status=2)
    assert str(path) in said
    assert named in said


def test_a_root_that_is_no_directory_exits_2(site: Site) -> None:
    assert "/no/such/root" in refuses(site, "--root", "/no/such/root", status=2)


# --- the commands ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that the commands meet."""
    with server_at(tmp_path_factory.mktemp("commands")) as server:
        yield server


def cli(site: Site, *arguments: str, status: int = 0) -> tuple[str, str]:
    """What a command says on stdout and on stderr."""
    found = run_cli(*arguments, environment=site.environment())
    assert found.returncode == status, found
    assert "Traceback" not in found.stderr
    return found.stdout, found.stderr


def test_a_token_is_made_used_listed_and_ended_while_the_server_runs(running: Server) -> None:
    site = running.site
    made, said = cli(site, "token", "create", "--name", "phone", "--expires", "30d",
                     "--scope", "read,drive", "--scope", "elevate")  # fmt: skip
    secret = made.strip()
    assert made == f"{secret}\n"
    assert secret not in said
    found = running.get("/session", headers=bearer(secret))
    assert found["scopes"] == ["read", "drive", "elevate"]
    listed, _ = cli(site, "token", "list")
    assert listed.startswith("phone  read,drive,elevate  made ")
    assert "until" in listed
    assert secret not in listed
    _, said = cli(site, "token", "revoke", "phone")
    assert "phone" in said
    assert running.client.get("/session", headers=bearer(secret)).status_code == 401
    assert cli(site, "token", "list")[0] == ""


def test_tokens_are_made_without_a_server_and_named_by_themselves(site: Site) -> None:
    one, _ = cli(site, "token", "create")
    two, _ = cli(site, "token", "create")
    assert one != two
    listed, _ = cli(site, "token", "list")
    assert [line.split()[:2] for line in listed.splitlines()] == [
        ["token-1", "read,drive,login,approve"],
        ["token-2", "read,drive,login,approve"],
    ]
    assert token_file(site).stat().st_mode & 0o777 == 0o600
    other = str(site.root / "other.json")
    cli(site, "token", "create", "--token-file", other, "--name", "x")
    assert [token.name for token in TokenFile(Path(other)).load()] == ["x"]


@pytest.mark.parametrize(
    ("arguments", "status", "named"),
    [
        (("create", "--scope", "write"), 2, "elevate"),
        (("create", "--expires", "soon"), 2, "30d"),
        (("create", "--expires", "999999w"), 2, "--expires"),
        (("create", "--name", "a b"), 2, "64"),
        (("create", "--name", "env"), 2, "env"),
        (("revoke", "nobody"), 1, "nobody"),
        (("create", "--token-file", "/proc/none/tokens.json"), 1, "/proc/none"),
    ],
)
def test_a_bad_order_is_refused_in_words(
    site: Site, arguments: tuple[str, ...], status: int, named: str
) -> None:
    made, said = cli(site, "token", *arguments, status=status)
    assert made == ""
    assert named in said


def test_a_name_that_is_taken_is_refused(site: Site) -> None:
    cli(site, "token", "create", "--name", "a")
    made, said = cli(site, "token", "create", "--name", "a", status=1)
    assert made == ""
    assert "already" in said


def test_open_prints_an_address_that_works_once(running: Server) -> None:
    said, _ = cli(running.site, "open", "--no-browser")
    url, _, fragment = said.strip().partition("/#code=")
    assert url == running.url
    assert running.client.post("/session", json={"code": fragment}).status_code == 204
    running.client.cookies.clear()
    assert running.client.post("/session", json={"code": fragment}).status_code == 401


def test_open_says_what_to_do_where_no_server_runs(site: Site) -> None:
    said, errors = cli(site, "open", "--no-browser", status=1)
    assert said == ""
    assert "hint: Start one" in errors
    with start(site) as server:
        server.wait_ready()
        server.kill()  # it leaves its discovery file behind
        _, errors = cli(site, "open", "--no-browser", status=1)
        assert "hint: Start one" in errors
    with start(site):  # ends what the killed one left
        cli(site, "open", "--no-browser")


def test_a_sandboxed_command_can_not_leave_a_code(site: Site) -> None:
    """The proof that the page's code rests on, with the real sandbox."""
    folder = Path("/var/tmp") / f"codex-http-server-{os.getpid()}"
    environment = {"XDG_STATE_HOME": str(folder)}
    try:
        with start(site, environment=environment) as server:
            server.wait_ready()
            (state,) = folder.glob("*/*/")
            look = f"cat {state}/server.json && mkdir -p {state}/page-codes/x; ls {state}"
            site.provider.expect(Command(look))
            site.provider.expect(Text("tried"))
            here = server.conversation()
            server.run(here)
            assert not (state / "page-codes").exists()
            output = json.dumps(server.events(here))
            assert "server.json" in output, "it may read there"
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)
