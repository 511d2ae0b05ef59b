"""Idempotency-Key on messages: one submit, whatever is asked again, and across restarts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from codex_http_server.testing.answers import Gate, Text
from codex_http_server.testing.reader import Reader
from tests.support.server import Server, Site, start

pytestmark = pytest.mark.lent

KEY = {"Idempotency-Key": "one-and-only"}


def test_the_same_key_twice_is_one_turn(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Text("once"))
    path = f"/conversations/{conversation}/messages"
    first = server.post(f"{path}?wait=20", {"message": "hi"}, 200, headers=KEY)
    again = server.post(path, {"message": "hi"}, 202, headers=KEY)
    assert (again["submit_id"], again["status"]) == (first["submit_id"], "ended")
    waited = server.post(f"{path}?wait=5", {"message": "hi"}, 200, headers=KEY)
    assert waited["reply"] == "once"
    assert len(site.provider.requests) == 1


def test_the_same_key_with_another_body_is_409(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Text("once"))
    path = f"/conversations/{conversation}/messages"
    server.post(path, {"message": "hi"}, 202, headers=KEY)
    refused = server.client.post(path, json={"message": "ho"}, headers=KEY)
    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_reused")


def test_a_retry_may_stream_what_the_first_did_not(server: Server, site: Site) -> None:
    conversation, gate = server.conversation(), Gate()
    site.provider.expect(Text(["a ", gate, "b"]))
    path = f"/conversations/{conversation}/messages"
    server.post(path, {"message": "hi"}, 202, headers=KEY)
    with Reader(server.url, path, body={"message": "hi"}, headers=KEY) as reader:
        reader.wait(lambda e: e.get("text") == "a ")
        gate.open()
        reader.wait_end()
    assert reader.events[0]["type"] == "turn/started"
    assert reader.events[-1]["type"] == "turn/completed"
    assert len(site.provider.requests) == 1


def test_many_at_once_with_one_key_are_one_turn(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.script = lambda _: [Text("once")]
    path = f"/conversations/{conversation}/messages"
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(lambda _: server.post(path, {"message": "hi"}, headers=KEY), range(6))
        )
    assert len({answer["submit_id"] for answer in answers}) == 1
    with server.read(conversation) as reader:
        reader.wait_type("turn/completed")
    assert len(site.provider.requests) == 1


def test_a_key_is_known_after_a_restart(site: Site) -> None:
    site.provider.script = lambda _: [Text("once")]
    with start(site) as server:
        conversation = server.conversation()
        path = f"/conversations/{conversation}/messages?wait=20"
        first = server.post(path, {"message": "hi"}, 200, headers=KEY)
    with start(site) as server:
        again = server.post(path, {"message": "hi"}, 200, headers=KEY)
        assert again["submit_id"] == first["submit_id"]
        assert again["reply"] == "once"
    assert len(site.provider.requests) == 1


def test_a_key_of_a_queued_message_finds_it_in_the_queue(server: Server, site: Site) -> None:
    conversation, gate = server.conversation(), Gate()
    site.provider.expect(Text(["a ", gate]))
    site.provider.expect(Text("second"))
    path = f"/conversations/{conversation}/messages"
    with server.read(conversation) as reader:
        server.send(conversation, "first")
        reader.wait(lambda e: e.get("text") == "a ")
        one = server.post(path, {"message": "next"}, 202, headers=KEY)
        two = server.post(path, {"message": "next"}, 202, headers=KEY)
        assert one == two
        gate.open()
        reader.wait(lambda e: e.get("text") == "second")
    assert len(site.provider.requests) == 2
