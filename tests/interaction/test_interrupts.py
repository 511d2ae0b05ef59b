"""What an interrupt ends besides the model's work, and what it says of that."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from codex_http_server.testing.answers import Command, Gate, Text
from codex_http_server.testing.reader import Reader
from tests.support.access import bearer, make_token, token_file
from tests.support.commands import until, wait_for_file
from tests.support.judge import check_reader, check_whole
from tests.support.server import Server, Site
from tests.support.shared import server_at

pytestmark = pytest.mark.core

LOOSE = {"sandbox": "danger-full-access", "approval_policy": "never"}
GRACE = "0.5"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server_at(tmp_path_factory.mktemp("interrupts"), "--interrupt-grace", GRACE) as running:
        token = make_token(token_file(running.site), "all", ("read", "drive", "elevate"))
        running.client.headers.update(bearer(token))
        yield running


@pytest.fixture
def site(server: Server) -> Site:
    return server.site


def detached(program: str, pid: Path) -> str:
    """A command whose `program` leaves its process group, and writes down its pid."""
    return f"setsid sh -c 'echo $$ > {pid}.part; mv {pid}.part {pid}; {program}' >/dev/null 2>&1 &"


@contextmanager
def running(server: Server, here: str, command: str, *pids: Path) -> Iterator[Reader]:
    """A turn that runs a command, all of whose processes have begun."""
    server.site.provider.expect(Command(f"{command} sleep 300", yield_ms=20_000))
    after = server.get(f"/conversations/{here}/events?limit=1")["head"]
    with server.read(here, f"?after={after}") as reader:
        server.send(here)
        reader.wait_type("item/started", item_type="commandExecution")
        for pid in pids:
            wait_for_file(pid)
        yield reader
    check_reader(reader.events, server.events(here), after)


def interrupt(server: Server, here: str) -> Any:
    return server.post(f"/conversations/{here}/interrupt?wait=20", None, 200)


def lives(pid: Path) -> bool:
    number = int(pid.read_text())
    with suppress(psutil.Error):
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    return False


def test_what_left_its_command_is_ended_and_told(server: Server, tmp_path: Path) -> None:
    here = server.conversation(**LOOSE)
    good, bad = tmp_path / "good", tmp_path / "bad"
    command = detached("exec sleep 300", good) + detached(
        'trap "" TERM; while :; do sleep 0.1; done', bad
    )
    with running(server, here, command, good, bad) as reader:
        told = interrupt(server, here)
        event = reader.wait_type("turn/cleared")
        item = next(e["item_id"] for e in reader.events if e.get("item_type") == "commandExecution")
        end = reader.wait_type("turn/completed", status="interrupted")
    check_whole(server.events(here))
    assert not lives(good)
    assert not lives(bad)
    assert told["turn_id"] == event["turn_id"] == event["data"]["turnId"] == end["turn_id"]
    assert [each["item_id"] for each in told["commands"]] == [item]
    how = {each["pid"]: (each["how"], each["item_id"]) for each in told["processes"]}
    assert how[int(good.read_text())] == ("terminated", item)
    assert how[int(bad.read_text())] == ("killed", item)
    assert {each["itemId"] for each in event["data"]["processes"]} == {item}
    assert told["problem"] is None


def test_what_runs_for_others_goes_on(server: Server, tmp_path: Path) -> None:
    """An earlier turn's process, another conversation's, and a command in the background."""
    here, other = server.conversation(**LOOSE), server.conversation(**LOOSE)
    earlier, elsewhere = tmp_path / "earlier", tmp_path / "elsewhere"
    try:
        for conversation, pid in ((here, earlier), (other, elsewhere)):
            server.site.provider.expect(Command(detached("exec sleep 300", pid)))
            server.site.provider.expect(Text("started"))
            server.run(conversation)
            wait_for_file(pid)
        server.site.provider.expect(Command("sleep 299", yield_ms=250), Text("in the background"))
        server.run(here)
        with running(server, here, "") as reader:
            told = interrupt(server, here)
            reader.wait_type("turn/cleared")
        assert [each["command"].strip() for each in told["commands"]] == ["sleep 300"]
        # What is told as ended is the command's own, where that has not gone at once.
        ended = {each["item_id"] for each in told["processes"]}
        assert ended <= {each["item_id"] for each in told["commands"]}
        assert lives(earlier)
        assert lives(elsewhere)
        terminals = server.get(f"/conversations/{here}/terminals")["data"]
        assert [each["command"] for each in terminals] == ["sleep 299"]
    finally:
        server.client.delete(f"/conversations/{here}/terminals")
        for pid in (earlier, elsewhere):
            os.kill(int(pid.read_text()), 9)


def test_a_turn_without_commands_leaves_nothing(server: Server, site: Site) -> None:
    here, gate = server.conversation(), Gate()
    site.provider.expect(Text(["one ", gate]))
    with server.read(here) as reader:
        server.send(here)
        reader.wait(lambda e: e.get("text") == "one ")
        told = interrupt(server, here)
        gate.open()
        reader.wait_type("turn/completed")
    assert "turn/cleared" not in {event["type"] for event in server.events(here)}
    assert (told["commands"], told["processes"], told["removed_messages"]) == ([], [], 0)


def test_who_does_not_wait_long_enough_is_told_that_it_was_asked(
    server: Server, tmp_path: Path
) -> None:
    here, bad = server.conversation(**LOOSE), tmp_path / "bad"
    command = detached('trap "" TERM; while :; do sleep 0.1; done', bad)
    with running(server, here, command, bad) as reader:
        path = f"/conversations/{here}/interrupt?wait=0.01"
        assert set(server.post(path, None, 202)) == {"turn_id", "removed_messages"}
        reader.wait_type("turn/cleared")
    until(lambda: not lives(bad), "it has ended")


def test_stopping_everything_ends_what_left_its_command_too(server: Server, tmp_path: Path) -> None:
    here, pid = server.conversation(**LOOSE), tmp_path / "pid"
    with running(server, here, detached("exec sleep 300", pid), pid) as reader:
        assert server.post("/interrupt", None, 202)["conversations"] == [here]
        told = reader.wait_type("turn/cleared")
    assert [each["pid"] for each in told["data"]["processes"]] == [int(pid.read_text())]
    assert not lives(pid)


@pytest.mark.parametrize("wait", ["-1", "601", "x"])
def test_a_wrong_wait_is_422(server: Server, wait: str) -> None:
    answer = server.client.post(f"/conversations/{server.conversation()}/interrupt?wait={wait}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "wait"
