"""Conversations of the Codex CLI on the same home: listed, opened with their history, continued."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from codex_cli_bin import bundled_codex_path

from codex_http_server.testing.answers import Command, Gate, Text
from tests.support.codes import refused
from tests.support.codex import codex
from tests.support.commands import until
from tests.support.judge import check_whole
from tests.support.other_client import OtherClient
from tests.support.server import Server, Site, start

EXEC = ("exec", "--skip-git-repo-check")


def run_codex(site: Site, *arguments: str) -> str:
    """`codex exec` to its end; what it printed."""
    done = subprocess.run(
        [str(bundled_codex_path()), *EXEC, *arguments],
        env=site.environment(),
        cwd=site.project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def listed(server: Server, **query: Any) -> list[dict[str, Any]]:
    return server.get("/conversations", params=query)["data"]


def texts(server: Server, conversation: str) -> list[str]:
    """What was said, by both."""
    items = server.get(f"/conversations/{conversation}/items")["data"]
    said = {"userMessage": _asked, "agentMessage": lambda item: item["text"]}
    return [said[each["item_type"]](each["item"]) for each in items if each["item_type"] in said]


def _asked(item: dict[str, Any]) -> str:
    return "".join(part["text"] for part in item["content"])


def found(server: Server) -> dict[str, Any]:
    """The one conversation that the server did not begin. The core lists what another process
    wrote up to half a second later (measured), and tells nobody when it does."""
    others: list[dict[str, Any]] = []

    def is_there() -> bool:
        others[:] = [each for each in listed(server) if each["source"] != "server"]
        return bool(others)

    until(is_there, "the other conversation is listed")
    assert len(others) == 1, others
    return others[0]


@contextmanager
def started(site: Site) -> Iterator[Server]:
    """A server whose own core is ready; the log tells of those of earlier ones too."""
    with start(site) as server:
        until(lambda: server.get("/health")["core"]["state"] == "ready", "the core is ready")
        yield server


def holder_gone(server: Server) -> None:
    until(lambda: server.get("/auth/status")["also_using_home"] == [], "the other has ended")


def test_a_thread_of_the_cli_is_listed_opened_and_continued_by_both(
    server: Server, site: Site
) -> None:
    ours = server.conversation()
    site.provider.expect(Command("echo hi"))
    site.provider.expect(Text("I said hi."))
    run_codex(site, "say hi please")
    theirs = found(server)
    assert (theirs["source"], theirs["preview"], theirs["head"]) == ("exec", "say hi please", 0)
    assert theirs["id"] == theirs["conversation_id"] == theirs["thread_id"]
    assert theirs["working_directory"] == str(site.project)
    assert [each["id"] for each in listed(server)] == [theirs["id"], ours]
    assert [each["id"] for each in listed(server, q="hi please")] == [theirs["id"]]
    assert [each["id"] for each in listed(server, limit=1)] == [theirs["id"]]

    history = server.events(theirs["id"])
    assert {event["synthetic"] for event in history} == {"history"}
    assert [event["type"] for event in history] == [
        "turn/started", "item/completed", "item/completed", "item/completed", "turn/completed",
    ]  # fmt: skip
    check_whole(history)
    assert texts(server, theirs["id"]) == ["say hi please", "I said hi."]
    opened = server.get(f"/conversations/{theirs['id']}")
    assert (opened["sandbox"], opened["approval_policy"]) == ("workspace-write", "on-request")
    assert opened["updated_at"][:16] == theirs["updated_at"][:16]

    site.provider.expect(Text("Gladly."))
    assert server.run(theirs["id"], "and more")["reply"] == "Gladly."
    assert "I said hi." in str(site.provider.requests[-1].body), "the model knows what was before"
    events = server.events(theirs["id"])
    assert events[: len(history)] == history, "told once"
    check_whole(events)

    server.stop()  # the core holds a thread that it has loaded for as long as it lives
    site.provider.expect(Text("Seen."))
    run_codex(site, "resume", theirs["id"], "what did I say?")
    assert "Gladly." in str(site.provider.requests[-1].body)
    with started(site) as again:
        assert texts(again, theirs["id"])[-4:] == [
            "and more",
            "Gladly.",
            "what did I say?",
            "Seen.",
        ]
        later = again.events(theirs["id"])
        assert later[: len(events)] == events
        check_whole(later)


def test_what_the_cli_adds_to_one_of_ours_is_seen_after_a_restart(site: Site) -> None:
    with started(site) as first:
        ours = first.conversation()
        site.provider.expect(Text("one"))
        first.run(ours, "first")
        thread = first.get(f"/conversations/{ours}")["thread_id"]
    site.provider.expect(Text("two"))
    run_codex(site, "resume", thread, "second")
    with started(site) as again:
        assert [each["id"] for each in listed(again)] == [ours], "it is not listed twice"
        assert texts(again, ours) == ["first", "one", "second", "two"]
        site.provider.expect(Text("three"))
        again.run(ours, "third")
        assert texts(again, ours)[-2:] == ["third", "three"]
        check_whole(again.events(ours))


def test_what_the_cli_adds_is_seen_by_a_message_that_comes_first(site: Site) -> None:
    with started(site) as first:
        ours = first.conversation()
        site.provider.expect(Text("one"))
        first.run(ours, "first")
        thread = first.get(f"/conversations/{ours}")["thread_id"]
    site.provider.expect(Text("two"))
    run_codex(site, "resume", thread, "second")
    with started(site) as again:
        site.provider.expect(Text("three"))
        again.run(ours, "third")
        assert texts(again, ours) == ["first", "one", "second", "two", "third", "three"]
        check_whole(again.events(ours))


def test_one_that_another_process_writes_is_readable_and_refused_with_its_name(
    server: Server, site: Site
) -> None:
    site.provider.expect(Text("I said hi."))
    run_codex(site, "say hi please")
    theirs = found(server)["id"]
    gate = Gate()
    site.provider.expect(Text(["one", gate, " two"]))
    with codex(site, *EXEC, "resume", theirs, "count") as other:
        gate.wait_reached()
        assert texts(server, theirs) == ["say hi please", "I said hi."], "what has ended is there"
        problem = {}
        for _ in range(2):
            answer = server.client.post(
                f"/conversations/{theirs}/messages",
                json={"message": "me too"},
                headers={"Idempotency-Key": "once"},
            )
            problem = refused(answer, 409, "conversation_open_elsewhere")
        assert f"codex exec (pid {other.pid}" in problem["detail"]
        assert "fork" in problem["hint"]
        assert server.get(f"/conversations/{theirs}/queue")["data"] == []
        gate.open()
        other.wait(20)
    holder_gone(server)
    until(lambda: texts(server, theirs)[-1] == "one two", "its turn is told once it has ended")
    site.provider.expect(Text("Now me."))
    answer = server.post(
        f"/conversations/{theirs}/messages?wait=30",
        {"message": "me too"},
        200,
        headers={"Idempotency-Key": "once"},
    )
    assert answer["reply"] == "Now me."
    check_whole(server.events(theirs))


def test_a_turn_whose_process_was_killed_is_told_as_interrupted(server: Server, site: Site) -> None:
    gate = Gate()
    site.provider.expect(Text(["one", gate, " two"]))
    with codex(site, *EXEC, "count") as other:
        gate.wait_reached()
        other.kill()
        other.wait(10)
    gate.open()
    theirs = found(server)["id"]
    history = server.events(theirs)
    assert [(e["type"], e["status"]) for e in history if e["type"].startswith("turn/")] == [
        ("turn/started", "inProgress"),
        ("turn/completed", "interrupted"),
    ]
    site.provider.expect(Text("Here I am."))
    assert server.run(theirs, "go on")["reply"] == "Here I am."
    check_whole(server.events(theirs))


def test_how_the_cli_ran_it_does_not_loosen_it_here(server: Server, site: Site) -> None:
    site.provider.expect(Text("done"))
    run_codex(site, "--dangerously-bypass-approvals-and-sandbox", "go")
    theirs = found(server)["id"]
    site.provider.expect(Text("here too"))
    policy = server.run(theirs)["policy"]
    assert (policy["sandbox"], policy["approval_policy"]) == ("workspace-write", "on-request")
    assert len([e for e in server.get("/events")["data"] if e["type"] == "thread/started"]) == 0


def talk(site: Site, turns: int) -> str:
    """A thread of another client of the core, with so many turns."""
    with OtherClient(site) as other:
        thread = other.call("thread/start", cwd=str(site.project))["thread"]["id"]
        for number in range(turns):
            asked = [{"type": "text", "text": f"ask {number}"}]
            turn = other.call("turn/start", threadId=thread, input=asked)["turn"]["id"]
            other.wait(
                lambda m, turn=turn: (
                    m.get("method") == "turn/completed" and m["params"]["turn"]["id"] == turn
                )
            )
    return str(thread)


@pytest.mark.parametrize("seen", [1, 20])
def test_a_history_whose_telling_was_cut_by_a_kill_is_told_once(site: Site, seen: int) -> None:
    turns = 60
    site.provider.script = lambda _: [Text("yes")]
    with started(site):
        thread = talk(site, turns)
    with started(site) as second:
        assert found(second)["id"] == thread
        with second.read_all("?after=latest") as reader:
            path = f"/conversations/{thread}/events"
            opening = subprocess.Popen(
                ["curl", "-s", "-o", "/dev/null", second.url + path], stderr=subprocess.DEVNULL
            )
            for _ in range(seen):
                reader.wait_type("turn/completed")
            second.kill()
            opening.wait(10)
    with started(site) as third:
        history = third.events(thread)
        check_whole(history)
        ends = [e["turn_id"] for e in history if e["type"] == "turn/completed"]
        assert len(ends) == len(set(ends)) == turns
        asked = [_asked(e["data"]["item"]) for e in history if e.get("item_type") == "userMessage"]
        assert asked == [f"ask {number}" for number in range(turns)]
