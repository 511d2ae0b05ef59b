"""A core that was told to end finishes its turns and takes nothing new; no message is lost."""

from __future__ import annotations

from codex_http_server.testing.answers import Gate, Text
from tests.support.commands import until
from tests.support.judge import text_of
from tests.support.server import Server, Site


def test_a_message_to_a_core_that_ends_waits_for_the_next_one(server: Server, site: Site) -> None:
    first, second, gate = server.conversation(), server.conversation(), Gate()
    site.provider.expect(Text(["one ", gate, "two"]))
    site.provider.script = lambda _: [Text("fine")]
    body = {"working_directory": str(site.project)}
    with server.read(first) as reader, server.read(second) as other:
        server.send(first, "begin")
        reader.wait(lambda e: e.get("text") == "one ")
        server.core().terminate()
        until(
            lambda: server.client.post("/conversations", json=body).status_code == 503,
            "the core takes nothing new",
        )
        assert server.send(second, "and you?")["status"] == "queued"
        gate.open()
        other.wait_type("turn/completed", status="completed")
    assert text_of(server.events(second)) == ["fine"]
