"""A conversation's past by pages: turns, items, and what a turn changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from codex_http_server.api import historyschemas
from codex_http_server.testing.answers import Command, Gate, Patch, Text
from tests.support.codes import refused
from tests.support.other_client import OtherClient
from tests.support.server import Server, Site, start
from tests.support.shared import server_at

ADD = "*** Begin Patch\n*** Add File: {name}\n+{line}\n*** End Patch"
TURNS = 5
SMALL = 16 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server_at(tmp_path_factory.mktemp("history")) as running:
        yield running


@pytest.fixture(scope="module")
def talked(server: Server) -> str:
    """A conversation of some turns; in the third a file was made."""
    here = server.conversation()
    for number in range(TURNS):
        if number == 2:
            server.site.provider.expect(Patch(ADD.format(name="third.txt", line="by the third")))
        server.site.provider.expect(Text(f"answer {number}"))
        server.run(here, f"ask {number}")
    return here


def page(server: Server, conversation: str, kind: str, **query: Any) -> dict[str, Any]:
    return server.get(f"/conversations/{conversation}/{kind}", params=query)


def seqs(found: dict[str, Any]) -> list[int]:
    return [each["seq"] for each in found["data"]]


# --- turns ----------------------------------------------------------------------------------


def test_a_turn_has_its_messages_its_times_its_cost_and_its_diff(
    server: Server, talked: str
) -> None:
    found = page(server, talked, "turns")
    events = server.events(talked)
    starts = [e for e in events if e["type"] == "turn/started"]
    ends = [e for e in events if e["type"] == "turn/completed"]
    assert seqs(found) == [e["seq"] for e in starts]
    assert [each["end_seq"] for each in found["data"]] == [e["seq"] for e in ends]
    assert [each["turn_id"] for each in found["data"]] == [e["turn_id"] for e in starts]
    third, fourth = found["data"][2:4]
    assert (third["started_at"], third["ended_at"]) == (starts[2]["at"], ends[2]["at"])
    assert (third["status"], third["synthetic"], third["turn"]) == (
        "completed", None, ends[2]["data"]["turn"],
    )  # fmt: skip
    assert third["policy"] == starts[2]["policy"]
    assert third["usage"]["tokens"]["total"] > 0
    assert "+by the third" in third["diff"]
    assert server.get(third["diff_url"])["diff"] == third["diff"]
    assert (fourth["diff"], fourth["diff_url"]) == (None, None)
    items = server.get(third["items_url"])
    assert len(items["data"]) == third["items"] > fourth["items"]
    assert {each["turn_id"] for each in items["data"]} == {third["turn_id"]}
    assert server.get(f"/conversations/{talked}/turns/{third['turn_id']}") == third


def test_the_messages_of_a_turn_are_those_that_were_answered_with_it(server: Server) -> None:
    here, gate = server.conversation(), Gate()
    server.site.provider.expect(Text(["one ", gate, "two"]))
    with server.read(here) as reader:
        sent = server.send(here)
        gate.wait_reached()
        server.site.provider.expect(Text("after the steer"))
        steered = server.send(here, "this too", while_busy="steer")
        reader.wait_type("turn/completed")
        gate.open()
    (turn,) = page(server, here, "turns")["data"]
    assert turn["submit_ids"] == [sent["submit_id"], steered["submit_id"]]


def test_pages_of_turns_walk_all_both_ways(server: Server, talked: str) -> None:
    whole = seqs(page(server, talked, "turns"))
    back: list[int] = []
    while True:
        found = page(server, talked, "turns", limit=2, **({"before": back[0]} if back else {}))
        back = seqs(found) + back
        assert (found["turns_before"], found["turns_after"]) == (
            TURNS - len(back), len(back) - len(found["data"]),
        )  # fmt: skip
        if not found["turns_before"]:
            break
    forth: list[int] = []
    while True:
        found = page(server, talked, "turns", limit=2, after=forth[-1] if forth else 0)
        forth += seqs(found)
        if not found["turns_after"]:
            break
    assert back == forth == whole


def test_a_running_turn_is_there_and_has_no_end(server: Server) -> None:
    here, gate = server.conversation(), Gate()
    server.site.provider.expect(Text(["one ", gate, "two"]))
    with server.read(here) as reader:
        sent = server.send(here)
        reader.wait(lambda e: e.get("text") == "one ")
        (turn,) = page(server, here, "turns")["data"]
        assert (turn["turn_id"], turn["status"]) == (sent["turn_id"], "inProgress")
        assert (turn["end_seq"], turn["ended_at"], turn["usage"]) == (None, None, None)
        gate.open()
        reader.wait_type("turn/completed")
    assert page(server, here, "turns")["data"][0]["status"] == "completed"


def test_a_conversation_without_a_turn_has_empty_pages(server: Server) -> None:
    here = server.conversation()
    assert page(server, here, "turns") == {"data": [], "turns_before": 0, "turns_after": 0}
    items = page(server, here, "items")
    assert (items["data"], items["open_items"], items["items_after"]) == ([], [], 0)
    refused(server.client.get(f"/conversations/{here}/diff"), 404, "turn_not_found")


# --- items ----------------------------------------------------------------------------------


def test_items_walk_forward_and_of_one_turn(server: Server, talked: str) -> None:
    whole = seqs(page(server, talked, "items"))
    forth: list[int] = []
    while True:
        found = page(server, talked, "items", limit=3, after=forth[-1] if forth else 0)
        forth += seqs(found)
        assert found["items_before"] == len(forth) - len(found["data"])
        if not found["items_after"]:
            break
    assert forth == whole
    between = page(server, talked, "items", after=whole[1], before=whole[4])
    assert seqs(between) == whole[2:4]
    turn = page(server, talked, "turns")["data"][1]
    of_turn = page(server, talked, "items", turn=turn["turn_id"])
    assert [each["item_type"] for each in of_turn["data"]] == ["userMessage", "agentMessage"]
    assert seqs(page(server, talked, "items", turn="nothing")) == []


def test_open_items_are_on_the_page_that_reaches_the_newest(server: Server) -> None:
    here, gate = server.conversation(), Gate()
    server.site.provider.expect(Text("first"))
    server.run(here)
    server.site.provider.expect(Text(["so ", "far ", gate, "so good"]))
    with server.read(here, "?after=latest") as reader:
        turn = server.send(here)["turn_id"]
        reader.wait(lambda e: e.get("text") == "far ")
        found = page(server, here, "items")
        historyschemas.ItemPage.model_validate(found, strict=True)
        (item,) = found["open_items"]
        assert (item["item"]["text"], item["turn_id"]) == ("so far ", turn)
        ended = seqs(found)
        assert page(server, here, "items", after=ended[-2])["open_items"] == [item]
        assert page(server, here, "items", turn=turn)["open_items"] == [item]
        for query in ({"before": ended[-1]}, {"after": 0, "limit": 1}, {"turn": "another"}):
            assert page(server, here, "items", **query)["open_items"] == []
        gate.open()
        reader.wait_type("turn/completed")
    later = [e for e in reader.events if e.get("seq", 0) > found["seq"]]
    assert later[0]["text"] == "so good", "the stream goes on where the page was read"
    after = page(server, here, "items")
    assert (after["open_items"], after["data"][-1]["item"]["text"]) == ([], "so far so good")


# --- what a turn changed ----------------------------------------------------------------------


def test_the_diff_is_of_the_newest_turn_or_of_the_named_one(server: Server, talked: str) -> None:
    turns = page(server, talked, "turns")["data"]
    newest = page(server, talked, "diff")
    assert (newest["turn_id"], newest["diff"], newest["seq"]) == (turns[-1]["turn_id"], "", None)
    third = page(server, talked, "diff", of="turn", turn_id=turns[2]["turn_id"])
    assert third["diff"] == turns[2]["diff"]
    last = [e for e in server.events(talked) if e["type"] == "turn/diff/updated"][-1]
    assert (third["seq"], third["diff"]) == (last["seq"], last["data"]["diff"])


def test_a_large_diff_is_behind_its_link(server: Server) -> None:
    here = server.conversation()
    line = "x" * (SMALL + 1)
    server.site.provider.expect(Patch(ADD.format(name="large.txt", line=line)))
    server.site.provider.expect(Text("done"))
    server.run(here)
    (turn,) = page(server, here, "turns")["data"]
    assert turn["diff"] is None
    assert line in server.get(turn["diff_url"])["diff"]


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["turns", "items"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("limit", "0"),
        ("limit", "201"),
        ("limit", "x"),
        ("before", "0"),
        ("before", "-1"),
        ("before", "9" * 30),
        ("after", "-1"),
        ("after", "1.5"),
        ("after", ""),
    ],
)
def test_a_wrong_page_is_422_and_names_the_field(
    server: Server, talked: str, kind: str, field: str, value: str
) -> None:
    answer = server.client.get(f"/conversations/{talked}/{kind}", params={field: value})
    refused(answer, 422, "invalid_request", field)


def test_a_turn_that_is_not_there_is_404(server: Server, talked: str) -> None:
    for wrong in ("nothing", "%00", "x" * 300, "..%2e"):
        answer = server.client.get(f"/conversations/{talked}/turns/{wrong}")
        refused(answer, 404, "turn_not_found")
    answer = server.client.get(f"/conversations/{talked}/diff?turn_id=nothing")
    refused(answer, 404, "turn_not_found")
    of = server.client.get(f"/conversations/{talked}/diff?of=dreams")
    refused(of, 422, "invalid_request", "of")


# --- after a death ------------------------------------------------------------------------------


def test_it_is_the_same_after_a_kill_and_has_all_that_the_core_keeps(site: Site) -> None:
    site.configure(
        stream_idle_timeout_ms=60_000, sandbox_mode="workspace-write", approval_policy="never"
    )
    with start(site) as first:
        first.wait_ready()
        here, gate = first.conversation(), Gate()
        site.provider.expect(Command("echo hi"), Patch(ADD.format(name="a.txt", line="a")))
        site.provider.expect(Text("done"))
        first.run(here)
        kept = [page(first, here, kind) for kind in ("turns", "diff")]
        items = page(first, here, "items")["data"]
        site.provider.expect(Text(["half ", gate, "whole"]))
        first.send(here)
        gate.wait_reached()
        with first.read(here) as reader:
            reader.wait(lambda e: e.get("text") == "half ")
        first.kill()
    with start(site) as second:
        second.wait_ready()
        with second.read(here) as reader:
            gate.open()
            reader.wait(lambda e: sum(x["type"] == "turn/completed" for x in reader.events) == 2)
        turns = page(second, here, "turns")
        assert turns["data"][0] == kept[0]["data"][0]
        assert page(second, here, "diff", turn_id=kept[1]["turn_id"]) == kept[1]
        found = page(second, here, "items")
        assert found["data"][: len(items)] == items
        assert (found["open_items"], found["data"][-1]["item"]["text"]) == ([], "half whole")
        thread = second.get(f"/conversations/{here}")["thread_id"]
        with OtherClient(site) as other:
            core = [
                (turn["id"], entry["item"]["id"])
                for turn in other.call("thread/turns/list", threadId=thread)["data"][::-1]
                for entry in other.call(
                    "thread/items/list", threadId=thread, turnId=turn["id"], sortDirection="asc"
                )["data"]
            ]
        ours = {(each["turn_id"], each["item_id"]) for each in found["data"]}
        assert set(core) <= ours, "the log has every item that the core keeps"
