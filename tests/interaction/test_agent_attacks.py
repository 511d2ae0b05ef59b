"""The agent as the attacker: what it starts can't drive its own server, while its user can.

Real core, real sandbox. Each attack is a process that the core has started in some way, calls the
server and writes down what it was answered.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from codex_http_server.testing.answers import Command, Gate, Step, Text
from tests.support import attack
from tests.support.codes import refused
from tests.support.commands import wait_for_file
from tests.support.raw import curl
from tests.support.server import Server, Site, gone, start

pytestmark = [
    pytest.mark.core,
    pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here"),
]

NETWORK = "\n[sandbox_workspace_write]\nnetwork_access = true\n"
# Root without the right to look into what hides from it: what every other user is.
ORDINARY = ("setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace")


class Attack:
    """One attacker, on files in the project."""

    def __init__(self, server: Server, way: str = "plain") -> None:
        self.server = server
        self.way = way
        self.go = server.site.project / "go"
        self.result = server.site.project / "result.json"
        self.program = server.site.project / "attack.py"
        shutil.copyfile(attack.__file__, self.program)

    @property
    def words(self) -> list[str]:
        """Its command line; it waits for `go`."""
        files = [str(self.program), self.server.url, str(self.result), "--after", str(self.go)]
        return [sys.executable, "-I", "-S", *files, "--way", self.way]

    @property
    def command(self) -> str:
        return shlex.join(self.words)

    def answers(self) -> list[httpx.Response]:
        """Let it go, and read what it was answered; status 0 where it was not."""
        self.go.touch()
        wait_for_file(self.result)
        found = json.loads(self.result.read_text())
        assert len(found) == len(attack.CALLS)
        return [httpx.Response(status, headers=h, text=text) for status, h, text in found]

    def fails(self) -> None:
        """Let it go: all of it is refused."""
        for answer in self.answers():
            refused(answer, 403, "agent_self_access")


def allow_network(site: Site, **config: Any) -> None:
    """Commands in the sandbox reach 127.0.0.1."""
    site.configure(**({"sandbox_mode": "workspace-write", "approval_policy": "never"} | config))
    path = site.home / "config.toml"
    path.write_text(path.read_text() + NETWORK)


@contextmanager
def under_attack(server: Server, found: Attack, *steps: Step) -> Iterator[str]:
    """A conversation in whose turn the attacker runs and waits; its user calls meanwhile."""
    conversation, hold = server.conversation(), Gate()
    server.site.provider.expect(*steps)
    server.site.provider.expect(hold, Text("done"))
    with server.read(conversation) as reader:
        server.send(conversation)
        hold.wait_reached(20)
        user_can_call(server)
        yield conversation
        user_can_call(server)
        hold.open()
        reader.wait_type("turn/completed", status="completed")
    assert [c["id"] for c in server.get("/conversations")["data"]] == [conversation]
    assert len(server.site.provider.requests) == 2


def user_can_call(server: Server, before: Sequence[str] = ()) -> None:
    """A process that the user has just started drives the server."""
    assert "data" in curl(server.url, "/conversations", before=before).json()


def background(command: str) -> Command:
    """The model waits a moment for it, then it runs on by itself."""
    return Command(command, yield_ms=250)


def test_a_command_in_the_sandbox_with_network_is_refused(site: Site) -> None:
    allow_network(site)
    with start(site) as server:
        server.wait_ready()
        found = Attack(server)
        found.go.touch()
        site.provider.expect(Command(found.command))
        site.provider.expect(Text("done"))
        assert server.run(server.conversation())["reply"] == "done"
        found.fails()
        user_can_call(server)
        assert len(server.get("/conversations")["data"]) == 1


@pytest.mark.parametrize("sandbox", ["workspace-write", "danger-full-access"])
@pytest.mark.parametrize("way", ["plain", "orphan", "hidden"])
def test_a_command_in_the_background_is_refused(site: Site, sandbox: str, way: str) -> None:
    allow_network(site, sandbox_mode=sandbox)
    with start(site) as server:
        server.wait_ready()
        found = Attack(server, way)
        # The sandbox ends with its first process: the command stays for an orphan to live.
        tail = f"; while ! test -e '{found.result}'; do sleep 0.05; done"
        with under_attack(server, found, background(found.command + tail)):
            found.fails()


def test_an_orphan_whose_command_has_ended_is_refused(site: Site) -> None:
    allow_network(site, sandbox_mode="danger-full-access")
    with start(site) as server:
        server.wait_ready()
        found = Attack(server, "orphan")
        with under_attack(server, found, Command(f"setsid -f {found.command}; echo left")):
            found.fails()


def test_a_command_is_refused_after_its_turn_too(site: Site) -> None:
    allow_network(site)
    with start(site) as server:
        server.wait_ready()
        found = Attack(server)
        site.provider.expect(background(found.command))
        site.provider.expect(Text("done"))
        assert server.run(server.conversation())["reply"] == "done"
        user_can_call(server)
        found.fails()


def test_a_command_of_an_adopted_core_is_refused_from_the_first_moment(site: Site) -> None:
    allow_network(site)
    with start(site) as server:
        server.wait_ready()
        port = server.url.rpartition(":")[2]
        found = Attack(server)
        site.provider.expect(background(found.command))
        site.provider.expect(Text("done"))
        server.run(server.conversation())
        core = server.core()
        server.kill()
    core.suspend()  # so that it takes a while to be taken over
    try:
        with start(site, "--port", port) as server:
            assert server.get("/health")["core"]["state"] == "starting"
            found.fails()
            core.resume()
            server.wait_ready()
    finally:
        if not gone(core):
            core.resume()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="there is no setpriv here")
@pytest.mark.skipif(psutil.POSIX and psutil.Process().uids().real != 0, reason="needs root")
def test_a_command_that_hides_from_an_ordinary_user_is_refused(site: Site) -> None:
    allow_network(site, sandbox_mode="danger-full-access")
    with start(site, before=ORDINARY) as server:
        server.wait_ready()
        found = Attack(server, "hidden")
        conversation = server.conversation()  # this process hides from the server too, but is in
        site.provider.expect(background(found.command))
        site.provider.expect(Text("done"))
        assert server.run(conversation)["reply"] == "done"
        user_can_call(server, ORDINARY)
        for answer in found.answers():
            refused(answer, 403, "peer_unknown")
        user_can_call(server, ORDINARY)
        mine = refused(httpx.get(f"{server.url}/health"), 403, "peer_unknown")  # it hides too
        assert "token" in mine["hint"]
        assert [c["id"] for c in server.get("/conversations")["data"]] == [conversation]


def test_an_mcp_server_of_the_configuration_is_refused(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        found = Attack(server, "mcp")
        command, *arguments = found.words
        table = f"command = {json.dumps(command)}\nargs = {json.dumps(arguments)}\n"
        path = site.home / "config.toml"
        path.write_text(path.read_text() + f"\n[mcp_servers.attacker]\n{table}")
        site.provider.expect(Text("done"))
        conversation = server.conversation()
        user_can_call(server)
        found.fails()
        assert server.run(conversation)["reply"] == "done"
        user_can_call(server)
        assert [c["id"] for c in server.get("/conversations")["data"]] == [conversation]


@pytest.mark.parametrize("network", [True, False])
def test_a_command_is_refused_at_a_unix_socket(site: Site, tmp_path: Path, network: bool) -> None:
    if network:
        allow_network(site)
    with start(site, "--listen", f"unix:{tmp_path}/s") as server:
        server.wait_ready()
        found = Attack(server)
        with under_attack(server, found, background(found.command)):
            answers = found.answers()
            user_can_call(server)
        for answer in answers:
            if network:
                refused(answer, 403, "agent_self_access")
            else:
                assert answer.status_code == 0, "the sandbox forbids the socket itself"
