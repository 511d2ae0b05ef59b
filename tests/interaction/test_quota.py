"""The quota guard: what is refused, what waits and why, what is ended."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx

from codex_http_server.testing.answers import Command, Gate, Text, Usage
from codex_http_server.testing.reader import Event, Reader
from tests.support.codes import refused
from tests.support.commands import until
from tests.support.judge import check_whole
from tests.support.server import Server, Site, start

DAY = 86_400


@contextmanager
def limited(site: Site, *quotas: str) -> Iterator[Server]:
    """A server with these quotas."""
    with start(site, *(word for each in quotas for word in ("--quota", each))) as server:
        server.wait_ready()
        yield server


def post(server: Server, conversation: str, message: str = "go on", **body: Any) -> httpx.Response:
    path = f"/conversations/{conversation}/messages"
    return server.client.post(path, json={"message": message} | body)


def quota_view(server: Server, conversation: str) -> Any:
    (found,) = server.get(f"/conversations/{conversation}/usage")["quotas"]
    return found


def queue(server: Server, conversation: str) -> Any:
    return server.get(f"/conversations/{conversation}/queue")["data"]


def ends(reader: Reader) -> list[Event]:
    return [event for event in list(reader.events) if event["type"] == "turn/completed"]


def exceeded(events: list[Event]) -> list[Any]:
    return [event["data"]["quota"] for event in events if event["type"] == "quota/exceeded"]


# --- a message that is sent ------------------------------------------------------------------


def test_at_the_turns_of_a_day_a_message_is_429_until_midnight(site: Site) -> None:
    site.provider.script = lambda _: [Text("fine")]
    with limited(site, "day.turns=2") as server:
        one, two = server.conversation(), server.conversation()
        server.run(one)
        server.run(two)
        answer = post(server, one)
        found = refused(answer, 429, "quota_exceeded")
        assert (found["quota"], found["limit"], found["used"]) == ("day.turns", 2, 2)
        assert found["resets_at"].endswith("T00:00:00.000Z")
        assert 0 < int(answer.headers["retry-after"]) <= DAY
        assert found["resets_at"] in found["hint"]
        (shown,) = server.get("/auth/usage")["quotas"]
        assert shown == {name: found[name] for name in ("quota", "limit", "used", "resets_at")}


def test_at_the_turns_of_a_conversation_only_that_one_is_full(site: Site) -> None:
    site.provider.script = lambda _: [Text("fine")]
    with limited(site, "conversation.turns=1") as server:
        one, two = server.conversation(), server.conversation()
        server.run(one)
        answer = post(server, one)
        found = refused(answer, 429, "quota_exceeded")
        assert (found["quota"], found["resets_at"]) == ("conversation.turns", None)
        assert "retry-after" not in answer.headers
        assert quota_view(server, one)["used"] == 1
        assert quota_view(server, two)["used"] == 0
        (shown,) = server.get("/auth/usage")["quotas"]
        assert shown["used"] is None  # each conversation's own
        server.run(two)


def test_tokens_of_a_caller_are_counted_as_the_provider_says(site: Site) -> None:
    with limited(site, "token.tokens=100") as server:
        conversation = server.conversation()
        site.provider.expect(Text("fine"), Usage(60, 50, 39, 1))
        server.run(conversation)
        assert quota_view(server, conversation)["used"] == 99
        site.provider.expect(Text("fine"), Usage(1, 0, 0, 0))
        server.run(conversation)
        found = refused(post(server, conversation), 429, "quota_exceeded")
        assert (found["quota"], found["used"]) == ("token.tokens", 100)


def test_a_key_that_was_refused_may_be_used_again(site: Site) -> None:
    site.provider.script = lambda _: [Text("fine")]
    with limited(site, "conversation.turns=1") as server:
        conversation = server.conversation()
        path = f"/conversations/{conversation}/messages"
        headers = {"Idempotency-Key": "k1"}
        first = server.post(path, {"message": "one"}, 202, headers=headers)
        with server.read(conversation) as reader:
            reader.wait_type("turn/completed")
        again = server.post(path, {"message": "one"}, 202, headers=headers)
        assert again["submit_id"] == first["submit_id"]  # a repeat is no new message
        for _ in range(2):
            headers = {"Idempotency-Key": "k2"}
            answer = server.client.post(path, json={"message": "two"}, headers=headers)
            refused(answer, 429, "quota_exceeded")


def test_a_turn_that_begins_takes_its_place_at_once(site: Site) -> None:
    """Many at the same moment: not one turn more than the quota has."""
    site.provider.script = lambda _: [Text("fine")]
    with limited(site, "day.turns=3") as server:
        conversations = [server.conversation() for _ in range(8)]
        with ThreadPoolExecutor(len(conversations)) as pool:
            answers = list(pool.map(lambda each: post(server, each), conversations))
        assert sorted(answer.status_code for answer in answers) == [202] * 3 + [429] * 5
        for answer in answers:
            if answer.status_code == 429:
                refused(answer, 429, "quota_exceeded")


def test_steering_is_held_up_by_tokens_but_not_by_turns(site: Site) -> None:
    site.configure(stream_idle_timeout_ms=60_000)
    gate = Gate()
    with limited(site, "day.turns=1", "day.tokens=1000") as server:
        conversation = server.conversation()
        site.provider.expect(Text(["one ", gate]))
        site.provider.expect(Text("two"), Usage(2000, 0, 1, 0))
        with server.read(conversation) as reader:
            server.send(conversation)
            reader.wait(lambda e: e.get("text") == "one ")
            refused(post(server, conversation), 429, "quota_exceeded")
            server.post(
                f"/conversations/{conversation}/messages",
                {"message": "and this", "while_busy": "steer"},
                202,
            )
            gate.open()
            reader.wait_type("turn/completed")
        found = refused(post(server, conversation, while_busy="steer"), 429, "quota_exceeded")
        assert found["quota"] == "day.turns"
        check_whole(server.events(conversation))


# --- what waits ---------------------------------------------------------------------------------


def test_a_waiting_message_stays_and_says_why(site: Site) -> None:
    gate = Gate()
    site.configure(stream_idle_timeout_ms=60_000)
    with limited(site, "day.tokens=1000") as server:
        conversation = server.conversation()
        site.provider.expect(Text(["one ", gate]), Usage(2000, 0, 1, 0))
        with server.read(conversation) as reader:
            server.send(conversation, "first")
            reader.wait(lambda e: e.get("text") == "one ")
            waiting = [server.send(conversation, text)["submit_id"] for text in ("next", "last")]
            gate.open()
            told = reader.wait(lambda e: e["data"].get("reason") == "quota")
            first, second = queue(server, conversation)
            assert first["submit_id"] == waiting[0]
            assert first["waits"].items() >= {
                "reason": "quota", "quota": "day.tokens", "limit": 1000, "used": 2001,
            }.items()  # fmt: skip
            assert second["waits"] is None
            assert told["data"]["put"] == [{"at": 0, "message": first}]
            assert told["data"]["length"] == 2
            assert told["data"]["submit_ids"] == waiting[:1]
            snapshot = server.get(f"/conversations/{conversation}?include=snapshot")
            assert snapshot["queue"] == [first, second]
            assert (
                server.client.delete(
                    f"/conversations/{conversation}/queue/{waiting[0]}"
                ).status_code
                == 204
            )
        assert [each["submit_id"] for each in queue(server, conversation)] == waiting[1:]


def test_what_waits_is_sent_when_the_limit_is_raised(site: Site) -> None:
    gate = Gate()
    site.configure(stream_idle_timeout_ms=60_000)
    with limited(site, "conversation.turns=2") as server:
        conversation = server.conversation()
        site.provider.expect(Text(["one ", gate]))
        site.provider.expect(Text("two"))
        with server.read(conversation) as reader:
            server.send(conversation, "first")
            reader.wait(lambda e: e.get("text") == "one ")
            for text in ("second", "third"):
                server.send(conversation, text)
            gate.open()
            reader.wait(lambda e: e["data"].get("reason") == "quota")
        check_whole(server.events(conversation))
    with limited(site, "conversation.turns=2") as server:
        until(lambda: queue(server, conversation)[0]["waits"], "it says why it waits")
        assert [each["waits"]["quota"] for each in queue(server, conversation)] == [
            "conversation.turns"
        ]
    site.provider.expect(Text("three"))
    with limited(site, "conversation.turns=3") as server:
        with server.read(conversation) as reader:
            reader.wait(lambda e: len(ends(reader)) == 3)
        assert queue(server, conversation) == []
        assert site.provider.requests[-1].user_text == "third"
        events = server.events(conversation)
        assert exceeded(events) == []
        check_whole(events)


# --- what runs -------------------------------------------------------------------------------


def test_a_turn_that_passes_its_tokens_is_interrupted_and_told_why(site: Site) -> None:
    site.configure(stream_idle_timeout_ms=60_000)
    gate = Gate()
    with limited(site, "conversation.tokens=1000") as server:
        conversation = server.conversation()
        site.provider.expect(Command("echo hi"), Usage(2000, 0, 10, 0))
        site.provider.expect(Text(["never ", gate]))
        with server.read(conversation) as reader:
            server.send(conversation)
            told = reader.wait_type("quota/exceeded")
            end = reader.wait_type("turn/completed")
        assert told["data"] == {
            "turnId": end["turn_id"],
            "quota": "conversation.tokens",
            "limit": 1000,
            "used": 2010,
            "resets_at": None,
        }
        assert told["turn_id"] == end["turn_id"]
        assert told["seq"] < end["seq"]
        assert end["status"] == "interrupted"
        events = server.events(conversation)
        assert exceeded(events) == ["conversation.tokens"]
        check_whole(events)
        refused(post(server, conversation), 429, "quota_exceeded")


def test_a_turn_that_passes_its_minutes_is_interrupted(site: Site) -> None:
    site.configure(stream_idle_timeout_ms=60_000)
    with limited(site, "token.minutes=0.01") as server:
        conversation = server.conversation()
        site.provider.expect(Text(["never ", Gate()]))
        with server.read(conversation) as reader:
            server.send(conversation)
            told = reader.wait_type("quota/exceeded")
            assert reader.wait_type("turn/completed")["status"] == "interrupted"
        assert told["data"]["quota"] == "token.minutes"
        assert told["data"]["used"] >= 0.01
        found = refused(post(server, conversation), 429, "quota_exceeded")
        assert found["quota"] == "token.minutes"


def test_a_days_tokens_end_the_turns_of_all_conversations(site: Site) -> None:
    site.configure(stream_idle_timeout_ms=60_000)
    with limited(site, "day.tokens=1000") as server:
        quiet, busy = server.conversation(), server.conversation()
        site.provider.expect(Text(["quiet ", Gate()]))
        with server.read(quiet) as one, server.read(busy) as two:
            server.send(quiet)
            one.wait(lambda e: e.get("text") == "quiet ")
            site.provider.expect(Command("echo hi"), Usage(2000, 0, 10, 0))
            site.provider.expect(Text(["never ", Gate()]))
            server.send(busy)
            for reader in (one, two):
                reader.wait_type("quota/exceeded")
                assert reader.wait_type("turn/completed")["status"] == "interrupted"


# --- restarts --------------------------------------------------------------------------------


def test_after_a_kill_the_limit_is_still_reached(site: Site) -> None:
    site.provider.expect(Text("fine"), Usage(2000, 0, 10, 0))
    quotas = ("day.tokens=1000", "conversation.turns=5")
    with start(site, *(word for each in quotas for word in ("--quota", each))) as server:
        server.wait_ready()
        conversation = server.conversation()
        server.run(conversation)
        before = server.get("/auth/usage")["tokens"]
        server.kill()
    with limited(site, *quotas) as server:
        found = refused(post(server, conversation), 429, "quota_exceeded")
        assert (found["quota"], found["used"]) == ("day.tokens", 2010)
        assert server.get("/auth/usage")["tokens"] == before


def test_a_turn_that_outlived_the_server_keeps_what_it_took(site: Site) -> None:
    site.configure(stream_idle_timeout_ms=60_000)
    gate = Gate()
    with start(site) as server:
        server.wait_ready()
        conversation = server.conversation()
        site.provider.expect(Command("echo hi"), Usage(100, 0, 10, 0))
        site.provider.expect(Text(["one ", gate]), Usage(200, 0, 20, 0))
        with server.read(conversation) as reader:
            server.send(conversation)
            reader.wait(lambda e: e.get("text") == "one ")
        server.kill()
    with limited(site, "conversation.turns=9") as server:
        (turn,) = server.get(f"/conversations/{conversation}/usage")["running"]
        assert (turn["caller"], turn["tokens"]["total"]) == ("local", 110)
        with server.read(conversation) as reader:
            reader.wait_type("item/gap")
            gate.open()
            reader.wait_type("turn/completed")
        (turn,) = server.get(f"/conversations/{conversation}/usage")["turns"]
        assert (turn["caller"], turn["tokens"]["total"]) == ("local", 330)


def test_what_a_turn_took_while_the_server_was_away_is_found_out(site: Site) -> None:
    site.configure(stream_idle_timeout_ms=60_000)
    gate = Gate()
    with start(site) as server:
        server.wait_ready()
        conversation = server.conversation()
        site.provider.expect(Text(["one ", gate]), Usage(200, 0, 20, 0))
        with server.read(conversation) as reader:
            server.send(conversation)
            reader.wait(lambda e: e.get("text") == "one ")
        server.kill()
    gate.open()
    site.provider.expect(Text("two"), Usage(30, 0, 3, 0))
    with start(site) as server:
        server.wait_ready()
        with server.read(conversation) as reader:
            reader.wait_type("turn/completed")
        (first,) = server.get(f"/conversations/{conversation}/usage")["turns"]
        assert first["usage"] == "unknown"
        server.run(conversation)
        second, first = server.get(f"/conversations/{conversation}/usage")["turns"]
        assert second["tokens"]["total"] == 33
        assert (first["tokens"]["total"], first["usage"]) == (220, "late")
        assert first["caller"] == "local"
        assert server.get("/auth/usage")["tokens"]["total"]["total"] == 253
