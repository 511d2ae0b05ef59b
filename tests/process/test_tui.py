"""The real Codex TUI on a server, in a terminal: one conversation, seen and driven from both sides.

With the TUI of the core's own version, and with the newest that was tried (`NEWEST`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import codex_cli_bin
import pytest

from codex_http_server.testing.answers import Command, Step, Text
from codex_http_server.testing.requests import ModelRequest
from tests.support.access import make_token, token_file
from tests.support.judge import check_whole
from tests.support.server import Server
from tests.support.shared import server_at
from tests.support.tui import Tui, newest, tui

pytestmark = [
    pytest.mark.core,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux here"),
]


@pytest.fixture(params=["own", "newest"])
def binary(request: pytest.FixtureRequest) -> Path:
    """The TUI of the core's version, and the newest."""
    if request.param == "own":
        return Path(codex_cli_bin.__file__).parent / "bin" / "codex"
    return newest()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_at(tmp_path) as running:
        running.site.provider.script = model
        yield running


@pytest.fixture
def shown(server: Server, binary: Path) -> Iterator[Tui]:
    """A TUI that was let in: its folder is trusted, and no offer stands before its composer."""
    token = make_token(token_file(server.site), "tui", ["admin"])
    with tui(server, binary, token, "-m", "gpt-5.5") as terminal:
        terminal.enter()
        yield terminal


SAYS = {
    "say hello": "Hello from the model.",
    "asked over HTTP": "Answered over HTTP.",
    "and now": "Still here.",
}
WRITES = {"write outside": ("outside.txt", "Told."), "write again": ("out.txt", "Written.")}


def model(request: ModelRequest) -> list[Step]:
    """By what was asked: the TUI may ask more than its user does."""
    asked = request.user_text
    if asked not in WRITES:
        return [Text(SAYS.get(asked, "What?"))]
    name, then = WRITES[asked]
    return [Text(then)] if request.results else [Command(f"echo it > ../{name}", escalate=True)]


def only(server: Server) -> dict[str, Any]:
    """The only conversation that there is."""
    (found,) = server.get("/conversations")["data"]
    return found


def test_one_conversation_is_driven_from_both_sides(server: Server, shown: Tui) -> None:
    site = server.site
    shown.say("say hello")
    shown.wait("Hello from the model.")
    here = only(server)["id"]

    # what was typed there is in our events, with an end; and the other way round
    with server.read(here) as reader:
        reader.wait(lambda e: e["data"].get("item", {}).get("text") == "Hello from the model.")
        assert server.run(here, "asked over HTTP")["reply"] == "Answered over HTTP."
        shown.wait("asked over HTTP")
        shown.wait("Answered over HTTP.")

        # an approval that is asked in a turn of ours waits in both places; we answer, it sees that
        server.send(here, "write outside")
        asked = reader.wait_type("approval/requested")
        shown.wait("$ echo it > ../outside.txt")
        path = f"/conversations/{here}/approvals/{asked['data']['approval_id']}"
        server.post(path, {"decision": "decline"}, 200)
        reader.wait_type("approval/resolved")
        shown.wait("Told.")

        # and one of its own turn is answered there: we hear by whom
        shown.say("write again")
        second = reader.wait(
            lambda e: (
                e["type"] == "approval/requested"
                and e["data"]["approval_id"] != asked["data"]["approval_id"]
            )
        )
        shown.wait("$ echo it > ../out.txt")
        shown.answer("Yes, proceed", "y")
        shown.wait("Written.")
        told = reader.wait(
            lambda e: (
                e["type"] == "approval/resolved"
                and e["data"]["approval_id"] == second["data"]["approval_id"]
            )
        )
        assert told["data"]["reason"] == "answered_elsewhere"
        assert (site.project.parent / "out.txt").read_text() == "it\n"
        assert not (site.project.parent / "outside.txt").exists()
    shown.leave()
    check_whole(server.events(here))
    assert server.run(here, "and now")["reply"] == "Still here."
