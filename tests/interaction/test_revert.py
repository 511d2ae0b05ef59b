"""Going back: what the model, the pages and the readers know of turns that were taken back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from codex_http_server.testing.answers import Command, Gate, Patch, Text
from tests.support.codes import refused
from tests.support.judge import check_reader, check_whole
from tests.support.other_client import OtherClient
from tests.support.server import Json, Server, Site
from tests.support.shared import server_at

pytestmark = pytest.mark.core

UNKNOWN = "019f0000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all: each test has conversations of its own."""
    with server_at(tmp_path_factory.mktemp("revert")) as running:
        yield running


@pytest.fixture
def site(server: Server) -> Site:
    return server.site


def url(conversation: str, rest: str = "") -> str:
    return f"/conversations/{conversation}{rest}"


def say(server: Server, here: str, reply: str, **more: Any) -> str:
    """A turn in which this is replied; its id."""
    server.site.provider.expect(Text(reply))
    return str(server.run(here, f"say {reply}", **more)["turn_id"])


def back(server: Server, here: str, turn: str) -> Json:
    return server.post(url(here, "/revert"), {"before_turn_id": turn}, 200)


def asks(server: Server, here: str, turn: str) -> Any:
    return server.client.post(url(here, "/revert"), json={"before_turn_id": turn})


def shown(server: Server, here: str) -> dict[str, list[str]]:
    """The turns and replies of a conversation, as each of its views tells them."""
    snapshot = server.get(url(here, "?include=snapshot"))
    turns = server.get(url(here, "/turns"))["data"]
    items = server.get(url(here, "/items"))["data"]
    lines = server.client.get(url(here, "/export?format=markdown")).text
    return {
        "turns": [each["turn_id"] for each in turns],
        "snapshot": [each["turn_id"] for each in snapshot["turns"]],
        "items": [i["item"]["text"] for i in items if i["item_type"] == "agentMessage"],
        "first paint": [
            i["item"]["text"] for i in snapshot["items"] if i["item_type"] == "agentMessage"
        ],
        "export": [word for word in ("one", "two", "three", "four") if f"\n{word}\n" in lines],
    }


def test_all_views_and_the_model_are_without_what_was_taken_back(
    server: Server, site: Site
) -> None:
    here = server.conversation()
    one, two, three = (say(server, here, reply) for reply in ("one", "two", "three"))
    before = server.events(here)
    with server.read(here) as reader:
        answer = back(server, here, two)
        told = reader.wait_type("conversation/reverted")
    assert (answer["before_turn_id"], answer["turn_ids"]) == (two, [two, three])
    start = next(e["seq"] for e in before if e["type"] == "turn/started" and e["turn_id"] == two)
    assert told["data"] == {
        "before_turn_id": two, "turn_ids": [two, three], "from_seq": start, "by": "local",
    }  # fmt: skip
    assert answer["head"] >= told["seq"]
    assert shown(server, here) == {
        "turns": [one], "snapshot": [one], "items": ["one"], "first paint": ["one"],
        "export": ["one"],
    }  # fmt: skip
    four = say(server, here, "four")
    asked = str(site.provider.requests[-1].body["input"])
    assert "say one" in asked
    assert "say two" not in asked
    assert "say three" not in asked
    assert shown(server, here)["turns"] == [one, four]
    log = server.events(here)
    assert log[: len(before)] == before  # nothing is lost
    check_whole(log)
    check_reader(reader.events, [e for e in log if e["seq"] <= told["seq"]])
    spent = server.get(url(here, "/usage"))["turns"]
    assert {each["turn_id"]: each["reverted"] for each in spent} == {
        one: False, two: True, three: True, four: False,
    }  # fmt: skip


def test_asked_again_it_answers_the_same_and_does_nothing(server: Server) -> None:
    here = server.conversation()
    say(server, here, "one")
    two = say(server, here, "two")
    first = back(server, here, two)
    count = len([e for e in server.events(here) if e["type"] == "conversation/reverted"])
    assert back(server, here, two)["turn_ids"] == first["turn_ids"]
    assert len([e for e in server.events(here) if e["type"] == "conversation/reverted"]) == count


def test_all_of_it_can_be_taken_back(server: Server, site: Site) -> None:
    here = server.conversation()
    one = say(server, here, "one")
    assert back(server, here, one)["turn_ids"] == [one]
    assert shown(server, here)["turns"] == []
    say(server, here, "two")
    assert "say one" not in str(site.provider.requests[-1].body["input"])


def test_files_stay_as_the_turns_left_them(server: Server, site: Site) -> None:
    here = server.conversation()
    say(server, here, "one")
    site.provider.expect(Patch("*** Begin Patch\n*** Add File: kept.txt\n+kept\n*** End Patch"))
    site.provider.expect(Text("two"))
    two = server.run(here)["turn_id"]
    back(server, here, two)
    assert (site.project / "kept.txt").read_text() == "kept\n"
    refused(server.client.get(url(here, f"/turns/{two}")), 404, "turn_not_found")


def test_while_a_turn_runs_it_is_409(server: Server, site: Site) -> None:
    here = server.conversation()
    one, gate = say(server, here, "one"), Gate()
    site.provider.expect(Text(["two ", gate]))
    with server.read(here) as reader:
        server.send(here)
        running = reader.wait(lambda e: e.get("text") == "two ")["turn_id"]
        found = refused(asks(server, here, one), 409, "conversation_busy")
        assert found["turn_id"] == running
        gate.open()
        reader.wait(lambda e: e["type"] == "turn/completed" and e["turn_id"] == running)


def test_what_is_no_turn_of_it_is_404_and_a_wrong_body_422(server: Server) -> None:
    here, other = server.conversation(), server.conversation()
    mine = say(server, here, "one")
    say(server, other, "two")
    refused(asks(server, here, UNKNOWN), 404, "turn_not_found")
    refused(asks(server, other, mine), 404, "turn_not_found")
    for body in ({}, {"before_turn_id": ""}, {"before_turn_id": 1}, {"turns": 1}):
        refused(server.client.post(url(here, "/revert"), json=body), 422, "invalid_request")
    assert shown(server, here)["turns"] == [mine]


def test_the_key_of_a_message_that_was_taken_back_does_not_run_it_again(server: Server) -> None:
    here = server.conversation()
    say(server, here, "one")
    key = {"Idempotency-Key": "mine"}
    server.site.provider.expect(Text("two"))
    path = url(here, "/messages?wait=20")
    sent = server.client.post(path, json={"message": "say two"}, headers=key)
    turn = sent.json()["turn_id"]
    back(server, here, turn)
    again = server.client.post(path, json={"message": "say two"}, headers=key)
    assert refused(again, 409, "message_reverted")["turn_id"] == turn
    say(server, here, "three")


def test_a_command_in_the_background_ends_with_its_turn(server: Server, site: Site) -> None:
    here = server.conversation()
    say(server, here, "one")
    site.provider.expect(Command("sleep 300", yield_ms=250), Text("it runs"))
    two = server.run(here)["turn_id"]
    with server.read(here) as reader:
        back(server, here, two)
        reader.wait_type("conversation/reverted")
    assert server.get(url(here, "/terminals"))["data"] == []
    check_whole(server.events(here))


def test_what_another_client_takes_back_is_followed(server: Server, site: Site) -> None:
    here = server.conversation()
    one, two = say(server, here, "one"), say(server, here, "two")
    thread = server.get(url(here))["thread_id"]
    with server.read(here) as reader, OtherClient(site) as client:
        client.call("thread/resume", threadId=thread)
        client.call("thread/revert", threadId=thread, beforeTurnId=two)
        told = reader.wait_type("conversation/reverted")
    assert (told["data"]["turn_ids"], told["data"]["by"]) == ([two], "client")
    assert shown(server, here)["turns"] == [one]


def test_a_fork_after_it_is_without_it(server: Server) -> None:
    here = server.conversation()
    one, two = say(server, here, "one"), say(server, here, "two")
    back(server, here, two)
    made = server.post(url(here, "/fork"), None, 201)["id"]
    assert shown(server, made)["items"] == ["one"]
    assert one
