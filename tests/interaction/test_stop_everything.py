"""`POST /interrupt`: turns, commands and what waits; and how it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from codex_http_server.testing.answers import Command, Gate, Text
from codex_http_server.testing.reader import Reader
from tests.support.codes import refused
from tests.support.commands import Barrier, until
from tests.support.judge import check_whole
from tests.support.server import Server, Site, gone, start


@contextmanager
def busy(server: Server, *waiting: str) -> Iterator[tuple[str, Reader]]:
    """A conversation with a turn that never ends by itself, and messages that wait."""
    conversation = server.conversation()
    server.site.provider.expect(Text(["one ", Gate()]))
    with server.read(conversation) as reader:
        server.send(conversation, "begin")
        reader.wait(lambda e: e.get("text") == "one ")
        for text in waiting:
            server.send(conversation, text)
        yield conversation, reader


def queue(server: Server, conversation: str) -> Any:
    return server.get(f"/conversations/{conversation}/queue")["data"]


def interrupted(reader: Reader) -> str:
    return str(reader.wait_type("turn/completed", status="interrupted")["turn_id"])


@pytest.fixture
def site(site: Site) -> Site:
    policy = {"sandbox_mode": "workspace-write", "approval_policy": "on-request"}
    site.configure(stream_idle_timeout_ms=60_000, **policy)
    return site


def test_what_waits_is_held_back_until_it_may_go_on(server: Server, site: Site) -> None:
    with busy(server, "second", "third") as (conversation, reader):
        answer = server.post("/interrupt", None, 202)
        turn = interrupted(reader)
        assert answer["conversations"] == [conversation]
        assert answer["stopped"] == [
            {
                "conversation_id": conversation,
                "turn_id": turn,
                "commands": 0,
                "removed_messages": 0,
                "held_messages": 2,
            }
        ]
        held = reader.wait(lambda e: e["data"].get("reason") == "held")
        assert held["data"]["put"][0]["message"]["waits"]["reason"] == "held"
        assert [each["waits"] is not None for each in queue(server, conversation)] == [True, False]
        # A look at the queue is no proof that nothing starts: another conversation's whole turn is.
        site.provider.expect(Text("elsewhere"))
        server.run(server.conversation())
        assert len(queue(server, conversation)) == 2
        for text in ("two", "three"):
            site.provider.expect(Text(text))
        assert server.post("/resume", None, 202) == {"conversations": [conversation]}
        reader.wait(lambda e: e["data"].get("reason") == "resumed")
        reader.wait(lambda e: len(ends(reader)) == 3)
        assert texts(reader) == ["two", "three"]
    assert server.post("/resume", None, 202) == {"conversations": []}
    check_whole(server.events(conversation))


def ends(reader: Reader) -> list[str]:
    return [event["status"] for event in list(reader.events) if event["type"] == "turn/completed"]


def texts(reader: Reader) -> list[str]:
    return [
        event["data"]["item"]["text"]
        for event in list(reader.events)
        if event["type"] == "item/completed" and event["item_type"] == "agentMessage"
    ]


def test_one_conversation_is_let_go_alone(server: Server, site: Site) -> None:
    with busy(server, "next") as (one, first), busy(server, "next") as (two, second):
        answer = server.post("/interrupt", None, 202)
        assert sorted(answer["conversations"]) == sorted([one, two])
        interrupted(first)
        interrupted(second)
        site.provider.expect(Text("on"))
        answer = server.post(f"/conversations/{one}/resume", None, 202)
        assert answer == {"resumed": True, "waiting_messages": 1}
        first.wait_type("turn/completed", status="completed")
        assert len(queue(server, two)) == 1
        answer = server.post(f"/conversations/{one}/resume", None, 202)
        assert answer == {"resumed": False, "waiting_messages": 0}
    path = "/conversations/nothing/resume"
    refused(server.client.post(path), 404, "conversation_not_found")


def test_whoever_writes_lets_it_go_on_in_order(server: Server, site: Site) -> None:
    with busy(server, "second") as (conversation, reader):
        server.post("/interrupt", None, 202)
        interrupted(reader)
        for text in ("two", "three"):
            site.provider.expect(Text(text))
        assert server.run(conversation, "third")["reply"] == "three"
        reader.wait(lambda e: e["data"].get("item", {}).get("text") == "three")
        assert texts(reader) == ["two", "three"]


def test_what_is_held_back_is_so_after_a_restart(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        with busy(server, "second") as (conversation, reader):
            server.post("/interrupt", None, 202)
            interrupted(reader)
        server.kill()
    with start(site) as server:
        server.wait_ready()
        until(lambda: queue(server, conversation)[0]["waits"], "it says why it waits")
        site.provider.expect(Text("two"))
        with server.read(conversation, "?after=latest") as reader:
            server.post("/resume", None, 202)
            reader.wait_type("turn/completed", status="completed")
        check_whole(server.events(conversation))


def test_what_waits_can_be_taken_back(server: Server, site: Site) -> None:
    with busy(server, "never", "sent") as (conversation, reader):
        answer = server.post("/interrupt", {"clear_queues": True}, 202)
        assert answer["stopped"][0]["removed_messages"] == 2
        assert answer["stopped"][0]["held_messages"] == 0
        interrupted(reader)
        assert queue(server, conversation) == []
        site.provider.expect(Text("fine"))
        assert server.run(conversation)["reply"] == "fine"
    assert len(site.provider.requests) == 2


def test_what_waits_can_go_on(server: Server, site: Site) -> None:
    with busy(server, "second") as (_, reader):
        site.provider.expect(Text("two"))
        answer = server.post("/interrupt", {"hold": False}, 202)
        assert answer["stopped"][0]["held_messages"] == 0
        interrupted(reader)
        reader.wait_type("turn/completed", status="completed")


def test_a_steered_message_that_the_turn_never_read_is_held_back_too(
    server: Server, site: Site
) -> None:
    conversation, barrier = server.conversation(), Barrier(site.project)
    site.provider.expect(Command(barrier.command, yield_ms=20_000))
    with server.read(conversation) as reader:
        server.send(conversation)
        barrier.wait_reached()
        reader.wait_type("item/started", item_type="commandExecution")
        server.send(conversation, "and this", while_busy="steer")
        server.post("/interrupt", None, 202)
        interrupted(reader)
        held = reader.wait(lambda e: e["data"].get("reason") == "held")
        (put,) = held["data"]["put"]
        waiting = put["message"]
        assert waiting["waits"]["reason"] == "held"
        assert queue(server, conversation) == [waiting]
        site.provider.expect(Text("read it"))
        server.post("/resume", None, 202)
        reader.wait_type("turn/completed", status="completed")
    assert site.provider.requests[-1].user_text == "and this"
    check_whole(server.events(conversation))


def test_commands_in_the_background_end(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Command("echo $$; exec sleep 1000", yield_ms=250))
    site.provider.expect(Text("it runs"))
    with server.read(conversation) as reader:
        server.run(conversation)
        answer = server.post("/interrupt", None, 202)
        assert answer["conversations"] == []
        (stopped,) = answer["stopped"]
        assert (stopped["turn_id"], stopped["commands"]) == (None, 1)
        ended = reader.wait_type("item/completed", item_type="commandExecution")
        assert ended["status"] == "failed"
    check_whole(server.events(conversation))
    sleeping = [each for each in server.core().children(recursive=True) if not gone(each)]
    assert not [each for each in sleeping if "sleep" in each.name()]


def test_nothing_to_stop_is_no_error(server: Server) -> None:
    server.conversation()
    assert server.post("/interrupt", None, 202) == {"conversations": [], "stopped": []}


@pytest.mark.parametrize("body", [{"clear_queues": "perhaps"}, {"hold": 7}, {"clear_queue": True}])
def test_a_wrong_field_is_422(server: Server, body: dict[str, Any]) -> None:
    field = next(iter(body))
    refused(server.client.post("/interrupt", json=body), 422, "invalid_request", field)
