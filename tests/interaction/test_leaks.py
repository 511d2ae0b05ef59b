"""Secrets do not get out by way of what others say; and the search for them sees all there is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codex_http_server.testing.answers import Fail, Text
from tests.support.cli import run_cli
from tests.support.commands import until
from tests.support.server import Server, Site, start

KEY = "sk-proj-" + "a1B2" * 6


@pytest.mark.plants(
    r"an API key in an event",
    r"an API key in the answer of GET /conversations/.*/events",
    r"an API key in the file state/.*/log\.db",
)
def test_the_search_sees_events_answers_and_the_log(server: Server, site: Site) -> None:
    """What people and models say to each other is theirs, and so is here to be found."""
    site.provider.expect(Text("I will not repeat it."))
    conversation = server.conversation()
    with server.read(conversation) as reader:
        server.run(conversation, f"my key is {KEY}")
        reader.wait_type("turn/completed")
    assert KEY in json.dumps(server.events(conversation))


@pytest.mark.plants("an API key in stderr of the command serve")
def test_the_search_sees_what_commands_print(tmp_path: Path, site: Site) -> None:
    run_cli("serve", "--config", str(tmp_path / KEY), environment=site.environment())


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_a_provider_that_quotes_the_key_in_its_error(
    server: Server, site: Site, status: int
) -> None:
    """Everything about that turn is searched at the end of this test."""
    body = {"error": {"message": f"Incorrect API key provided: {KEY}. Bearer {KEY}", "code": "x"}}
    site.provider.script = lambda _: [Fail(status, body)]
    conversation = server.conversation()
    with server.read(conversation) as reader, server.read_all() as everything:
        server.send(conversation)
        reader.wait_type("turn/completed")
        everything.wait_type("turn/completed")
    told = json.dumps([e for e in server.events(conversation) if e["type"] == "error"])
    assert KEY not in told
    if status == 400:  # the core passes on what the provider says
        assert "Incorrect API key provided: [redacted]" in told


@pytest.mark.plants(r"an API key in the file state/.*/core\.log")
def test_a_core_that_prints_a_key_as_it_dies(site: Site) -> None:
    """Its output is its own; the reason that we give is ours."""
    broken = site.root / "codex"
    broken.write_text(f"#!/bin/sh\necho 'bad key {KEY}'\nexit 3\n")
    broken.chmod(0o755)
    with start(site, "--codex-bin", str(broken)) as server:
        until(lambda: "bad key" in (server.get("/health")["core"]["reason"] or ""), "it says why")
        reason = server.get("/health")["core"]["reason"]
        assert "bad key [redacted]" in reason
        assert server.client.get("/ready").status_code == 503
    broken.unlink()
