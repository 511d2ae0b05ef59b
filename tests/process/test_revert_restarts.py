"""Turns that were taken back stay so over a kill, wherever it came."""

from __future__ import annotations

from pathlib import Path

import pytest

from codex_http_server.testing.answers import Text
from tests.support.judge import check_whole
from tests.support.server import Server, Site, start

pytestmark = pytest.mark.core

# The server dies when the core has done it, and nothing has been told of it.
DIES = """
import os, signal
from codex_http_server.conversations.reverts import Reverts

async def settle(self):
    os.kill(os.getpid(), signal.SIGKILL)

Reverts.settle = settle
"""


def talk(server: Server, here: str, *replies: str) -> list[str]:
    turns: list[str] = []
    for reply in replies:
        server.site.provider.expect(Text(reply))
        turns.append(str(server.run(here, f"say {reply}")["turn_id"]))
    return turns


def turns_of(server: Server, here: str) -> list[str]:
    return [each["turn_id"] for each in server.get(f"/conversations/{here}/turns")["data"]]


def test_what_was_taken_back_stays_so(site: Site) -> None:
    with start(site) as server:
        here = server.conversation()
        one, two = talk(server, here, "one", "two")
        server.post(f"/conversations/{here}/revert", {"before_turn_id": two}, 200)
        server.kill()
    with start(site) as server:
        assert turns_of(server, here) == [one]
        (three,) = talk(server, here, "three")
        assert turns_of(server, here) == [one, three]
        log = server.events(here)
        check_whole(log)
        assert len([e for e in log if e["type"] == "conversation/reverted"]) == 1
    assert "say two" not in str(site.provider.requests[-1].body["input"])


def test_a_kill_before_it_was_told_is_told_once_afterwards(site: Site, tmp_path: Path) -> None:
    with start(site) as server:
        here = server.conversation()
        one, two = talk(server, here, "one", "two")
    patch = tmp_path / "patch"
    patch.mkdir()
    (patch / "sitecustomize.py").write_text(DIES)
    with start(site, environment={"PYTHONPATH": str(patch)}) as server:
        server.wait_ready()
        with pytest.raises(Exception, match=r"(?i)disconnected|reset|closed"):
            server.client.post(f"/conversations/{here}/revert", json={"before_turn_id": two})
        server.process.wait(10)
        server.kill()
    with start(site) as server:
        server.wait_ready()
        answer = server.post(f"/conversations/{here}/revert", {"before_turn_id": two}, 200)
        assert answer["turn_ids"] == [two]
        assert turns_of(server, here) == [one]
        talk(server, here, "three")
        told = [e for e in server.events(here) if e["type"] == "conversation/reverted"]
        assert [each["data"]["turn_ids"] for each in told] == [[two]]
    assert "say two" not in str(site.provider.requests[-1].body["input"])
