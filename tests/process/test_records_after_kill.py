"""What a client was told of a conversation is on disk, whatever dies next."""

from __future__ import annotations

from codex_http_server.testing.answers import Gate, Text
from tests.support.judge import check_whole, text_of
from tests.support.server import Site, start


def test_a_new_title_and_a_new_sandbox_outlive_a_killed_server(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        conversation = server.conversation()
        changed = {"title": "mine", "sandbox": "read-only"}
        answer = server.client.patch(f"/conversations/{conversation}", json=changed)
        assert answer.status_code == 200
        server.kill()
    with start(site) as server:
        found = server.get(f"/conversations/{conversation}")
        assert (found["title"], found["sandbox"]) == ("mine", "read-only")


def test_a_turn_in_a_thread_that_replaced_another_is_run_once(site: Site) -> None:
    """A thread without a turn dies with its core; its successor must be known to the log."""
    site.configure(stream_idle_timeout_ms=60_000)  # the core waits for a model at a gate
    gate = Gate()
    site.provider.expect(Text(["one ", gate, "two"]))
    with start(site) as server:
        server.wait_ready()
        conversation = server.conversation()
        with server.read_all("?after=latest") as states:
            server.core().kill()
            states.wait_type("core/state", status="ready")
        with server.read(conversation) as reader:
            server.send(conversation, "begin")
            reader.wait(lambda e: e.get("text") == "one ")
            server.kill()
            reader.wait_end()
    with start(site) as server:
        with server.read(conversation) as reader:
            reader.wait_type("item/gap")
            gate.open()
            reader.wait_type("turn/completed", status="completed")
        log = server.events(conversation)
        check_whole(log)
        assert text_of(log) == ["one two"]
        assert len(site.provider.requests) == 1
