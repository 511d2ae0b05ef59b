"""A conversation as a file: whole, at one moment, readable, under a safe name."""

from __future__ import annotations

import json

import msgspec
import pytest

from codex_http_server.conversations import exporting
from codex_http_server.events import Event, raw
from codex_http_server.testing.answers import Command, Gate, Text
from tests.support.codes import refused
from tests.support.server import Server, Site, start

pytestmark = pytest.mark.lent


def event(item: dict[str, object], kind: str = "item/completed") -> Event:
    return Event(
        seq=1, position=1, conversation_id="c", turn_id="t", item_id="i", type=kind,
        item_type=str(item["type"]), text=None, status=None, synthetic=None, at_ms=0, core="",
        data=raw({"item": item}), log_tag="x",
    )  # fmt: skip


def markdown(item: dict[str, object], kind: str = "item/completed") -> str:
    return exporting.part(event(item, kind), "markdown").decode()


def test_json_lines_are_the_events_of_the_log_also_after_a_restart(site: Site) -> None:
    with start(site) as first:
        first.wait_ready()
        here = first.conversation(title='My "work" / ü\r\nSet-Cookie: a=b')
        site.provider.expect(Command("echo hi"))
        site.provider.expect(Text("done"))
        first.run(here, "say hi")
        events = first.events(here)
        answer = first.client.get(f"/conversations/{here}/export")
        first.kill()
    assert answer.headers["content-type"] == "application/jsonl; charset=utf-8"
    name = f"My-work-Set-Cookie-a-b-{here}.jsonl"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert "set-cookie" not in answer.headers
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert (lines[0]["conversation"]["id"], lines[0]["conversation"]["head"]) == (
        here, events[-1]["seq"],
    )  # fmt: skip
    assert lines[1:] == events
    with start(site) as second:
        second.wait_ready()
        again = second.client.get(f"/conversations/{here}/export")
        assert again.text.splitlines()[1 : len(lines)] == answer.text.splitlines()[1:]


def test_markdown_reads_well(server: Server, site: Site) -> None:
    here = server.conversation()
    site.provider.expect(Command("echo '```' `date +%Y`"))
    site.provider.expect(Text("All **done**."))
    server.run(here, "say hi\n\nplease")
    answer = server.client.get(f"/conversations/{here}/export?format=markdown")
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    text = answer.text
    assert text.startswith("# say hi please\n")
    assert "## User\n" in text
    assert "say hi\n\nplease\n" in text
    assert "## commandExecution" in text
    assert "\n````\n$ " in text
    assert text.rstrip().endswith("All **done**.")


def test_one_that_runs_is_given_up_to_now(server: Server, site: Site) -> None:
    here, gate = server.conversation(), Gate()
    site.provider.expect(Text(["half ", gate, "whole"]))
    server.send(here)
    gate.wait_reached()
    answer = server.client.get(f"/conversations/{here}/export")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines[-1]["seq"] <= lines[0]["conversation"]["head"]
    assert "turn/completed" not in {line.get("type") for line in lines}
    with server.read(here) as reader:
        gate.open()
        reader.wait_type("turn/completed")


def test_another_format_and_another_conversation_are_refused(server: Server) -> None:
    here = server.conversation()
    answer = server.client.get(f"/conversations/{here}/export?format=pdf")
    problem = refused(answer, 422, "invalid_request")
    assert problem["errors"][0]["field"] == "format"
    refused(server.client.get("/conversations/nobody/export"), 404, "conversation_not_found")


def test_what_markdown_makes_of_other_items() -> None:
    change = {"path": "a.py", "diff": "-1\n+2\n", "kind": {"type": "update"}}
    assert "`a.py`\n\n```diff\n-1\n+2\n```" in markdown({"type": "fileChange", "changes": [change]})
    image = {"type": "image", "url": "data:image/png;base64,AAAA"}
    seen = markdown(
        {"type": "userMessage", "content": [image, {"type": "image", "url": "http://x"}]}
    )
    assert "[image]\n\n[image http://x]" in seen
    assert markdown({"type": "reasoning", "summary": []}) == ""
    assert "```json\n" in markdown({"type": "webSearch", "query": "q"})
    assert "```json\n" in markdown({"type": "fileChange", "changes": [1]}), "of another core"
    broken = markdown({"type": "agentMessage", "text": "half"}, "item/discarded")
    assert "## Codex (broken off)" in broken
    assert exporting.part(event({"type": "x"}, "turn/started"), "markdown") == b""


def test_a_name_is_safe_whatever_the_title() -> None:
    assert exporting.file_name("../../etc/pässwd\0", "id", "jsonl") == "etc-p-sswd-id.jsonl"
    assert exporting.file_name(None, "id", "markdown") == "conversation-id.md"
    assert len(exporting.file_name("a" * 999, "id", "jsonl")) < 80
    assert msgspec.json.decode(exporting.head({"id": "x"}, "jsonl")) == {
        "conversation": {"id": "x"}
    }
