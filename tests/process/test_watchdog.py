"""Turns gone silent, a core that does not answer, a core grown too large."""

from __future__ import annotations

import signal

from codex_http_server.engine.process import find_core
from codex_http_server.testing.answers import Gate, Text
from codex_http_server.testing.reader import Event
from tests.support.judge import check_whole
from tests.support.server import Site, gone, start

PATIENT = 60_000  # milliseconds that the core waits for a silent model


def is_ready(event: Event) -> bool:
    return event["type"] == "core/state" and event["data"]["state"] == "ready"


def is_restarting(event: Event) -> bool:
    return event["type"] == "core/state" and event["data"]["state"] == "restarting"


def test_a_turn_that_gives_no_sign_is_interrupted_and_says_so(site: Site) -> None:
    site.configure(stream_idle_timeout_ms=PATIENT)
    site.provider.expect(Text(["one ", Gate()]))
    with start(site, "--turn-silence", "1") as server:
        server.wait_ready()
        conversation = server.conversation()
        with server.read(conversation) as reader:
            server.send(conversation, "begin")
            stalled = reader.wait_type("turn/stalled")
            assert stalled["data"]["silent_seconds"] >= 1
            reader.wait_type("turn/completed", status="interrupted")
        site.provider.expect(Text("here again"))
        assert server.run(conversation, "and now?")["reply"] == "here again"
        check_whole(server.events(conversation))


def test_a_core_that_does_not_answer_is_ended_and_started_again(site: Site) -> None:
    site.configure(stream_idle_timeout_ms=PATIENT)
    site.provider.expect(Text(["one ", Gate()]))
    with start(site, "--core-check", "1") as server:
        server.wait_ready()
        conversation = server.conversation()
        with server.read(conversation) as reader:
            server.send(conversation, "begin")
            reader.wait(lambda e: e.get("text") == "one ")
            core = server.core()
            core.send_signal(signal.SIGSTOP)
            restarting = reader.wait(is_restarting)
            assert "unanswered" in restarting["data"]["reason"]
            reader.wait_type("turn/completed", status="interrupted", synthetic="core_lost")
        assert gone(core)
        site.provider.expect(Text("here again"))
        assert server.run(conversation, "and now?")["reply"] == "here again"
        check_whole(server.events(conversation))


def test_a_core_over_its_budget_is_recycled_when_nothing_runs(site: Site) -> None:
    site.configure(stream_idle_timeout_ms=PATIENT)
    gate = Gate()
    site.provider.expect(Text(["one ", gate, "two"]))
    with start(site, "--core-memory", "60MiB") as server:
        with server.read_all() as everything:
            everything.wait(is_ready)
            conversation = server.conversation()
            with server.read(conversation) as reader:
                server.send(conversation, "begin")
                reader.wait(lambda e: e.get("text") == "one ")
                core = server.core()
                gate.open()
                reader.wait_type("turn/completed", status="completed")
            recycled = everything.wait(is_restarting)
            assert "while nothing runs" in recycled["data"]["reason"]
            everything.wait(is_ready, start=everything.events.index(recycled))
        assert gone(core)
        site.provider.expect(Text("here again"))
        assert server.run(conversation, "and now?")["reply"] == "here again"
        check_whole(server.events(conversation))


def test_a_core_of_another_kind_is_taken_over_and_replaced_when_its_turn_is_over(
    site: Site,
) -> None:
    site.configure(stream_idle_timeout_ms=PATIENT)
    gate = Gate()
    site.provider.expect(Text(["one ", gate, "two"]))
    with start(site) as server:
        server.wait_ready()
        conversation = server.conversation()
        with server.read(conversation) as reader:
            server.send(conversation, "begin")
            reader.wait(lambda e: e.get("text") == "one ")
            core = server.core()
            server.kill()
    other = site.root / "codex"
    other.symlink_to(find_core(None))
    with start(site, "--codex-bin", str(other)) as server:
        with server.read(conversation, last_event_id=str(reader.seqs[-1])) as rest:
            rest.wait_type("item/gap")
            assert server.core().pid == core.pid
            gate.open()
            rest.wait_type("turn/completed", status="completed")
            restarting = rest.wait(is_restarting)
            rest.wait(is_ready, start=rest.events.index(restarting))
        assert gone(core)
        assert str(other) in server.core().cmdline()
        check_whole(server.events(conversation))
