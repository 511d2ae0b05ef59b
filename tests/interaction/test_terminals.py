"""The commands that run in a conversation, in its turn and after it."""

from __future__ import annotations

import pytest

from codex_http_server.api.schemas import TerminalList
from codex_http_server.testing.answers import Command, Gate, Text
from tests.support.codes import refused
from tests.support.commands import until
from tests.support.judge import check_whole
from tests.support.server import Json, Server, Site, start

pytestmark = pytest.mark.lent


def url(conversation: str, rest: str = "") -> str:
    return f"/conversations/{conversation}/terminals{rest}"


def listed(server: Server, conversation: str) -> list[Json]:
    return server.get(url(conversation))["data"]


def background(server: Server, *commands: str) -> str:
    """A conversation whose turn has ended and whose commands have not."""
    conversation = server.conversation()
    for command in commands:
        server.site.provider.expect(Command(command, yield_ms=250))
    server.site.provider.expect(Text("it runs"))
    server.run(conversation)
    return conversation


def ends(server: Server, conversation: str) -> list[str]:
    return [
        event["data"]["item"]["command"]
        for event in server.events(conversation)
        if event["type"] == "item/completed" and event["item_type"] == "commandExecution"
    ]


def test_it_is_listed_with_its_output_and_ended(server: Server, site: Site) -> None:
    command = "while sleep 0.1; do echo $((6 * 7)); done"
    conversation = background(server, command)
    until(lambda: "42" in listed(server, conversation)[0]["tail"], "its output is there")
    (found,) = listed(server, conversation)
    TerminalList.model_validate({"data": [found]}, strict=True)
    assert found["in_background"] is True
    assert found["working_directory"] == str(site.project)
    assert command in found["command"]
    assert server.get(found["output"])["text"].startswith(found["tail"])
    with server.read(conversation) as reader:
        answer = server.client.delete(url(conversation, f"/{found['terminal_id']}"))
        assert answer.json() == {"ended": [found["terminal_id"]]}
        reader.wait_type("item/completed", item_id=found["item_id"], turn_id=found["turn_id"])
    assert listed(server, conversation) == []
    answer = server.client.delete(url(conversation, f"/{found['terminal_id']}"))
    refused(answer, 404, "terminal_not_found")
    check_whole(server.events(conversation))


def test_one_that_does_not_want_to_end_is_ended_with_its_children(
    server: Server, site: Site
) -> None:
    mark = site.project / "beats"
    loop = f"while true; do echo . >> {mark}; sleep 0.05; done"
    conversation = background(server, f"trap '' TERM HUP INT; (trap '' TERM; {loop}) & {loop}")
    until(mark.exists, "it runs")
    (ended,) = server.client.delete(url(conversation)).json()["ended"]
    assert ended
    until(lambda: not beating(server), "all of it has ended")
    until(lambda: len(ends(server, conversation)) == 1, "its item has ended")
    check_whole(server.events(conversation))


def beating(server: Server) -> list[int]:
    found = server.core().children(recursive=True)
    return [process.pid for process in found if "beats" in str(process.as_dict(["cmdline"]))]


def test_all_are_ended_and_the_turn_goes_on(server: Server, site: Site) -> None:
    conversation, gate = server.conversation(), Gate()
    for number in (1, 2):
        site.provider.expect(Command(f"echo {number}; sleep 1000", yield_ms=250))
    site.provider.expect(Text(["a", gate, "b"]))
    with server.read(conversation) as reader:
        server.send(conversation)
        reader.wait(lambda e: e.get("text") == "a")
        found = listed(server, conversation)
        assert [each["in_background"] for each in found] == [False, False]
        answer = server.client.delete(url(conversation)).json()
        assert sorted(answer["ended"]) == sorted(each["terminal_id"] for each in found)
        gate.open()
        reader.wait_type("turn/completed", status="completed")
        until(lambda: len(ends(server, conversation)) == 2, "both have ended")
    assert server.client.delete(url(conversation)).json() == {"ended": []}
    check_whole(server.events(conversation))


def test_those_of_another_conversation_are_not_reached(server: Server) -> None:
    conversation, other = background(server, "sleep 1000"), server.conversation()
    (found,) = listed(server, conversation)
    answer = server.client.delete(url(other, f"/{found['terminal_id']}"))
    refused(answer, 404, "terminal_not_found")
    assert listed(server, other) == []
    assert len(listed(server, conversation)) == 1


def test_they_are_there_after_the_server_was_killed(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        conversation = background(server, "echo on; sleep 1000")
        (before,) = listed(server, conversation)
        server.kill()
    with start(site) as server:
        server.wait_ready()
        (after,) = listed(server, conversation)
        assert (after["terminal_id"], after["turn_id"]) == (
            before["terminal_id"],
            before["turn_id"],
        )
        server.client.delete(url(conversation))
        until(lambda: len(ends(server, conversation)) == 1, "it has ended")
        check_whole(server.events(conversation))


def test_none_is_left_of_a_core_that_has_gone(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        conversation = background(server, "sleep 1000")
    with start(site) as server:
        server.wait_ready()
        assert listed(server, conversation) == []
