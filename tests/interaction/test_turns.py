"""One message to its end: what the core really does, and how it comes out as events."""

from __future__ import annotations

import pytest

from codex_http_server.api.schemas import Output
from codex_http_server.testing.answers import Command, Gate, Patch, Reasoning, Text
from codex_http_server.testing.reader import Reader
from tests.support.codes import refused
from tests.support.commands import Barrier
from tests.support.judge import check_reader, check_whole, text_of
from tests.support.server import Server, Site

pytestmark = pytest.mark.lent


def test_a_turn_runs_a_command_and_changes_a_file(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Reasoning("I look"), Command("echo one > made.txt && cat made.txt"))
    site.provider.expect(
        Patch("*** Begin Patch\n*** Update File: made.txt\n@@\n-one\n+two\n*** End Patch\n")
    )
    site.provider.expect(Text("It says two now."))
    done = server.run(conversation, "make it two")
    assert (site.project / "made.txt").read_text() == "two\n"
    assert done["status"] == "ended"
    assert done["turn"]["status"] == "completed"
    assert done["reply"] == "It says two now."
    events = server.events(conversation)
    check_whole(events)
    kinds = [e["item_type"] for e in events if e["type"] == "item/completed"]
    assert kinds == ["userMessage", "reasoning", "commandExecution", "fileChange", "agentMessage"]
    ended = [e for e in events if e["type"] == "item/completed"]
    command = next(e for e in ended if e["item_type"] == "commandExecution")
    assert command["data"]["item"]["exitCode"] == 0
    assert command["data"]["item"]["aggregatedOutput"] == "one\n"


def test_turn_started_states_the_full_policy(server: Server, site: Site) -> None:
    conversation = server.conversation(sandbox="read-only", reasoning_effort="low")
    site.provider.expect(Text("hello"))
    done = server.run(conversation, "hello", model="gpt-5.5")
    started = next(e for e in server.events(conversation) if e["type"] == "turn/started")
    assert started["policy"] == done["policy"]
    assert started["policy"]["sandbox"] == "read-only"
    assert started["policy"]["reasoning_effort"] == "low"
    request = site.provider.requests[-1]
    assert "'effort': 'low'" in str(request.body["reasoning"])


def test_an_override_ends_with_its_turn(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Command("echo no > first.txt"))
    site.provider.expect(Text("tried"))
    server.run(conversation, "try", sandbox="read-only")
    assert not (site.project / "first.txt").exists()
    site.provider.expect(Command("echo yes > second.txt"))
    site.provider.expect(Text("done"))
    server.run(conversation, "again")
    assert (site.project / "second.txt").read_text() == "yes\n"


def test_the_core_config_is_never_changed(server: Server, site: Site) -> None:
    before = (site.home / "config.toml").read_text()
    conversation = server.conversation(sandbox="workspace-write")
    site.provider.expect(Text("hello"))
    server.run(conversation)
    assert (site.home / "config.toml").read_text() == before


def test_a_streaming_answer_carries_its_turn_and_ends_with_it(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Text(["Hel", "lo"]))
    path = f"/conversations/{conversation}/messages"
    with Reader(server.url, path, body={"message": "hello"}) as reader:
        reader.wait_end()
    assert reader.status == 200
    assert reader.events[0]["type"] == "turn/started"
    assert reader.events[-1]["type"] == "turn/completed"
    assert "".join(e.get("text", "") for e in reader.events) == "Hello"


def test_a_wait_that_is_too_short_answers_202_and_the_turn_goes_on(
    server: Server, site: Site
) -> None:
    conversation, gate = server.conversation(), Gate()
    site.provider.expect(Text(["slow ", gate, "answer"]))
    path = f"/conversations/{conversation}/messages?wait=0.2"
    early = server.post(path, {"message": "take your time"}, 202)
    assert early["status"] == "started"
    with server.read(conversation) as reader:
        gate.open()
        reader.wait_type("turn/completed", status="completed")
    assert text_of(server.events(conversation)) == ["slow answer"]


def test_a_background_command_outlives_its_turn_and_ends_by_itself(
    server: Server, site: Site
) -> None:
    conversation, barrier = server.conversation(), Barrier(site.project)
    site.provider.expect(Command(barrier.command, yield_ms=250))
    site.provider.expect(Text("it runs in the background"))
    with server.read(conversation) as reader:
        server.send(conversation, "start it")
        ended = reader.wait_type("turn/completed", status="completed")
        snapshot = server.get(f"/conversations/{conversation}?include=snapshot")
        assert [item["item_type"] for item in snapshot["open_items"]] == ["commandExecution"]
        barrier.open()
        late = reader.wait_type("item/completed", item_type="commandExecution")
    assert late["seq"] > ended["seq"]
    assert late["data"]["item"]["aggregatedOutput"].endswith("done\n")
    check_whole(server.events(conversation))


def test_two_readers_at_once_see_the_same(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Text([f"word{n} " for n in range(200)]))
    with server.read(conversation) as first, server.read(conversation) as second:
        server.send(conversation, "talk")
        for reader in (first, second):
            reader.wait_type("turn/completed")
    log = server.events(conversation)
    check_reader(first.events, log)
    check_reader(second.events, log)


def test_conversations_run_side_by_side(server: Server, site: Site) -> None:
    def script(request):
        return [Text(f"answer to {request.user_text}")]

    site.provider.script = script
    ids = [server.conversation() for _ in range(8)]
    with server.read_all("?after=latest") as reader:
        for number, conversation in enumerate(ids):
            server.send(conversation, f"question {number}")
        for conversation in ids:
            reader.wait_type("turn/completed", conversation_id=conversation)
    for number, conversation in enumerate(ids):
        events = server.events(conversation)
        assert text_of(events) == [f"answer to question {number}"]
        check_whole(events)


def test_data_is_the_cores_own_bytes_through_page_stream_and_log(
    server: Server, site: Site
) -> None:
    conversation = server.conversation()
    text = 'ünïcode "quotes" \\ back\u2028slash \U0001f600 and\na line'
    site.provider.expect(Text(text))
    with server.read(conversation) as reader:
        server.run(conversation)
        reader.wait_type("turn/completed")
    log = server.events(conversation)
    assert text_of(log) == [text]
    kept = {e["seq"] for e in log}
    assert [e for e in reader.events if e.get("seq") in kept] == log


def test_a_long_answer_folds_to_its_text(server: Server, site: Site) -> None:
    conversation = server.conversation()
    words = [f"word{n} " for n in range(2000)]
    site.provider.expect(Text(words))
    with server.read(conversation) as reader:
        server.send(conversation, "talk")
        reader.wait_type("turn/completed")
    log = server.events(conversation)
    ended = next(e for e in log if e["type"] == "item/completed" and "folded" in e)
    assert ended["folded"] == len(words)
    assert ended["data"]["item"]["text"] == "".join(words)
    assert len(log) < 30
    check_reader(reader.events, log)


def test_all_output_of_a_command_can_be_read_while_it_runs_and_afterwards(
    server: Server, site: Site
) -> None:
    conversation, barrier = server.conversation(), Barrier(site.project)
    long = f"seq 1000; {barrier.command}; seq 200000"
    site.provider.expect(Command(long, yield_ms=20_000))
    site.provider.expect(Text("done"))
    with server.read(conversation) as reader:
        server.send(conversation, "count")
        item = reader.wait_type("item/started", item_type="commandExecution")
        path = f"/conversations/{conversation}/turns/{item['turn_id']}/items/{item['item_id']}"
        barrier.wait_reached()
        assert server.get(f"{path}/output")["ended"] is False
        barrier.open()
        reader.wait_type("turn/completed")
    page = server.get(f"{path}/output?limit=100")
    assert Output.model_validate(page, strict=True).ended
    assert len(page["text"]) == 100
    last = server.get(f"{path}/output?offset={page['size'] - 7}")
    assert last["text"] == "200000\n"
    refused(server.client.get(f"{path}x/output"), 404, "item_not_found")
