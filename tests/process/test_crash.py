"""Deaths and restarts: of the core in mid-turn, of the server in mid-turn and between turns."""

from __future__ import annotations

import pytest

from codex_http_server.testing.answers import Command, Gate, Text
from tests.support.commands import Barrier
from tests.support.judge import check_reader, check_whole, text_of
from tests.support.server import Server, Site, gone, left_behind, start


def test_kill_9_of_the_core_in_mid_answer_ends_turn_and_item_once(
    server: Server, site: Site
) -> None:
    conversation, gate = server.conversation(), Gate()
    site.provider.expect(Text(["one ", "two ", gate, "never"]))
    with server.read(conversation) as reader:
        server.send(conversation, "begin")
        reader.wait(lambda e: e.get("text") == "two ")
        server.core().kill()
        broken = reader.wait_type("item/discarded", synthetic="core_lost")
        ended = reader.wait_type("turn/completed", status="interrupted", synthetic="core_lost")
        reader.wait(lambda e: e["type"] == "core/state" and e["data"]["state"] == "ready")
    assert broken["data"]["item"]["text"] == "one two "
    assert ended["seq"] > broken["seq"]
    site.provider.expect(Text("here again"))
    assert server.run(conversation, "and now?")["reply"] == "here again"
    log = server.events(conversation)
    check_whole(log)
    check_reader(reader.events, [e for e in log if e["seq"] <= reader.seqs[-1]])


def test_kill_9_of_the_core_in_mid_command_ends_the_command(server: Server, site: Site) -> None:
    conversation, barrier = server.conversation(), Barrier(site.project)
    site.provider.expect(Command(barrier.command, yield_ms=20_000))
    with server.read(conversation) as reader:
        server.send(conversation, "begin")
        barrier.wait_reached()
        server.core().kill()
        reader.wait_type("turn/completed", status="interrupted")
    check_whole(server.events(conversation))


def test_a_queue_outlives_its_core(server: Server, site: Site) -> None:
    conversation, gate = server.conversation(), Gate()
    site.provider.expect(Text(["one ", gate]))
    with server.read(conversation) as reader:
        server.send(conversation, "begin")
        reader.wait(lambda e: e.get("text") == "one ")
        queued = server.send(conversation, "after that")
        site.provider.expect(Text("the queued answer"))
        server.core().kill()
        reader.wait_type("turn/completed", status="interrupted")
        reader.wait_type("turn/completed", status="completed")
    assert queued["status"] == "queued"
    assert text_of(server.events(conversation)) == ["the queued answer"]
    check_whole(server.events(conversation))


def test_an_empty_conversation_outlives_its_core(server: Server, site: Site) -> None:
    conversation = server.conversation()
    before = server.get(f"/conversations/{conversation}")
    with server.read(conversation) as reader:
        server.core().kill()
        reader.wait(lambda e: e["type"] == "core/state" and e["data"]["state"] == "ready")
    site.provider.expect(Text("first words"))
    assert server.run(conversation)["reply"] == "first words"
    after = server.get(f"/conversations/{conversation}")
    assert after["id"] == before["id"]
    assert after["thread_id"] != before["thread_id"]


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_conversation_goes_on_after_a_restart_of_the_server(site: Site, how: str) -> None:
    site.provider.script = lambda request: [Text(f"{len(request.input)} inputs")]
    with start(site) as server:
        server.wait_ready()
        used, empty = server.conversation(), server.conversation()
        server.run(used, "remember this")
        before = server.events(used)
        getattr(server, how)()
    with start(site) as server:
        assert server.events(used) == before
        server.run(used, "and that")
        server.run(empty, "hello")
        assert "remember this" in str(site.provider.requests[-2].input)
        for conversation in (used, empty):
            check_whole(server.events(conversation))
        ids = [entry["id"] for entry in server.get("/conversations")["data"]]
        assert ids == [empty, used]


def test_server_and_core_killed_in_mid_turn_it_is_ended_at_the_next_start(site: Site) -> None:
    gate = Gate()
    site.provider.expect(Text(["one ", "two ", gate]))
    with start(site) as server:
        server.wait_ready()
        conversation = server.conversation()
        with server.read(conversation) as reader:
            server.send(conversation, "begin")
            reader.wait(lambda e: e.get("text") == "two ")
            queued = server.send(conversation, "then this")
            core, keeper = server.core(), server.keeper()
            server.kill()
            reader.wait_end()
        assert not gone(core)
        keeper.kill()
    site.provider.expect(Text("the queued answer"))
    with start(site) as server:
        assert gone(core)
        with server.read(conversation, last_event_id=str(reader.seqs[-1])) as rest:
            rest.wait_type("turn/completed", status="interrupted", synthetic="core_lost")
            rest.wait_type("turn/completed", status="completed")
        log = server.events(conversation)
        check_whole(log)
        check_reader([*reader.events, *rest.events], log)
        assert text_of(log) == ["the queued answer"]
        queue = server.get(f"/conversations/{conversation}/queue")["data"]
        assert queued["submit_id"] not in str(queue)


def test_a_stop_in_mid_turn_ends_it_and_its_readers(site: Site) -> None:
    gate = Gate()
    site.provider.expect(Text(["one ", gate]))
    with start(site) as server:
        server.wait_ready()
        conversation = server.conversation()
        with server.read(conversation) as reader, server.read_all() as everything:
            server.send(conversation, "begin")
            reader.wait(lambda e: e.get("text") == "one ")
            assert server.stop(5) == 0
            for each in (reader, everything):
                each.wait_end()
        assert reader.events[-1]["type"] == "core/state"
        reader.wait_type("turn/completed", status="interrupted")
    assert not left_behind(site)
    with start(site) as server:
        log = server.events(conversation)
        check_whole(log)
        check_reader(reader.events, log)


def test_the_core_is_started_again_each_time_it_dies(server: Server, site: Site) -> None:
    site.provider.script = lambda _: [Text("fine")]
    conversation = server.conversation()
    for _ in range(3):
        with server.read_all("?after=latest") as reader:
            reader.wait_comments(1)
            server.core().kill()
            reader.wait(lambda e: e["type"] == "core/state" and e["status"] == "ready")
        assert server.run(conversation)["reply"] == "fine"
    check_whole(server.events(conversation))
