"""Readers: dropped and resumed anywhere, by stream, page and long poll; resets; the end."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from codex_http_server.testing.answers import Command, Gate, Patch, Reasoning, Text
from codex_http_server.testing.reader import Event
from tests.support.judge import check_reader, check_whole
from tests.support.server import Server, Site, start

pytestmark = pytest.mark.lent


def play(server: Server, site: Site) -> tuple[str, list[Event]]:
    """A conversation after one turn with a bit of everything; its id and its log."""
    conversation = server.conversation()
    site.provider.expect(Reasoning("I think", "about it"), Command("echo hi"))
    site.provider.expect(Patch("*** Begin Patch\n*** Add File: made.txt\n+hi\n*** End Patch\n"))
    site.provider.expect(Text([f"word{n} " for n in range(12)]))
    server.run(conversation, "play")
    return conversation, server.events(conversation)


def test_a_reader_dropped_at_every_event_resumes_exactly(server: Server, site: Site) -> None:
    conversation, log = play(server, site)
    check_whole(log)

    def resume(after: int) -> None:
        with server.read(conversation, last_event_id=str(after)) as reader:
            if after < log[-1]["seq"]:
                reader.wait(lambda e: e.get("seq") == log[-1]["seq"])
            else:
                reader.wait_comments(1)
        check_reader(reader.events, log, after)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(resume, range(log[-1]["seq"] + 1)))


def test_a_reader_dropped_in_mid_turn_goes_on_where_it_was(server: Server, site: Site) -> None:
    conversation, gates = server.conversation(), [Gate(), Gate(), Gate()]
    site.provider.expect(Text(["a1 ", "a2 ", gates[0], "b1 ", gates[1], "c1 ", gates[2], "end"]))
    server.send(conversation, "talk")
    got: list[Event] = []
    for gate, stop_at in zip(gates, ("a2 ", "b1 ", "c1 "), strict=True):
        last = str(got[-1]["seq"]) if got else None
        with server.read(conversation, last_event_id=last) as reader:  # cut in mid-answer
            reader.wait(lambda e, stop=stop_at: e.get("text") == stop)
        got += reader.events
        gate.open()
    with server.read(conversation, last_event_id=str(got[-1]["seq"])) as reader:
        reader.wait_type("turn/completed")
    check_reader([*got, *reader.events], server.events(conversation))


@pytest.mark.parametrize("how", ["?after={}", "last-event-id"])
def test_after_and_last_event_id_mean_the_same(server: Server, site: Site, how: str) -> None:
    conversation, log = play(server, site)
    middle = log[len(log) // 2]["seq"]
    query = how.format(middle) if how.startswith("?") else ""
    header = None if query else str(middle)
    with server.read(conversation, query, last_event_id=header) as reader:
        reader.wait(lambda e: e.get("seq") == log[-1]["seq"])
    assert reader.events == [e for e in log if e["seq"] > middle]
    assert reader.ids == [str(e["seq"]) for e in reader.events]


def test_the_header_wins_over_the_query(server: Server, site: Site) -> None:
    conversation, log = play(server, site)
    last = log[-2]["seq"]
    with server.read(conversation, "?after=0", last_event_id=str(last)) as reader:
        reader.wait(lambda e: e.get("seq") == log[-1]["seq"])
    assert reader.seqs == [log[-1]["seq"]]


def test_pages_walk_the_log_once(server: Server, site: Site) -> None:
    conversation, log = play(server, site)
    walked: list[Event] = []
    after = 0
    while True:
        page = server.get(f"/conversations/{conversation}/events?after={after}&limit=3")
        assert len(page["data"]) <= 3
        walked += page["data"]
        after = page["next_after"]
        if after >= page["head"]:
            break
    assert walked == log


def test_a_long_poll_answers_when_something_comes(server: Server, site: Site) -> None:
    conversation, log = play(server, site)
    head, gate = log[-1]["seq"], Gate()
    site.provider.expect(Text([gate, "late"]))
    path = f"/conversations/{conversation}/events?after={head}"
    assert server.get(f"{path}&wait=0.1")["data"] == []
    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(server.get, f"{path}&wait=20")
        server.send(conversation, "more")
        page = poll.result(20)
    assert page["data"]
    assert page["data"][0]["seq"] > head
    gate.open()


def test_latest_shows_only_what_comes(server: Server, site: Site) -> None:
    conversation, log = play(server, site)
    with server.read(conversation, "?after=latest") as reader:
        reader.wait_comments(1)
        site.provider.expect(Text("new"))
        server.run(conversation)
        reader.wait_type("turn/completed")
    assert min(reader.seqs) > log[-1]["seq"]


def test_a_stream_begins_with_retry_and_a_comment_and_beats(site: Site) -> None:
    with start(site, "--heartbeat", "0.2") as server:
        server.wait_ready()
        conversation = server.conversation()
        with server.read(conversation, "?after=latest") as reader:
            reader.wait_comments(3)
        assert reader.lines[:2] == ["retry: 500", ": codex-http-server"]
        with server.read(conversation, "?after=latest&heartbeat=0.1") as reader:
            beat = reader.wait_type("heartbeat")
        assert "seq" not in beat
        assert reader.ids[reader.events.index(beat)] is None


@pytest.mark.parametrize(
    ("query", "reason"), [("?after=99999", "ahead"), ("?after=0&log=another", "other_log")]
)
def test_a_cursor_that_means_nothing_here_gets_a_reset(
    server: Server, site: Site, query: str, reason: str
) -> None:
    conversation, log = play(server, site)
    with server.read(conversation, query) as reader:
        reset = reader.wait_type("feed/reset")
        site.provider.expect(Text("after the reset"))
        server.run(conversation)
        reader.wait_type("turn/completed")
    assert reader.ids[0] is None
    assert reset["data"]["reason"] == reason
    assert reset["data"]["head"] == log[-1]["seq"]
    assert server.get(reset["data"]["snapshot"])["seq"] >= reset["data"]["head"]
    assert min(reader.seqs) > log[-1]["seq"]
    page = server.get(f"/conversations/{conversation}/events{query}")
    assert page["data"][0]["type"] == "feed/reset"


def test_a_snapshot_and_the_stream_after_it_are_the_whole_log(server: Server, site: Site) -> None:
    conversation, gate = server.conversation(), Gate()
    site.provider.expect(Text(["one ", "two ", gate, "three"]))
    with server.read(conversation) as whole:
        server.send(conversation, "go")
        whole.wait(lambda e: e.get("text") == "two ")
        snapshot = server.get(f"/conversations/{conversation}?include=snapshot")
        (open_item,) = snapshot["open_items"]
        assert open_item["item"]["text"] == "one two "
        assert snapshot["conversation"]["status"] == "running"
        assert [turn["status"] for turn in snapshot["turns"]] == ["inProgress"]
        query = f"?after={snapshot['seq']}&log={snapshot['log_id']}"
        with server.read(conversation, query) as rest:
            gate.open()
            rest.wait_type("turn/completed")
    texts = [e["text"] for e in rest.events if e.get("text")]
    assert texts == ["three"]
    assert rest.events[0]["seq"] == snapshot["seq"] + 1


def test_the_stream_of_everything_has_every_conversation_in_commit_order(
    server: Server, site: Site
) -> None:
    with server.read_all() as reader:
        first, _ = play(server, site)
        second, _ = play(server, site)
        for conversation in (first, second):
            reader.wait_type("turn/completed", conversation_id=conversation)
    for conversation in (first, second):
        mine = [e for e in reader.events if e["conversation_id"] == conversation]
        check_reader(mine, server.events(conversation))
    assert any(e["type"] == "core/state" for e in reader.events)
    numbers = [int(e["position"].rsplit("-", 1)[1]) for e in reader.events]
    assert numbers == sorted(set(numbers))


def test_the_stream_of_everything_can_be_resumed_and_filtered(server: Server, site: Site) -> None:
    first, _ = play(server, site)
    second, log = play(server, site)
    middle = log[5]["position"]
    with server.read_all(last_event_id=middle) as reader:
        reader.wait(lambda e: e.get("position") == log[-1]["position"])
    mine = [e for e in reader.events if e["conversation_id"] == second]
    check_reader(mine, log, log[5]["seq"])
    with server.read_all(f"?conversation={first}") as reader:
        reader.wait_type("turn/completed")
    assert {e["conversation_id"] for e in reader.events} == {first}
    with server.read_all("?after=abcdefgh-3") as reader:
        assert reader.wait_type("feed/reset")["data"]["reason"] == "other_log"


def test_a_stalled_reader_slows_nobody_and_loses_nothing(site: Site) -> None:
    words = [f"{n:05d} " * 20 for n in range(4000)]
    with start(site, "--tail-bytes", "65536") as server:
        server.wait_ready()
        conversation = server.conversation()
        site.provider.expect(Text(words))
        with server.client.stream(
            "GET",
            f"/conversations/{conversation}/events",
            headers={"Accept": "text/event-stream"},
            timeout=60,
        ) as stalled:  # it does not read until the turn is over
            with server.read(conversation) as fast:
                server.send(conversation, "a lot")
                fast.wait_type("turn/completed")
            seen: list[Event] = []
            for line in stalled.iter_lines():
                if line.startswith("data: "):
                    seen.append(json.loads(line[6:]))
                if '"type":"turn/completed"' in line:
                    break
        log = server.events(conversation)
    check_reader(seen, log)
    check_reader(fast.events, log)


def test_too_many_streams_end_with_a_frame_and_not_with_an_error(site: Site) -> None:
    with start(site, "--max-streams", "1") as server:
        conversation = server.conversation()
        with server.read(conversation) as first:
            first.wait_comments(1)
            with server.read(conversation) as second:
                second.wait_end()
            assert second.status == 200
            assert second.events[0]["type"] == "core/state"
            assert "open already" in second.events[0]["data"]["reason"]
            assert not first.ended
