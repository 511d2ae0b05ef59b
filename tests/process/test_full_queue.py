"""A queue with as many messages as may wait, changed by hand, over a kill of the server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codex_http_server.conversations.outbox import LIMIT
from codex_http_server.testing.answers import Gate, Text
from codex_http_server.testing.reader import Event
from tests.support.codes import refused
from tests.support.judge import check_reader, check_whole
from tests.support.server import Server, Site, start

pytestmark = pytest.mark.core

BYTES = 1500  # of the log for each message, whatever waits besides


def followed(events: list[Event]) -> list[str]:
    """The ids that wait, as a client follows them from the changes alone."""
    queue: list[str] = []
    for data in (e["data"] for e in events if e["type"] == "queue/changed"):
        gone = {*data["removed"], *(each["message"]["submit_id"] for each in data["put"])}
        queue = [each for each in queue if each not in gone]
        for each in data["put"]:
            queue.insert(each["at"], each["message"]["submit_id"])
        queue = data.get("order", queue)
        assert len(queue) == data["length"]
    return queue


def waiting(server: Server, here: str) -> list[Any]:
    return server.get(f"/conversations/{here}/queue")["data"]


def ids(server: Server, here: str) -> list[str]:
    return [each["submit_id"] for each in waiting(server, here)]


def test_a_thousand_messages_wait_are_changed_and_outlive_a_kill(site: Site) -> None:
    gate = Gate()
    site.configure(stream_idle_timeout_ms=300_000)
    with start(site) as server:
        here = server.conversation()
        path = f"/conversations/{here}/queue"
        site.provider.expect(Text(["one ", gate]))
        with server.read(here) as reader:
            server.send(here, "begin")
            reader.wait(lambda e: e.get("text") == "one ")
            sent = [server.send(here, f"m{n}")["submit_id"] for n in range(LIMIT)]
            too_many = server.client.post(
                f"/conversations/{here}/messages", json={"message": "one too many"}
            )
            refused(too_many, 409, "queue_full")
            first, *middle, last = sent
            assert server.client.delete(f"{path}/{middle[500]}").status_code == 204
            del middle[500]
            changed = {"message": "changed"}
            assert server.client.patch(f"{path}/{last}", json=changed).status_code == 200
            order = [last, *middle, first]
            assert server.client.put(path, json={"order": order}).status_code == 200
            assert ids(server, here) == order
            reader.wait(lambda e: e["data"].get("reason") == "reordered")
        log = server.events(here)
        check_reader(reader.events, log)
        assert followed(log) == order
        assert len(json.dumps(log)) < BYTES * LIMIT
        server.kill()
    with start(site) as server:
        server.wait_ready()
        assert ids(server, here) == order
        assert waiting(server, here)[0]["input"][0]["text"] == "changed"
        for each in order[1:11]:
            assert server.client.delete(f"{path}/{each}").status_code == 204
        assert ids(server, here) == [order[0], *order[11:]]
        site.provider.expect(Text("changed, then"))
        site.provider.expect(Text(["held ", Gate()]))
        with server.read(here) as reader:
            gate.open()
            reader.wait(lambda e: e.get("text") == "held ")
            answer = server.post(f"/conversations/{here}/interrupt?wait=20", {"clear_queue": True})
            assert answer["removed_messages"] == LIMIT - 1 - 10 - 2
            reader.wait_type("turn/completed", status="interrupted")
        assert ids(server, here) == []
        log = server.events(here)
        check_whole(log)
        assert followed(log) == []
    asked = [request.user_text for request in site.provider.requests]
    assert asked == ["begin", "changed", "m11"]
