"""A killed server's core goes on under its keeper, and the next server takes it over."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from codex_http_server.testing.answers import Command, Gate, Step, Text
from codex_http_server.testing.reader import Event, Reader
from codex_http_server.testing.requests import ModelRequest
from tests.support.commands import Barrier, until
from tests.support.judge import check_reader, check_whole, text_of
from tests.support.server import Server, Site, core_record, gone, left_behind, start

PATIENT = 60_000  # milliseconds that the core waits for a silent model
Cut = tuple[str, Reader]


@pytest.fixture
def patient(site: Site) -> Site:
    """A site whose core does not lose patience with a model that is patient at a gate."""
    site.configure(
        stream_idle_timeout_ms=PATIENT, sandbox_mode="workspace-write", approval_policy="never"
    )
    return site


def kill_when(site: Site, reached: Callable[[Reader], object], message: str = "begin") -> Cut:
    """Start a server and a turn, and kill the server once `reached` returns; the conversation
    and a reader of it, which was cut off."""
    with start(site) as server:
        server.wait_ready()
        conversation = server.conversation()
        with server.read(conversation) as reader:
            server.send(conversation, message)
            reached(reader)
            server.kill()
            reader.wait_end()
    return conversation, reader


def kill_while(site: Site, seen: str) -> Cut:
    """Kill the server once a reader has seen this text."""
    return kill_when(site, lambda reader: reader.wait(lambda e: e.get("text") == seen))


def resume(server: Server, conversation: str, reader: Reader) -> Reader:
    """A reader that goes on where the other one was cut off."""
    return server.read(conversation, last_event_id=str(reader.seqs[-1]))


def check(server: Server, conversation: str, *readers: Reader) -> list[Event]:
    """Judge the log, and the readers as one that was cut off in between; the log."""
    log = server.events(conversation)
    check_whole(log)
    check_reader([event for reader in readers for event in reader.events], log)
    return log


def test_a_turn_killed_in_mid_answer_goes_on_with_a_gap(patient: Site) -> None:
    gate = Gate()
    patient.provider.expect(Text(["one ", "two ", gate, "three"]))
    conversation, reader = kill_while(patient, "two ")
    core = core_record(patient)["pid"]
    with start(patient) as server:
        with resume(server, conversation, reader) as rest:
            gap = rest.wait_type("item/gap")
            assert gap["data"]["reason"] == "not_connected"
            gate.open()
            ended = rest.wait_type("turn/completed", status="completed")
        assert "synthetic" not in ended
        assert server.core().pid == core
        assert text_of(check(server, conversation, reader, rest)) == ["one two three"]
        assert server.get(f"/conversations/{conversation}")["status"] == "idle"


def test_what_ended_meanwhile_arrives_complete(patient: Site) -> None:
    gate = Gate()
    patient.provider.expect(Text(["one ", "two ", gate, "three"]), Text("a second message"))
    conversation, reader = kill_while(patient, "two ")
    gate.open()
    until(lambda: "task_complete" in rollout(patient), "the core has ended the turn")
    with start(patient) as server:
        with resume(server, conversation, reader) as rest:
            ended = rest.wait_type("turn/completed")
        assert (ended["status"], ended["synthetic"]) == ("completed", "history")
        log = check(server, conversation, reader, rest)
        assert text_of(log) == ["one two three", "a second message"]
        items = [e for e in log if e["type"] == "item/completed" and e.get("synthetic")]
        assert {item["synthetic"] for item in items} == {"history"}
        patient.provider.expect(Text("still here"))
        assert server.run(conversation, "and now?")["reply"] == "still here"


def rollout(site: Site) -> str:
    """What the core has written of its threads."""
    return "".join(path.read_text() for path in (site.home / "sessions").rglob("*.jsonl"))


def test_an_item_that_started_meanwhile_is_shown_with_its_whole_end(patient: Site) -> None:
    first, second = Gate(), Gate()
    patient.provider.expect(Text(["one", first]), Text(["two ", second, "three ", "four"]))
    conversation, reader = kill_while(patient, "one")
    first.open()
    until(lambda: '"text":"one"' in rollout(patient), "the core has finished the first message")
    with start(patient) as server:
        with resume(server, conversation, reader) as rest:
            done = rest.wait_type("item/completed", synthetic="history")
            assert done["data"]["item"]["text"] == "one"
            second.open()
            rest.wait_type("turn/completed", status="completed")
        log = check(server, conversation, reader, rest)
        assert text_of(log) == ["one", "two three four"]
        started = [e for e in log if e["type"] == "item/started" and "synthetic" in e]
        if started:  # it was still open when the new server came
            assert started[0]["synthetic"] == "history"


def test_a_running_command_goes_on_and_ends_once(patient: Site) -> None:
    barrier = Barrier(patient.project)
    patient.provider.script = _command_then_text(Command(barrier.command, yield_ms=30_000))
    conversation, reader = kill_when(patient, lambda _: barrier.wait_reached())
    with start(patient) as server:
        with resume(server, conversation, reader) as rest:
            rest.wait_type("item/gap", item_type="commandExecution")
            barrier.open()
            rest.wait_type("item/completed", item_type="commandExecution")
            rest.wait_type("turn/completed", status="completed")
        assert text_of(check(server, conversation, reader, rest)) == ["done"]


def test_a_background_command_outlives_its_turn_and_its_server(patient: Site) -> None:
    barrier = Barrier(patient.project)
    patient.provider.script = _command_then_text(Command(barrier.command, yield_ms=250))
    conversation, reader = kill_when(patient, lambda reader: reader.wait_type("turn/completed"))
    with start(patient) as server:
        with resume(server, conversation, reader) as rest:
            rest.wait_type("item/gap", item_type="commandExecution")
            barrier.open()
            rest.wait_type("item/completed", item_type="commandExecution")
        check(server, conversation, reader, rest)


def _command_then_text(command: Command):
    def script(request: ModelRequest) -> list[Step]:
        return [Text("done")] if request.results else [command]

    return script


def test_the_queue_goes_on_after_the_adopted_turn(patient: Site) -> None:
    gate = Gate()
    patient.provider.expect(Text(["one ", gate]))
    with start(patient) as server:
        server.wait_ready()
        conversation = server.conversation()
        with server.read(conversation) as reader:
            server.send(conversation, "begin")
            reader.wait(lambda e: e.get("text") == "one ")
            assert server.send(conversation, "then this")["status"] == "queued"
            server.kill()
            reader.wait_end()
    patient.provider.expect(Text("the queued answer"))
    with start(patient) as server:
        with resume(server, conversation, reader) as rest:
            rest.wait_type("item/gap")
            gate.open()
            rest.wait_type("turn/completed", status="completed")
            rest.wait(lambda e: e["type"] == "turn/completed", start=rest_after(rest))
        assert text_of(check(server, conversation, reader, rest)) == ["one ", "the queued answer"]


def rest_after(reader: Reader) -> int:
    """The index behind the first end of a turn."""
    ends = [i for i, event in enumerate(reader.events) if event["type"] == "turn/completed"]
    return ends[0] + 1


def test_several_conversations_killed_twice_in_a_row(patient: Site) -> None:
    gates = [Gate() for _ in range(4)]
    texts = {f"talk {n}": Text([f"a{n} ", gate, f"b{n}"]) for n, gate in enumerate(gates)}
    patient.provider.script = lambda request: [texts[talk_of(request)]]
    readers: list[list[Reader]] = []
    with start(patient) as server:
        server.wait_ready()
        ids = [server.conversation() for _ in gates]
        for number, conversation in enumerate(ids):
            with server.read(conversation) as reader:
                server.send(conversation, f"talk {number}")
                reader.wait(lambda e, number=number: e.get("text") == f"a{number} ")
            readers.append([reader])
        server.kill()
    for _ in range(2):
        with start(patient) as server:
            for conversation, seen in zip(ids, readers, strict=True):
                with resume(server, conversation, seen[-1]) as reader:
                    reader.wait_type("item/gap")
                seen.append(reader)
            server.kill()
    with start(patient) as server:
        for number, (conversation, seen) in enumerate(zip(ids, readers, strict=True)):
            with resume(server, conversation, seen[-1]) as reader:
                gates[number].open()
                reader.wait_type("turn/completed", status="completed")
            log = check(server, conversation, *seen, reader)
            assert text_of(log) == [f"a{number} b{number}"]


def talk_of(request: ModelRequest) -> str:
    """Which conversation the model is asked in."""
    return next(f"talk {n}" for n in range(9) if f"talk {n}" in str(request.input))


def test_an_adopted_turn_takes_a_steer_and_an_interrupt(patient: Site) -> None:
    gate = Gate()
    patient.provider.expect(Text(["one ", "two ", gate, "never"]))
    conversation, reader = kill_while(patient, "two ")
    patient.provider.expect(Text(["new ", Gate()]))
    with start(patient) as server:
        with resume(server, conversation, reader) as rest:
            assert server.send(conversation, "left!", while_busy="steer")["status"] == "steered"
            rest.wait(lambda e: e.get("text") == "new ")
            server.post(f"/conversations/{conversation}/interrupt")
            rest.wait_type("turn/completed", status="interrupted")
        check(server, conversation, reader, rest)


def test_a_repeated_key_waits_for_the_adopted_turn(patient: Site) -> None:
    gate = Gate()
    patient.provider.expect(Text(["one ", gate, "two"]))
    key, body = {"Idempotency-Key": "k"}, {"message": "begin"}
    with start(patient) as server:
        server.wait_ready()
        conversation = server.conversation()
        path = f"/conversations/{conversation}/messages"
        with server.read(conversation) as reader:
            first = server.post(path, body, 202, headers=key)
            reader.wait(lambda e: e.get("text") == "one ")
            server.kill()
    with start(patient) as server:
        with server.read(conversation) as rest:
            rest.wait_type("item/gap")
            again = server.post(path, body, 202, headers=key)
            assert (again["submit_id"], again["status"]) == (first["submit_id"], "started")
            gate.open()
            done = server.post(f"{path}?wait=20", body, 200, headers=key)
        assert done["reply"] == "one two"
        assert len(patient.provider.requests) == 1


def test_a_core_that_nobody_takes_over_in_time_is_ended_with_all_below_it(patient: Site) -> None:
    barrier = Barrier(patient.project)
    patient.provider.expect(Text("finished"), Command(barrier.command, yield_ms=30_000))
    with start(patient, "--adopt-within", "0.5") as server:
        server.wait_ready()
        conversation = server.conversation()
        with server.read(conversation) as reader:
            server.send(conversation, "begin")
            barrier.wait_reached()
            core, keeper = server.core(), server.keeper()
            server.kill()
            reader.wait_end()
    until(lambda: gone(core) and gone(keeper), "core and keeper have ended", 10)
    assert not left_behind(patient)
    assert core_record(patient)["status"] == 0
    with start(patient) as server:
        with resume(server, conversation, reader) as rest:
            rest.wait_type("turn/completed", status="interrupted", synthetic="core_lost")
        log = check(server, conversation, reader, rest)
        assert text_of(log) == ["finished"]


def test_what_a_lost_core_had_finished_is_told_by_the_next_one(patient: Site) -> None:
    gate = Gate()
    patient.provider.expect(Text(["one ", gate, "two"]))
    conversation, reader = kill_while(patient, "one ")
    gate.open()
    until(lambda: "task_complete" in rollout(patient), "the core has ended the turn")
    for process in ("keeper", "core"):
        record = core_record(patient)
        pid = record["keeper"]["pid"] if process == "keeper" else record["pid"]
        kill(pid)
    with start(patient) as server:
        with resume(server, conversation, reader) as rest:
            rest.wait_type("turn/completed", status="completed", synthetic="history")
        assert text_of(check(server, conversation, reader, rest)) == ["one two"]


def kill(pid: int) -> None:
    """End a process if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_kill_9_of_the_keeper_ends_core_and_turn_and_a_new_core_comes(
    server: Server, site: Site
) -> None:
    conversation, gate = server.conversation(), Gate()
    site.provider.expect(Text(["one ", gate]))
    with server.read(conversation) as reader:
        server.send(conversation, "begin")
        reader.wait(lambda e: e.get("text") == "one ")
        core, keeper = server.core(), server.keeper()
        keeper.kill()
        reader.wait_type("item/discarded", synthetic="core_lost")
        reader.wait_type("turn/completed", status="interrupted", synthetic="core_lost")
    assert gone(core)
    site.provider.expect(Text("here again"))
    assert server.run(conversation, "and now?")["reply"] == "here again"
    check_whole(server.events(conversation))
    assert server.keeper().pid != keeper.pid


def sockets(process: psutil.Process) -> int:
    """How many sockets a process has open."""
    found = 0
    for entry in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found += str(entry.readlink()).startswith("socket:")
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_a_connection_that_the_core_cuts_is_made_anew_and_the_turn_goes_on(patient: Site) -> None:
    gate, end = Gate(), Gate()
    flood = "".join(f"{number:05d} " for number in range(60_000))
    patient.provider.expect(
        Text(["one ", gate, *(flood[i : i + 6] for i in range(0, 360_000, 6)), end])
    )
    with start(patient) as server:
        server.wait_ready()
        conversation = server.conversation()
        with server.read(conversation) as reader:
            server.send(conversation, "begin")
            reader.wait(lambda e: e.get("text") == "one ")
            core = server.core()
            before = sockets(core)
            server.process.send_signal(signal.SIGSTOP)
            gate.open()
            until(lambda: sockets(core) < before, "the core cuts the connection", 60)
            server.process.send_signal(signal.SIGCONT)
            restarting = reader.wait(
                lambda e: e["type"] == "core/state" and e["data"]["state"] == "restarting"
            )
            assert "connection" in restarting["data"]["reason"]
            reader.wait_type("item/gap")
            end.open()
            reader.wait_type("turn/completed", status="completed")
        assert text_of(check(server, conversation, reader)) == ["one " + flood]
