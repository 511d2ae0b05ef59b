"""After `kill -9` numbering goes on behind a hole; no client is sent into it."""

from __future__ import annotations

from codex_http_server.testing.answers import Text
from tests.support.server import Site, start


def test_a_snapshot_after_a_kill_names_a_place_where_a_reader_can_go_on(site: Site) -> None:
    site.provider.expect(Text("one"))
    with start(site) as server:
        server.wait_ready()
        conversation = server.conversation()
        server.run(conversation)
        server.kill()
    with start(site) as server:
        server.wait_ready()
        snapshot = server.get(f"/conversations/{conversation}?include=snapshot")
        page = server.get(f"/conversations/{conversation}/events?after={snapshot['seq']}")
        assert "feed/reset" not in [event["type"] for event in page["data"]]
        assert snapshot["seq"] <= page["head"]
        page = server.get(f"/events?after={snapshot['position']}")
        assert "feed/reset" not in [event["type"] for event in page["data"]]
        site.provider.expect(Text("two"))
        with server.read(conversation, f"?after={snapshot['seq']}") as reader:
            server.run(conversation, "and now?")
            reader.wait_type("turn/completed", status="completed")
        assert "feed/reset" not in [event["type"] for event in reader.events]
        assert reader.seqs[0] > snapshot["seq"] + 500
