"""Turns that no message starts, and what may come between: deaths of the core and of the server."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx
import pytest

from codex_http_server.testing.answers import Command, Gate, Text
from tests.support.access import bearer, make_token, token_file
from tests.support.commands import Barrier, until
from tests.support.judge import check_reader, check_whole, text_of
from tests.support.server import Json, Server, Site, start

CUSTOM = {"target": {"type": "custom", "instructions": "look"}}
APART = 0.012  # seconds between the requests that a killed server leaves at different points


@pytest.fixture
def patient(site: Site) -> Site:
    """A site whose core does not lose patience with a model that is patient at a gate."""
    site.configure(
        stream_idle_timeout_ms=60_000, sandbox_mode="workspace-write", approval_policy="never"
    )
    return site


def turns(server: Server, conversation: str) -> list[tuple[str, str]]:
    """The turns of a conversation that is whole, with how they ended."""
    check_whole(server.events(conversation))
    found = server.get(f"/conversations/{conversation}/turns")["data"]
    return [(turn["turn_id"], turn["status"]) for turn in found]


def begin(server: Server, conversation: str, kind: str, body: Json, **more: Any) -> str:
    path = f"/conversations/{conversation}/{kind}"
    return str(server.post(path, body, 202, **more)["turn_id"])


def test_a_review_goes_on_when_the_server_is_killed_and_is_one_turn(patient: Site) -> None:
    barrier, gate = Barrier(patient.project), Gate()
    patient.provider.expect(Command("echo first", yield_ms=20_000))
    patient.provider.expect(Command(barrier.command, yield_ms=20_000))
    patient.provider.expect(Text(["It is ", gate, "fine."]))
    with start(patient) as server:
        server.wait_ready()
        conversation = server.conversation()
        with server.read(conversation) as reader:
            turn = begin(server, conversation, "review", CUSTOM)
            barrier.wait_reached()
            reader.wait_type("item/completed", item_type="commandExecution")
            server.kill()
            reader.wait_end()
    barrier.open()
    gate.wait_reached()
    with start(patient) as server:
        with server.read(conversation, last_event_id=str(reader.seqs[-1])) as rest:
            gate.open()
            rest.wait_type("turn/completed", status="completed")
        log = server.events(conversation)
        check_reader([*reader.events, *rest.events], log)
        assert turns(server, conversation) == [(turn, "completed")]
        assert {event["turn_id"] for event in log} == {turn, None}
        assert text_of(log)[-1:] == ["It is fine."]
        ended = [e for e in log if e["type"] == "item/completed"]
        assert [e["item_type"] for e in ended].count("commandExecution") == 2
        patient.provider.expect(Text("next"))
        assert server.run(conversation, "and now?")["reply"] == "next"
        assert len(turns(server, conversation)) == 2


def test_a_review_that_ended_meanwhile_arrives_complete(patient: Site) -> None:
    gate = Gate()
    patient.provider.expect(Text(["It is ", gate, "fine."]))
    with start(patient) as server:
        server.wait_ready()
        conversation = server.conversation()
        turn = begin(server, conversation, "review", CUSTOM)
        gate.wait_reached()
        server.kill()
    gate.open()
    until(
        lambda: any(
            "exitedreview" in p.read_text().lower() for p in patient.home.rglob("rollout-*.jsonl")
        ),
        "the core has ended the review",
    )
    with start(patient) as server:
        with server.read(conversation) as reader:
            reader.wait_type("turn/completed", status="completed", synthetic="history")
        assert turns(server, conversation) == [(turn, "completed")]
        assert text_of(server.events(conversation)) == ["It is fine."]


@pytest.mark.parametrize("kind", ["compact", "review", "shell"])
def test_kill_9_of_the_core_ends_it_once_and_it_can_be_asked_for_again(
    patient: Site, kind: str
) -> None:
    gate, file = Gate(), patient.project / "begun"
    with start(patient) as server:
        server.wait_ready()
        headers = bearer(make_token(token_file(patient), "all", ["read", "drive", "elevate"]))
        conversation = server.conversation()
        if kind != "shell":
            patient.provider.expect(Text(["one ", gate]))
        body = {"review": CUSTOM, "shell": {"command": f"touch {file}; sleep 60"}}.get(kind)
        with server.read(conversation) as reader:
            turn = begin(server, conversation, kind, body, headers=headers)
            until(file.exists, "it runs") if kind == "shell" else gate.wait_reached()
            server.core().kill()
            end = reader.wait_type("turn/completed", status="interrupted", synthetic="core_lost")
            reader.wait(lambda e: e["type"] == "core/state" and e["data"]["state"] == "ready")
        gate.open()
        assert end["turn_id"] == turn
        patient.provider.expect(Text("this time"))
        body = {"shell": {"command": "echo again"}}.get(kind, body)
        path = f"/conversations/{conversation}/{kind}?wait=20"
        again = server.post(path, body, 200, headers=headers)
        assert turns(server, conversation) == [
            (turn, "interrupted"),
            (again["turn_id"], "completed"),
        ]


def test_a_command_that_ran_is_told_wherever_the_server_was_killed(patient: Site) -> None:
    """Requests a few milliseconds apart: the kill finds each at another point."""
    command = "touch ran-{n}; sleep 1; touch over-{n}"
    with start(patient) as server:
        server.wait_ready()
        headers = bearer(make_token(token_file(patient), "all", ["read", "drive", "elevate"]))
        conversations = [server.conversation() for _ in range(8)]
        asking = [
            threading.Thread(target=_ask, args=(server.url, each, command.format(n=n), headers))
            for n, each in enumerate(conversations)
        ]
        for each in asking:
            each.start()
            time.sleep(APART)  # noqa: TID251 # the moments are the point
        server.kill()
        for each in asking:
            each.join(20)
    with start(patient) as server:
        for n, conversation in enumerate(conversations):
            until(lambda c=conversation: _is_idle(server, c), f"the command {n} has ended")
            ran, over = ((patient.project / f"{word}-{n}").exists() for word in ("ran", "over"))
            assert ran is over
            assert [status for _, status in turns(server, conversation)] == ["completed"] * ran
        patient.provider.script = lambda _: [Text("still here")]
        for conversation in conversations:
            assert server.run(conversation)["reply"] == "still here"
            check_whole(server.events(conversation))


def _ask(url: str, conversation: str, command: str, headers: dict[str, str]) -> None:
    """Ask for a command; the server may die before it answers."""
    try:
        path = f"{url}/conversations/{conversation}/shell"
        httpx.post(path, json={"command": command}, headers=headers, timeout=20)
    except httpx.TransportError:
        pass


def _is_idle(server: Server, conversation: str) -> bool:
    ready = server.get("/health")["core"]["state"] == "ready"
    found = server.get(f"/conversations/{conversation}?include=snapshot")
    return ready and found["conversation"]["status"] == "idle" and not found["open_items"]
