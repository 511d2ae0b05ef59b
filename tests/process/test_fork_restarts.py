"""Forks, and what may come between: restarts, kills, another process that has the source open."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from codex_http_server.testing.answers import Gate, Text
from codex_http_server.testing.reader import Event
from tests.support.codes import refused
from tests.support.codex import codex
from tests.support.commands import until
from tests.support.judge import check_whole, text_of
from tests.support.server import Json, Server, Site, start

EXEC = ("exec", "--skip-git-repo-check")
KEY = {"Idempotency-Key": "once"}
TURNS = 12


@contextmanager
def started(site: Site) -> Iterator[Server]:
    """A server whose own core is ready; the log tells of those of earlier ones too."""
    with start(site) as server:
        until(lambda: server.get("/health")["core"]["state"] == "ready", "the core is ready")
        yield server


def fork(server: Server, conversation: str, **body: Json) -> Json:
    return server.post(f"/conversations/{conversation}/fork", body, 201, headers=KEY)


def _ids(server: Server) -> set[str]:
    return {each["id"] for each in server.get("/conversations")["data"]}


def test_a_fork_without_a_turn_outlives_the_core_and_is_listed_once(site: Site) -> None:
    with started(site) as server:
        source = server.conversation()
        site.provider.expect(Text("one"))
        server.run(source, "ask one")
        made = fork(server, source)["id"]
        before = server.events(made)
    with started(site) as server:
        assert _ids(server) == {source, made}
        assert server.events(made) == before
        site.provider.expect(Text("two"))
        assert server.run(made, "ask two")["reply"] == "two"
        assert "ask one" in str(site.provider.requests[-1].body)
    with started(site) as server:
        assert _ids(server) == {source, made}
        assert text_of(server.events(made)) == ["one", "two"]
        check_whole(server.events(made))


def test_one_that_another_process_has_open_is_forked(site: Site) -> None:
    with started(site) as server:
        site.provider.expect(Text("one"))
        with codex(site, *EXEC, "ask one") as first:
            first.wait(20)
        until(lambda: bool(_ids(server)), "the conversation of the CLI is listed")
        (theirs,) = _ids(server)
        gate = Gate()
        site.provider.expect(Text(["a", gate, "b"]))
        with codex(site, *EXEC, "resume", theirs, "ask two") as other:
            gate.wait_reached()
            path = f"/conversations/{theirs}/messages"
            answer = server.client.post(path, json={"message": "me too"})
            problem = refused(answer, 409, "conversation_open_elsewhere")
            assert "/fork" in problem["hint"]
            made = fork(server, theirs)["id"]
            site.provider.expect(Text("I go on here."))
            assert server.run(made, "me too")["reply"] == "I go on here."
            seen = str(site.provider.requests[-1].body)
            assert "ask one" in seen
            assert "ask two" not in seen
            assert "turn_aborted" not in seen
            gate.open()
            other.wait(20)
        until(lambda: text_of(server.events(theirs)) == ["one", "ab"], "theirs went on untouched")
        assert text_of(server.events(made)) == ["one", "I go on here."]
        check_whole(server.events(made))


@pytest.mark.parametrize("moment", ["the core has forked", "a part is told"])
def test_killed_meanwhile_the_same_key_makes_one_whole_fork(site: Site, moment: str) -> None:
    site.provider.script = lambda _: [Text("yes")]
    with started(site) as first:
        source = first.conversation()
        turns = [str(first.run(source, f"ask {n}")["turn_id"]) for n in range(TURNS)]
        with first.read_all("?after=latest") as reader:
            connection = _ask(first, source)
            if moment == "the core has forked":
                until(lambda: len(list(site.home.rglob("rollout-*.jsonl"))) == 2, "the core forked")
            else:
                reader.wait(lambda event: _of_fork(event, source))
            first.kill()
            connection.close()
    with started(site) as second:
        made = fork(second, source)
        assert fork(second, source)["id"] == made["id"]
        assert _ids(second) == {source, made["id"]}
        events = second.events(made["id"])
        check_whole(events)
        assert [e["turn_id"] for e in events if e["type"] == "turn/completed"] == turns
        assert second.run(made["id"], "and on")["reply"] == "yes"
        check_whole(second.events(made["id"]))
        second.client.delete(f"/conversations/{made['id']}").raise_for_status()
        # A fork that the core made and nobody knows of may still read the source's file.
        answer = second.client.delete(f"/conversations/{source}").json()
        assert answer["codex"]["state"] in ("deleted", "kept")
    with started(site) as third:
        assert not _ids(third)


def _ask(server: Server, source: str) -> http.client.HTTPConnection:
    """Ask for a fork, without waiting for the answer."""
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
    headers = {"Content-Type": "application/json"} | KEY
    connection.request("POST", f"/conversations/{source}/fork", json.dumps({}), headers)
    return connection


def _of_fork(event: Event, source: str) -> bool:
    return event["type"] == "turn/completed" and event["conversation_id"] != source
