"""Trying again: an interrupted turn, a failed one; what had effects, what is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from codex_http_server.testing.answers import Command, Fail, Gate, Text
from codex_http_server.testing.reader import Reader
from codex_http_server.testing.requests import is_user_message, message_text
from tests.support.codes import refused
from tests.support.commands import Barrier
from tests.support.judge import check_whole
from tests.support.server import Server, Site, start

pytestmark = pytest.mark.lent


def users(site: Site) -> list[str]:
    """The messages of people in the last request."""
    items = site.provider.requests[-1].input
    return [message_text(item) for item in items if is_user_message(item)]


@contextmanager
def interrupted(server: Server, site: Site, **body: Any) -> Iterator[str]:
    """A conversation whose turn was interrupted in mid-answer."""
    conversation, gate = server.conversation(), Gate()
    site.provider.expect(Text(["one ", gate]))
    with server.read(conversation) as reader:
        server.send(conversation, "begin", **body)
        reader.wait(lambda e: e.get("text") == "one ")
        server.post(f"/conversations/{conversation}/interrupt", None, 202)
        reader.wait_type("turn/completed", status="interrupted")
    gate.open()
    yield conversation
    check_whole(server.events(conversation))


def again(server: Server, conversation: str, **body: Any) -> Any:
    return server.client.post(f"/conversations/{conversation}/retry?wait=20", json=body or None)


def test_an_interrupted_message_is_sent_again_and_read_once(server: Server, site: Site) -> None:
    with interrupted(server, site, reasoning_effort="low") as conversation:
        site.provider.expect(Text("this time"))
        answer = again(server, conversation)
        assert (answer.status_code, answer.json()["reply"]) == (200, "this time")
        assert users(site) == ["begin"]
        assert "'effort': 'low'" in str(site.provider.requests[-1].body["reasoning"])
        refused(again(server, conversation), 409, "nothing_to_retry")


def test_a_failed_message_is_sent_again(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Fail(400))
    assert server.run(conversation, "begin")["turn"]["status"] == "failed"
    site.provider.expect(Text("this time"))
    assert again(server, conversation).json()["reply"] == "this time"
    assert users(site) == ["begin"]


def test_the_key_of_a_message_that_was_tried_again_is_answered_as_before(
    server: Server, site: Site
) -> None:
    conversation = server.conversation()
    path, key = f"/conversations/{conversation}/messages?wait=20", {"Idempotency-Key": "mine"}
    site.provider.expect(Fail(400))
    first = server.client.post(path, json={"message": "begin"}, headers=key).json()
    site.provider.expect(Text("this time"))
    assert again(server, conversation).json()["reply"] == "this time"
    answer = server.client.post(path, json={"message": "begin"}, headers=key)
    assert answer.status_code == 200
    assert (answer.json()["submit_id"], answer.json()["turn_id"]) == (
        first["submit_id"],
        first["turn_id"],
    )
    assert len(site.provider.requests) == 2


def test_a_retry_can_be_streamed(server: Server, site: Site) -> None:
    with interrupted(server, site) as conversation:
        site.provider.expect(Text("this time"))
        path = f"/conversations/{conversation}/retry"
        with Reader(server.url, path, body={}) as reader:
            reader.wait_end()
        assert reader.events[-1]["type"] == "turn/completed"


def test_a_retry_with_a_key_is_one(server: Server, site: Site) -> None:
    with interrupted(server, site) as conversation:
        site.provider.expect(Text("this time"))
        path, key = f"/conversations/{conversation}/retry?wait=20", {"Idempotency-Key": "r-1"}
        one = server.post(path, {}, 200, headers=key)
        two = server.post(path, {}, 200, headers=key)
        assert one["submit_id"] == two["submit_id"]
        other = server.client.post(path, json={"anyway": True}, headers=key)
        refused(other, 409, "idempotency_key_reused")


def test_a_turn_with_effects_is_repeated_only_if_that_is_said(server: Server, site: Site) -> None:
    conversation, barrier = server.conversation(), Barrier(site.project)
    site.provider.expect(Command(barrier.command, yield_ms=20_000))
    with server.read(conversation) as reader:
        server.send(conversation, "begin")
        barrier.wait_reached()
        reader.wait_type("item/started", item_type="commandExecution")
        server.post(f"/conversations/{conversation}/interrupt", None, 202)
        reader.wait_type("turn/completed", status="interrupted")
        reader.wait_type("item/completed", item_type="commandExecution")
    refused(again(server, conversation), 409, "turn_had_effects")
    site.provider.expect(Text("this time"))
    assert again(server, conversation, anyway=True).json()["reply"] == "this time"
    assert users(site) == ["begin", "begin"]
    assert "aborted by user" in str(site.provider.requests[-1].input)


def test_nothing_to_retry_and_busy(server: Server, site: Site) -> None:
    conversation, gate = server.conversation(), Gate()
    refused(again(server, conversation), 409, "nothing_to_retry")
    site.provider.expect(Text(["one ", gate]))
    with server.read(conversation) as reader:
        server.send(conversation, "begin")
        reader.wait(lambda e: e.get("text") == "one ")
        refused(again(server, conversation), 409, "conversation_busy")
        gate.open()
        reader.wait_type("turn/completed", status="completed")
    refused(again(server, conversation), 409, "nothing_to_retry")


def test_a_turn_that_a_restart_ended_is_sent_again(site: Site) -> None:
    gate = Gate()
    site.provider.expect(Text(["one ", gate]))
    with start(site) as server:
        server.wait_ready()
        conversation = server.conversation()
        with server.read(conversation) as reader:
            server.send(conversation, "begin")
            reader.wait(lambda e: e.get("text") == "one ")
    gate.open()
    with start(site) as server:
        server.wait_ready()
        site.provider.expect(Text("this time"))
        assert again(server, conversation).json()["reply"] == "this time"
        assert users(site) == ["begin"]
