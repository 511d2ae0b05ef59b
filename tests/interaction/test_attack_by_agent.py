"""`codex-http-server attack --as nobody`, run by the agent itself: it is refused everything.

Real core, real sandbox with network. The ways in which a process of the agent can run are the
matter of test_agent_attacks.py; here each of the main ones tries all that the suite knows.
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from codex_http_server.testing.answers import Command, Text
from codex_http_server.testing.attack.suite import ATTACKS
from tests.support.commands import wait_for_file
from tests.support.server import Server, Site, start

pytestmark = pytest.mark.core

NETWORK = "\n[sandbox_workspace_write]\nnetwork_access = true\n"
LONG = 60.0  # seconds for a whole run
SOME = ("scopes", "peers", "tokens", "tickets", "paths", "origins")  # without floods
NOBODY = [each for each in ATTACKS if "nobody" in each.who]


class Agent:
    """The attacker as a command line, and what it wrote down."""

    def __init__(self, server: Server, *subjects: str) -> None:
        self._project: Path = server.site.project
        self._count = sum(each.subject in subjects or not subjects for each in NOBODY)
        only = [word for subject in subjects for word in ("--only", subject)]
        words = [sys.executable, "-m", "codex_http_server", "attack", "--as", "nobody", "--json"]
        attack = shlex.join([*words, "--base-url", server.url, *only])
        self.command = (
            f"{attack} > result.json 2> errors.txt; echo $? > ended.part; mv ended.part ended"
        )

    def refused(self, timeout: float = LONG) -> dict[str, Any]:
        """Wait for it; all of it was refused, for who it is."""
        wait_for_file(self._project / "ended", timeout)
        said = (self._project / "errors.txt").read_text()
        text = (self._project / "result.json").read_text()
        assert (self._project / "ended").read_text().strip() == "0", text + said
        found = json.loads(text)
        assert (found["as"], found["broken"]) == ("nobody", 0)
        return found

    def tried_all(self) -> None:
        """Every attack was tried, and refused."""
        found = self.refused()
        assert len(found["attacks"]) == self._count + 1
        assert found["requests"] > 100


def allow_network(site: Site, **config: Any) -> None:
    """Commands in the sandbox reach 127.0.0.1."""
    site.configure(**({"sandbox_mode": "workspace-write", "approval_policy": "never"} | config))
    path = site.home / "config.toml"
    path.write_text(path.read_text() + NETWORK)


def run_by_model(server: Server, command: str, yield_ms: int = 30_000) -> str:
    """A turn in which the model runs the command; its user is served meanwhile and afterwards."""
    conversation = server.conversation()
    server.site.provider.expect(Command(command, yield_ms=yield_ms))
    server.site.provider.expect(Text("done"))
    assert server.run(conversation)["reply"] == "done"
    return conversation


def nothing_was_done(server: Server, conversation: str) -> None:
    """There is what its user has made, and no more."""
    assert [each["id"] for each in server.get("/conversations")["data"]] == [conversation]
    assert server.client.get("/health").status_code == 200


@pytest.mark.parametrize("sandbox", ["workspace-write", "danger-full-access"])
def test_a_command_of_the_agent_is_refused(site: Site, sandbox: str) -> None:
    allow_network(site, sandbox_mode=sandbox)
    with start(site) as server:
        server.wait_ready()
        agent = Agent(server, *SOME)
        conversation = run_by_model(server, agent.command)
        agent.tried_all()
        nothing_was_done(server, conversation)


def test_all_attacks_from_the_background_are_refused_and_its_user_is_served(site: Site) -> None:
    allow_network(site)
    with start(site) as server:
        server.wait_ready()
        agent = Agent(server)
        conversation = run_by_model(server, agent.command, yield_ms=250)
        site.provider.expect(Text("served"))
        assert server.run(conversation)["reply"] == "served"
        agent.tried_all()
        nothing_was_done(server, conversation)


def test_a_double_fork_of_the_agent_is_refused(site: Site) -> None:
    allow_network(site, sandbox_mode="danger-full-access")
    with start(site) as server:
        server.wait_ready()
        agent = Agent(server, *SOME)
        twice = f"setsid -f sh -c {shlex.quote(f'({agent.command}) &')}; echo left"
        conversation = run_by_model(server, twice)
        agent.tried_all()
        nothing_was_done(server, conversation)


def test_an_mcp_server_is_refused(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        agent = Agent(server, *SOME)
        arguments = ["-c", f"cd {shlex.quote(str(site.project))} && {agent.command}; cat"]
        table = f'command = "sh"\nargs = {json.dumps(arguments)}\nstartup_timeout_sec = 60\n'
        path = site.home / "config.toml"
        path.write_text(path.read_text() + f"\n[mcp_servers.attacker]\n{table}")
        conversation = server.conversation()  # its core starts the MCP server
        agent.tried_all()
        nothing_was_done(server, conversation)


def test_a_command_without_network_reaches_nobody(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        agent = Agent(server, *SOME)
        conversation = run_by_model(server, agent.command)
        (only,) = agent.refused()["attacks"]
        assert only["why"] == "this process may not even open a connection"
        nothing_was_done(server, conversation)
