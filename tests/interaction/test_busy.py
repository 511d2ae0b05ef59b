"""Messages while a turn runs: queue, steer, reject, interrupt; in mid-answer, in mid-command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from codex_http_server.testing.answers import Command, Gate, Text
from codex_http_server.testing.reader import Reader
from tests.support.commands import Barrier
from tests.support.judge import check_reader, check_whole, text_of
from tests.support.server import Server, Site

pytestmark = pytest.mark.lent


def judge(server: Server, conversation: str, reader: Reader) -> None:
    """All has one end, and the reader gets all that the log has by now."""
    log = server.events(conversation)
    reader.wait(lambda e: e.get("seq") == log[-1]["seq"])
    check_whole(log)
    check_reader(reader.events, log)


@contextmanager
def answering(server: Server, site: Site) -> Iterator[tuple[str, Gate, Reader]]:
    """A conversation whose turn stands in the middle of an answer."""
    conversation, gate = server.conversation(), Gate()
    site.provider.expect(Text(["one ", "two ", gate, "three"]))
    with server.read(conversation) as reader:
        server.send(conversation, "begin")
        reader.wait(lambda e: e.get("text") == "two ")
        yield conversation, gate, reader
        gate.open()
        judge(server, conversation, reader)


@contextmanager
def commanding(server: Server, site: Site) -> Iterator[tuple[str, Barrier, Reader]]:
    """A conversation whose turn stands in the middle of a command."""
    conversation, barrier = server.conversation(), Barrier(site.project)
    site.provider.expect(Command(barrier.command, yield_ms=20_000))
    with server.read(conversation) as reader:
        server.send(conversation, "begin")
        barrier.wait_reached()
        reader.wait_type("item/started", item_type="commandExecution")
        yield conversation, barrier, reader
        judge(server, conversation, reader)


def test_a_steer_in_mid_answer_ends_the_open_message_once(server: Server, site: Site) -> None:
    with answering(server, site) as (conversation, _, reader):
        site.provider.expect(Text("after the steer"))
        answer = server.send(conversation, "this way", while_busy="steer")
        assert answer["status"] == "steered"
        broken = reader.wait_type("item/discarded", synthetic="steered")
        done = reader.wait_type("turn/completed", status="completed")
    assert broken["data"]["item"]["text"] == "one two "
    assert done["turn_id"] == answer["turn_id"]
    assert text_of(reader.events) == ["after the steer"]


def test_a_steer_in_mid_command_reaches_the_running_turn(server: Server, site: Site) -> None:
    with commanding(server, site) as (conversation, barrier, reader):
        site.provider.expect(Text("steered"))
        answer = server.send(conversation, "and this", while_busy="steer")
        assert answer["status"] == "steered"
        barrier.open()
        done = reader.wait_type("turn/completed", status="completed")
    assert done["turn_id"] == answer["turn_id"]
    assert "and this" in str(site.provider.requests[-1].input)


def test_a_steer_that_the_turn_never_read_gets_a_turn_of_its_own(
    server: Server, site: Site
) -> None:
    with commanding(server, site) as (conversation, _, reader):
        server.send(conversation, "please read this", while_busy="steer")
        site.provider.expect(Text("read it"))
        server.post(f"/conversations/{conversation}/interrupt", None, 202)
        reader.wait_type("turn/completed", status="interrupted")
        reader.wait_type("turn/completed", status="completed")
        reader.wait_type("item/completed", item_type="commandExecution")
    assert site.provider.requests[-1].user_text == "please read this"


def test_a_queued_message_runs_after_the_turn(server: Server, site: Site) -> None:
    with answering(server, site) as (conversation, gate, reader):
        answer = server.send(conversation, "next")
        assert (answer["status"], answer["turn_id"]) == ("queued", None)
        queue = server.get(f"/conversations/{conversation}/queue")["data"]
        assert [entry["submit_id"] for entry in queue] == [answer["submit_id"]]
        site.provider.expect(Text("the second turn"))
        gate.open()
        reader.wait(lambda e: e["type"] == "turn/started" and e["seq"] > 10)
        reader.wait(lambda e: e.get("text") == "the second turn")
        reader.wait(lambda e: len(_ends(reader)) == 2)
    assert text_of(reader.events) == ["one two three", "the second turn"]
    assert server.get(f"/conversations/{conversation}/queue")["data"] == []


def test_the_queue_can_be_edited_reordered_and_thinned(server: Server, site: Site) -> None:
    with answering(server, site) as (conversation, gate, reader):
        ids = [server.send(conversation, f"m{n}")["submit_id"] for n in range(3)]
        path = f"/conversations/{conversation}/queue"
        assert server.client.delete(f"{path}/{ids[1]}").status_code == 204
        edited = server.client.patch(f"{path}/{ids[2]}", json={"message": "changed"})
        assert edited.json()["input"][0]["text"] == "changed"
        assert server.client.put(path, json={"order": [ids[2], ids[0]]}).status_code == 200
        site.provider.expect(Text("first"))
        site.provider.expect(Text("second"))
        gate.open()
        reader.wait(lambda e: len(_ends(reader)) == 3)
    asked = [request.user_text for request in site.provider.requests]
    assert asked[1:] == ["changed", "m0"]


def test_reject_while_busy_is_409_and_nothing_is_kept(server: Server, site: Site) -> None:
    with answering(server, site) as (conversation, gate, reader):
        path = f"/conversations/{conversation}/messages"
        refused = server.client.post(path, json={"message": "no", "while_busy": "reject"})
        assert refused.status_code == 409
        assert refused.json()["code"] == "conversation_busy"
        assert server.get(f"/conversations/{conversation}/queue")["data"] == []
        gate.open()
        reader.wait_type("turn/completed")


def test_a_message_can_interrupt_and_take_the_turn(server: Server, site: Site) -> None:
    with answering(server, site) as (conversation, _, reader):
        site.provider.expect(Text("instead"))
        server.send(conversation, "drop that", while_busy="interrupt")
        reader.wait_type("turn/completed", status="interrupted")
        reader.wait_type("turn/completed", status="completed")
    assert text_of(reader.events) == ["instead"]


def test_an_interrupt_in_mid_answer_ends_the_turn_once(server: Server, site: Site) -> None:
    with answering(server, site) as (conversation, _, reader):
        server.post(f"/conversations/{conversation}/interrupt", None, 202)
        reader.wait_type("turn/completed", status="interrupted")
        broken = reader.wait_type("item/discarded", synthetic="interrupted")
    assert broken["data"]["item"]["text"] == "one two "


def test_an_interrupt_in_mid_command_ends_the_command_too(server: Server, site: Site) -> None:
    with commanding(server, site) as (conversation, _, reader):
        server.post(f"/conversations/{conversation}/interrupt", {}, 202)
        reader.wait_type("turn/completed", status="interrupted")
        ended = reader.wait_type("item/completed", item_type="commandExecution")
    assert ended["status"] == "failed"


def test_an_interrupt_lets_the_queue_go_on_unless_it_is_cleared(server: Server, site: Site) -> None:
    with answering(server, site) as (conversation, _, reader):
        server.send(conversation, "never sent")
        answer = server.post(f"/conversations/{conversation}/interrupt", {"clear_queue": True}, 202)
        assert answer["removed_messages"] == 1
        reader.wait_type("turn/completed", status="interrupted")
    assert len(site.provider.requests) == 1


def test_interrupt_all_stops_every_turn(server: Server, site: Site) -> None:
    with answering(server, site) as (first, _, one), answering(server, site) as (second, _, two):
        answer = server.post("/interrupt", None, 202)
        assert sorted(answer["conversations"]) == sorted([first, second])
        for reader in (one, two):
            reader.wait_type("turn/completed", status="interrupted")


@pytest.mark.parametrize(
    "extra", [{"model": "gpt-5.5"}, {"output_schema": {"type": "object"}}, {"sandbox": "read-only"}]
)
def test_a_steer_with_overrides_needs_a_turn_of_its_own(
    server: Server, site: Site, extra: dict[str, object]
) -> None:
    with answering(server, site) as (conversation, gate, reader):
        path = f"/conversations/{conversation}/messages"
        body = {"message": "x", "while_busy": "steer"} | extra
        refused = server.client.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "override_needs_new_turn")
        waiting = server.client.post(f"{path}?wait=5", json={"message": "x", "while_busy": "steer"})
        assert waiting.json()["code"] == "override_needs_new_turn"
        gate.open()
        reader.wait_type("turn/completed")


def test_a_steer_without_a_running_turn_starts_one(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Text("fresh"))
    done = server.run(conversation, "hello", while_busy="steer")
    assert done["reply"] == "fresh"


def test_a_queued_message_can_be_waited_for(server: Server, site: Site) -> None:
    with answering(server, site) as (conversation, gate, _):
        path = f"/conversations/{conversation}/messages"
        with Reader(server.url, path, body={"message": "second"}) as streamed:
            streamed.wait_comments(1)
            site.provider.expect(Text("at last"))
            gate.open()
            streamed.wait_end()
    assert streamed.events[0]["type"] == "turn/started"
    assert text_of(streamed.events) == ["at last"]


def test_a_message_that_is_refused_leaves_the_conversation_usable(
    server: Server, site: Site
) -> None:
    conversation = server.conversation()
    path = f"/conversations/{conversation}/messages"
    answer = server.client.post(path, json={"input": [{"type": "image", "url": "nonsense:"}]})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_image")
    site.provider.expect(Text("still here"))
    assert server.run(conversation)["status"] == "ended"


def _ends(reader: Reader) -> list[object]:
    return [event for event in list(reader.events) if event["type"] == "turn/completed"]
