"""Approvals while nobody is there: the server is killed, and the core goes on waiting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from codex_http_server.testing.answers import Text, ToolCall
from codex_http_server.testing.reader import Event
from tests.support.approvals import (
    QUESTIONS,
    allow_all_questions,
    asked,
    check_once,
    helped_model,
    output,
    outside,
    path_of,
    says,
)
from tests.support.codes import refused
from tests.support.commands import until
from tests.support.judge import check_whole
from tests.support.other_client import OtherClient
from tests.support.server import Server, Site, core_record, start

pytestmark = pytest.mark.core


def left(site: Site, kind: str = "command", **body: Any) -> tuple[str, Event]:
    """A server that was killed while an approval waited; the conversation, and what was asked."""
    allow_all_questions(site)
    with start(site) as server:
        server.wait_ready()
        with asked(server, kind, **body) as (here, event, _):
            server.kill()
    return here, event


@contextmanager
def again(site: Site) -> Iterator[Server]:
    """The next server, on the same core."""
    core = core_record(site)["pid"]
    with start(site) as server:
        server.wait_ready()
        assert server.core().pid == core
        yield server


def end_of(server: Server, here: str) -> Any:
    """The end of the only approval; the log is whole."""
    events = server.events(here)
    check_whole(events)
    check_once(events)
    return next(e["data"] for e in events if e["type"] == "approval/resolved")


@pytest.mark.parametrize("kind", ["command", "file_change", "permissions", "elicitation"])
def test_an_approval_outlives_the_server_and_is_answered_by_the_next(site: Site, kind: str) -> None:
    here, event = left(site, kind)
    with again(site) as server, server.read(here) as reader:
        found = server.get(path_of(here, event))
        assert found["status"] == "pending"
        for name in ("deadline_at", "diff", "decisions", "request", "kind"):
            assert found[name] == event["data"][name], name
        assert server.get(f"/conversations/{here}")["waiting_for_approval"] == 1
        says(server)
        content = {"content": {"colour": "red"}} if kind == "elicitation" else {}
        server.post(path_of(here, event), {"decision": "accept"} | content, 200)
        reader.wait_type("turn/completed", status="completed")
        assert end_of(server, here)["by"] == "local"
        assert server.get(f"/conversations/{here}")["waiting_for_approval"] == 0
    assert outside(site).exists() is (kind == "command")


def test_a_question_outlives_the_server(site: Site) -> None:
    here, event = left(site, "question")
    with again(site) as server, server.read(here) as reader:
        says(server)
        server.post(path_of(here, event), {"answers": {"colour": "blue"}}, 200)
        reader.wait_type("turn/completed", status="completed")
        assert output(site) == '{"answers":{"colour":{"answers":["blue"]}}}'
        end_of(server, here)


def test_a_tool_call_outlives_the_server_and_a_tool_the_core(site: Site) -> None:
    here, event = left(site, "tool_call")
    with again(site) as server, server.read(here) as reader:
        says(server)
        server.post(path_of(here, event), {"result": "42"}, 200)
        reader.wait_type("turn/completed", status="completed")
        assert "42" in str(output(site))
        end_of(server, here)
        server.core().kill()
        reader.wait(lambda e: e["type"] == "core/state" and e["data"]["state"] == "restarting")
        with asked(server, "tool_call", here) as (_, second, rest):
            says(server)
            server.post(path_of(here, second), {"decision": "decline"}, 200)
            rest.wait_type("turn/completed", status="completed")


def test_the_question_of_a_helper_outlives_the_server(site: Site) -> None:
    site.provider.script = helped_model(site)
    with start(site) as server:
        server.wait_ready()
        here = server.conversation()
        with server.read(here) as reader:
            server.send(here)
            event = reader.wait_type("approval/requested")
            server.kill()
    with again(site) as server, server.read(here) as reader:
        server.post(path_of(here, event), {"decision": "accept"}, 200)
        reader.wait_type("turn/completed", status="completed")
        assert end_of(server, here)["by"] == "local"
    assert outside(site).exists()


def test_its_deadline_goes_on_while_no_server_is_there(site: Site) -> None:
    here, event = left(site, approval_deadline=1)
    site.provider.expect(Text("nobody was there"))
    with again(site) as server, server.read(here) as reader:
        reader.wait_type("turn/completed", status="completed")
        end = end_of(server, here)
        assert (end["by"], end["reason"], end["decision"]) == ("server", "expired", "decline")
        assert server.get(path_of(here, event))["deadline_at"] == event["data"]["deadline_at"]
    assert not outside(site).exists()


def test_what_another_client_answers_meanwhile_has_ended(site: Site) -> None:
    here, event = left(site)
    with OtherClient(site) as other:
        other.call("thread/resume", threadId=event["data"]["request"]["threadId"])
        site.provider.expect(Text("I was allowed"))
        other.answer(other.question(), {"decision": "accept"})
        other.notice("turn/completed")
    with again(site) as server:
        with server.read(here) as reader:
            reader.wait_type("turn/completed", status="completed")
        end = end_of(server, here)
        assert (end["by"], end["reason"]) == ("client", "while_not_connected")
        answer = server.client.post(path_of(here, event), json={"decision": "decline"})
        refused(answer, 409, "approval_ended")
    assert outside(site).exists()


def test_what_is_answered_meanwhile_while_the_turn_goes_on_has_ended_too(site: Site) -> None:
    here, event = left(site)
    with OtherClient(site) as other:
        other.call("thread/resume", threadId=event["data"]["request"]["threadId"])
        site.provider.expect(ToolCall("request_user_input", QUESTIONS))
        other.answer(other.question(), {"decision": "accept"})
        other.wait(lambda message: message.get("method") == "item/tool/requestUserInput")
    with again(site) as server, server.read(here) as reader:
        first = reader.wait_type("approval/resolved")
        assert first["data"]["reason"] == "while_not_connected"
        second = reader.wait(
            lambda e: e["type"] == "approval/requested" and e["data"]["kind"] == "question"
        )
        says(server)
        server.post(path_of(here, second), {"decision": "decline"}, 200)
        reader.wait_type("turn/completed", status="completed")
        check_once(server.events(here))


def test_both_die_and_the_approval_is_void(site: Site) -> None:
    allow_all_questions(site)
    with start(site) as server:
        server.wait_ready()
        with asked(server) as (here, event, _):
            core = server.core()
            server.kill()
            core.kill()
            until(lambda: "status" in core_record(site), "the keeper has written the core's end")
    with start(site) as server:
        server.wait_ready()
        with server.read(here) as reader:
            reader.wait_type("turn/completed", status="interrupted")
        end = end_of(server, here)
        assert (end["by"], end["reason"], end["decision"]) == ("core_lost", "core_lost", None)
        assert server.get("/approvals")["data"] == []
        answer = server.client.post(path_of(here, event), json={"decision": "accept"})
        refused(answer, 409, "approval_ended")
    assert not outside(site).exists()
