"""Questions of the core, answered over HTTP: each kind, with each kind of answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from codex_http_server.api import schemas
from codex_http_server.testing.answers import Command, Text, ToolCall, WriteStdin
from tests.support.approvals import (
    allow_all_questions,
    asked,
    check_once,
    command,
    helped_model,
    output,
    outside,
    path_of,
    says,
)
from tests.support.codes import refused
from tests.support.judge import check_whole
from tests.support.other_client import OtherClient
from tests.support.server import Server, Site, start
from tests.support.shared import lent, server_at, site_at

pytestmark = pytest.mark.core

KINDS = ("command", "file_change", "permissions", "question", "elicitation", "tool_call")


@contextmanager
def asking(root: Path) -> Iterator[Server]:
    """A server whose model can ask in every way."""
    with site_at(root) as site:
        allow_all_questions(site)
        with start(site) as running:
            running.wait_ready()
            yield running


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with asking(tmp_path_factory.mktemp("asking")) as running:
        yield running


@pytest.fixture
def server(kept: Server) -> Iterator[Server]:
    """The server that the tests share."""
    outside(kept.site).unlink(missing_ok=True)
    with lent(kept) as running:
        yield running


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Server]:
    """A server of one test, which counts all that there is, or ends it."""
    with asking(tmp_path) as running:
        yield running


@pytest.fixture
def site(server: Server) -> Site:
    return server.site


def ids(asked: dict[str, Any]) -> list[str]:
    return [each["id"] for each in asked["data"]["decisions"]]


def resolved(server: Server, conversation: str) -> dict[str, Any]:
    """The end of the only approval, whose log is whole."""
    events = server.events(conversation)
    check_whole(events)
    check_once(events)
    (end,) = [e for e in events if e["type"] == "approval/resolved"]
    return end["data"]


# --- each kind --------------------------------------------------------------------------------


def test_a_command_is_accepted_and_runs(server: Server, site: Site) -> None:
    with asked(server) as (here, event, reader):
        assert event["data"]["kind"] == "command"
        assert str(outside(site)) in event["data"]["request"]["command"]
        assert ids(event) == ["accept", "acceptWithExecpolicyAmendment", "cancel", "decline"]
        assert [each["offered"] for each in event["data"]["decisions"]] == [True, True, True, False]
        assert not outside(site).exists()
        says(server)
        answered = server.post(path_of(here, event), {"decision": "accept"}, 200)
        assert answered["status"] == "resolved"
        assert answered["resolution"]["by"] == "local"
        reader.wait_type("turn/completed", status="completed")
    assert outside(site).exists()
    end = resolved(server, here)
    assert (end["decision"], end["answer"]) == ("accept", {"decision": "accept"})
    assert (end["by"], end["reason"]) == ("local", "answered")


def test_input_to_a_command_outside_the_sandbox_is_refused_and_the_command_runs_on(
    server: Server, site: Site
) -> None:
    def model(request: Any) -> list[Any]:
        last = request.body["input"][-1]
        if last["type"] == "message":
            return [Command("cat", yield_ms=300, tty=True, escalate=True)]
        running = re.search(r"session ID (\d+)", str(last["output"]))
        return [WriteStdin(int(running[1]), "hello")] if running else [Text("so be it")]

    site.provider.script = model
    here = server.conversation()
    with server.read(here) as reader:
        server.send(here)
        first = reader.wait_type("approval/requested")
        server.post(path_of(here, first), {"decision": "accept"}, 200)
        second = reader.wait(
            lambda e: e["type"] == "approval/requested" and e["seq"] > first["seq"]
        )
        assert second["data"]["request"]["kind"] == "writeStdin"
        assert second["item_id"] == first["item_id"]
        assert ids(second) == ["accept", "cancel", "decline"]
        server.post(path_of(here, second), {"decision": "decline"}, 200)
        reader.wait_type("turn/completed", status="completed")
        assert "rejected" in str(output(site))
        snapshot = server.get(f"/conversations/{here}?include=snapshot")
        assert [item["item_id"] for item in snapshot["open_items"]] == [first["item_id"]]
    check_once(server.events(here))


def test_a_file_change_shows_its_diff_and_is_made(server: Server, site: Site) -> None:
    with asked(server, "file_change") as (here, event, reader):
        path = site.project / "new.txt"
        diff = f"--- /dev/null\n+++ {path}\n@@ -0,0 +1,2 @@\n+one\n+two\n"
        assert event["data"]["diff"] == diff
        assert ids(event) == ["accept", "acceptForSession", "decline", "cancel"]
        says(server)
        server.post(path_of(here, event), {"decision": "acceptForSession"}, 200)
        reader.wait_type("turn/completed", status="completed")
    assert path.read_text() == "one\ntwo\n"
    assert resolved(server, here)["decision"] == "acceptForSession"


@pytest.mark.parametrize("decision", ["accept", "acceptForSession"])
def test_permissions_are_granted_as_they_were_asked_for(
    server: Server, site: Site, decision: str
) -> None:
    with asked(server, "permissions") as (here, event, reader):
        assert ids(event) == ["accept", "acceptForSession", "decline"]
        says(server)
        server.post(path_of(here, event), {"decision": decision}, 200)
        reader.wait_type("turn/completed", status="completed")
    told = output(site)
    assert str(site.root) in told
    assert ('"scope":"session"' in told) is (decision == "acceptForSession")
    assert resolved(server, here)["answer"]["permissions"]["fileSystem"]["write"] == [
        str(site.root)
    ]


@pytest.mark.parametrize("given", ["blue", ["blue"]])
def test_a_question_gets_its_answers(server: Server, site: Site, given: Any) -> None:
    with asked(server, "question") as (here, event, reader):
        assert event["data"]["request"]["questions"][0]["question"] == "Which colour?"
        says(server)
        server.post(path_of(here, event), {"answers": {"colour": given}}, 200)
        reader.wait_type("turn/completed", status="completed")
    assert output(site) == '{"answers":{"colour":{"answers":["blue"]}}}'
    assert resolved(server, here)["decision"] == "answer"


def test_an_elicitation_takes_the_form(server: Server, site: Site) -> None:
    with asked(server, "elicitation") as (here, event, reader):
        assert event["data"]["request"]["serverName"] == "asker"
        says(server)
        path = path_of(here, event)
        refused(
            server.client.post(path, json={"action": "accept", "content": {}}),
            422, "invalid_request", "content.colour",
        )  # fmt: skip
        refused(
            server.client.post(path, json={"action": "accept"}), 422, "invalid_request", "content"
        )
        server.post(path, {"action": "accept", "content": {"colour": "red"}}, 200)
        reader.wait_type("turn/completed", status="completed")
    assert '"content": {"colour": "red"}' in str(output(site))
    assert resolved(server, here)["answer"]["content"] == {"colour": "red"}


def test_a_call_of_an_mcp_tool_is_allowed_for_the_session_but_not_for_ever(
    server: Server, site: Site
) -> None:
    here = server.conversation()
    site.provider.expect(ToolCall("write", {}, "mcp__asker"))
    with server.read(here) as reader:
        server.send(here)
        event = reader.wait_type("approval/requested")
        wanted = ["accept", "acceptForSession", "acceptAlways", "decline", "cancel"]
        assert ids(event) == wanted
        path = path_of(here, event)
        always = refused(server.client.post(path, json={"decision": "acceptAlways"}), 403,
                         "scope_required")  # fmt: skip
        assert always["scope"] == "elevate"
        site.provider.expect(ToolCall("write", {}, "mcp__asker"))
        says(server)
        server.post(path, {"decision": "acceptForSession"}, 200)
        reader.wait_type("turn/completed", status="completed")
    assert "written" in str(output(site))
    assert resolved(server, here)["decision"] == "acceptForSession"


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ("42", "42"),
        ({"success": True, "contentItems": [{"type": "inputText", "text": "two"}]}, "two"),
        ({"success": False, "contentItems": [{"type": "inputText", "text": "none"}]}, "none"),
    ],
)
def test_a_tool_of_the_client_gives_its_result(
    server: Server, site: Site, result: Any, told: str
) -> None:
    with asked(server, "tool_call") as (here, event, reader):
        assert ids(event) == ["result", "decline"]
        request = event["data"]["request"]
        assert (request["tool"], request["arguments"]) == ("lookup", {"order": "7"})
        says(server)
        server.post(path_of(here, event), {"result": result}, 200)
        reader.wait_type("turn/completed", status="completed")
    assert told in str(output(site))
    assert resolved(server, here)["decision"] == "result"


def test_a_tool_call_that_another_client_answers_has_ended(server: Server, site: Site) -> None:
    with asked(server, "tool_call") as (here, _, reader), OtherClient(site) as other:
        thread = server.get(f"/conversations/{here}")["thread_id"]
        other.call("thread/resume", threadId=thread, excludeTurns=True)
        says(server)
        text = {"type": "inputText", "text": "from the other"}
        other.answer(other.question(), {"success": True, "contentItems": [text]})
        reader.wait_type("turn/completed", status="completed")
    assert "from the other" in str(output(site))
    assert resolved(server, here)["by"] == "client"


# --- no ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_declined_question_lets_the_turn_go_on(server: Server, site: Site, kind: str) -> None:
    with asked(server, kind) as (here, event, reader):
        assert event["data"]["default"] == "decline"
        says(server, "then not")
        server.post(path_of(here, event), {"decision": "decline"}, 200)
        done = reader.wait_type("turn/completed", status="completed")
        assert server.get(f"/conversations/{here}")["waiting_for_approval"] == 0
    assert done["status"] == "completed"
    assert resolved(server, here)["decision"] == "decline"
    assert not outside(site).exists()
    assert not (site.project / "new.txt").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_answers_and_it_is_declined_in_time(server: Server, site: Site, kind: str) -> None:
    with asked(server, kind, then="nobody was there", approval_deadline=0.5) as talk:
        here, event, reader = talk
        reader.wait_type("turn/completed", status="completed")
        end = reader.wait_type("approval/resolved")
    assert event["data"]["deadline_at"] <= end["data"]["at"]
    assert (end["data"]["by"], end["data"]["reason"]) == ("server", "expired")
    assert resolved(server, here)["decision"] == "decline"
    assert not outside(site).exists()


@pytest.mark.parametrize("kind", ["command", "file_change"])
def test_a_cancelled_question_ends_the_turn(server: Server, site: Site, kind: str) -> None:
    with asked(server, kind) as (here, event, reader):
        server.post(path_of(here, event), {"decision": "cancel"}, 200)
        reader.wait_type("turn/completed", status="interrupted")
    assert resolved(server, here)["decision"] == "cancel"
    assert not outside(site).exists()


def test_alone_an_approval_waits_as_long_as_is_set_for_that(tmp_path: Path) -> None:
    settings = ("--approval-deadline", "900", "--approval-deadline-alone", "0.2")
    with server_at(tmp_path, *settings) as server:
        site = server.site
        with asked(server) as (here, event, reader):  # its reader is a client
            says(server)
            server.post(path_of(here, event), {"decision": "decline"}, 200)
            reader.wait_type("turn/completed")
        site.provider.expect(command(site))
        says(server)
        assert server.run(here)["turn"]["status"] == "completed"
        alone, attended = server.get(f"/conversations/{here}/approvals?all=1")["data"]
    assert alone["resolution"]["reason"] == "expired"
    assert attended["resolution"]["reason"] == "answered"


def test_a_deadline_is_set_and_changed_for_a_conversation(server: Server) -> None:
    here = server.conversation(approval_deadline=60)
    path = f"/conversations/{here}"
    assert server.get(path)["approval_deadline"] == 60
    changed = server.client.patch(path, json={"approval_deadline": 0})
    assert changed.json()["approval_deadline"] == 0
    with asked(server, conversation=here) as (_, event, reader):
        assert event["data"]["deadline_at"] is None
        says(server)
        server.post(path_of(here, event), {"decision": "decline"}, 200)
        reader.wait_type("turn/completed")
    for wrong in (-1, 8 * 86400, "soon"):
        answer = server.client.patch(path, json={"approval_deadline": wrong})
        refused(answer, 422, "invalid_request", "approval_deadline")


# --- who may, and what not ----------------------------------------------------------------------


def test_what_outlasts_the_session_needs_another_scope(server: Server) -> None:
    with asked(server) as (here, event, _):
        decisions = {each["id"]: each for each in event["data"]["decisions"]}
        amend = decisions["acceptWithExecpolicyAmendment"]
        assert [decisions[name]["needs"] for name in ("accept", "cancel", "decline")] == [
            "approve"
        ] * 3
        assert amend["needs"] == "elevate"
        path = path_of(here, event)
        for given in (amend["id"], amend["answer"]["decision"]):
            answer = server.client.post(path, json={"decision": given})
            assert refused(answer, 403, "scope_required")["scope"] == "elevate"
        assert server.get(path)["status"] == "pending"
        says(server)
        server.post(path, {"decision": "decline"}, 200)


def test_what_is_not_offered_is_refused_and_what_is_is_named(server: Server) -> None:
    with asked(server) as (here, event, _):
        path = path_of(here, event)
        for wrong in ("acceptForSession", "", {"acceptWithExecpolicyAmendment": {}}):
            answer = server.client.post(path, json={"decision": wrong})
            problem = refused(answer, 422, "decision_not_offered", "decision")
            assert problem["offered"] == ids(event)
        for body, field in (
            ({}, "body"),
            ({"decision": "accept", "answers": {"a": "b"}}, "answers"),
            ({"decision": "accept", "action": "decline"}, "body"),
            ({"decision": 7}, None),
            ({"result": {"success": True}}, None),
        ):
            answer = server.client.post(path, json=body)
            refused(answer, 422, "invalid_request", field)
        assert server.get(path)["status"] == "pending"
        says(server)
        server.post(path, {"decision": "decline"}, 200)


def test_an_answer_must_be_to_a_question_that_was_asked(server: Server) -> None:
    with asked(server, "question") as (here, event, _):
        path = path_of(here, event)
        for answers, field in (({"size": "big"}, "answers.size"), ({}, "answers")):
            answer = server.client.post(path, json={"answers": answers})
            refused(answer, 422, "invalid_request", field)
        says(server)
        server.post(path, {"answers": {"colour": "a colour of my own"}}, 200)


def test_an_approval_that_is_not_there_is_404(server: Server) -> None:
    with asked(server) as (here, event, reader):
        other = server.conversation()
        path = path_of(other, event)
        for method in ("GET", "POST"):
            body = {"decision": "accept"} if method == "POST" else None
            refused(server.client.request(method, path, json=body), 404, "approval_not_found")
            wrong = f"/conversations/{here}/approvals/none"
            refused(server.client.request(method, wrong, json=body), 404, "approval_not_found")
        lost = path_of("01a20000-0000-7000-8000-000000000000", event)
        refused(server.client.get(lost), 404, "conversation_not_found")
        server.post(path_of(here, event), {"decision": "cancel"}, 200)
        reader.wait_type("turn/completed")


# --- once -------------------------------------------------------------------------------------


def test_of_many_answers_at_once_exactly_one_wins(server: Server, site: Site) -> None:
    with asked(server) as (here, event, reader):
        says(server)
        path = path_of(here, event)

        def answer(number: int) -> Any:
            return server.client.post(path, json={"decision": ("accept", "decline")[number % 2]})

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(answer, range(8)))
        (won,) = [each.json() for each in found if each.status_code == 200]
        for lost in [each for each in found if each.status_code != 200]:
            problem = refused(lost, 409, "approval_ended")
            assert problem["resolution"] == won["resolution"]
        reader.wait_type("turn/completed", status="completed")
    assert outside(site).exists() is (won["resolution"]["decision"] == "accept")
    assert resolved(server, here)["decision"] == won["resolution"]["decision"]
    late = server.client.post(path, json={"decision": "accept"})
    assert refused(late, 409, "approval_ended")["resolution"]["by"] == "local"


def test_another_client_of_the_core_answers_first(server: Server, site: Site) -> None:
    with asked(server) as (here, event, reader), OtherClient(site) as other:
        thread = server.get(f"/conversations/{here}")["thread_id"]
        other.call("thread/resume", threadId=thread, excludeTurns=True)
        says(server)
        other.answer(other.question(), {"decision": "accept"})
        end = reader.wait_type("approval/resolved")
        reader.wait_type("turn/completed", status="completed")
    assert (end["data"]["by"], end["data"]["reason"]) == ("client", "answered_elsewhere")
    assert end["data"]["decision"] is None
    assert outside(site).exists()
    problem = refused(
        server.client.post(path_of(here, event), json={"decision": "decline"}),
        409, "approval_ended",
    )  # fmt: skip
    assert problem["resolution"]["by"] == "client"
    resolved(server, here)


def test_our_answer_ends_the_question_for_another_client(server: Server, site: Site) -> None:
    with asked(server) as (here, event, reader), OtherClient(site) as other:
        thread = server.get(f"/conversations/{here}")["thread_id"]
        other.call("thread/resume", threadId=thread, excludeTurns=True)
        asked_there = other.question()
        says(server)
        server.post(path_of(here, event), {"decision": "decline"}, 200)
        told = other.notice("serverRequest/resolved")
        assert told["params"]["requestId"] == asked_there["id"]
        other.answer(asked_there, {"decision": "accept"})  # too late: nothing happens
        reader.wait_type("turn/completed", status="completed")
    assert not outside(site).exists()
    assert resolved(server, here)["by"] == "local"


# --- while it waits ---------------------------------------------------------------------------


def test_what_waits_is_seen_everywhere_until_it_has_ended(alone: Server) -> None:
    server = alone
    idle = server.conversation()
    with asked(server) as (here, event, reader):
        approval_id = event["data"]["approval_id"]
        snapshot = server.get(f"/conversations/{here}?include=snapshot")
        schemas.Snapshot.model_validate(snapshot, strict=True)
        (one,) = server.get("/approvals")["data"]
        schemas.ApprovalView.model_validate(one, strict=True)
        assert one["approval_id"] == approval_id
        assert one["conversation_id"] == here
        assert one == server.get(path_of(here, event))
        assert server.get(f"/approvals?conversation={idle}")["data"] == []
        assert server.get(f"/conversations/{here}/approvals")["data"] == [one]
        assert server.get(f"/conversations/{here}?include=snapshot")["approvals"] == [one]
        listed = server.get("/conversations?waiting=1")["data"]
        assert [(each["id"], each["waiting_for_approval"]) for each in listed] == [(here, 1)]
        assert len(server.get("/conversations")["data"]) == 2
        says(server)
        server.post(path_of(here, event), {"decision": "decline"}, 200)
        reader.wait_type("turn/completed")
        for path in ("/approvals", f"/conversations/{here}/approvals", "/conversations?waiting=1"):
            assert server.get(path)["data"] == []
        (ended,) = server.get(f"/conversations/{here}/approvals?all=1")["data"]
        schemas.ApprovalView.model_validate(ended, strict=True)
        assert ended["resolution"]["decision"] == "decline"
        assert server.get("/approvals?all=1")["data"] == [ended]


def test_pages_of_approvals_walk_all_of_them_once(server: Server, site: Site) -> None:
    here = server.conversation()
    asked_ids: list[str] = []
    for _ in range(3):
        with asked(server, "question", here) as (_, event, reader):
            asked_ids.append(event["data"]["approval_id"])
            says(server)
            server.post(path_of(here, event), {"decision": "decline"}, 200)
            reader.wait_type("turn/completed")
    walked: list[str] = []
    cursor = ""
    while True:
        page = server.get(f"/conversations/{here}/approvals?all=1&limit=2{cursor}")
        walked += [each["approval_id"] for each in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert walked == asked_ids[::-1]
    refused(server.client.get("/approvals?cursor=nonsense"), 400, "bad_cursor")
    refused(server.client.get("/approvals?conversation=none"), 404, "conversation_not_found")


def test_an_interrupt_ends_what_waits(server: Server, site: Site) -> None:
    with asked(server) as (here, event, reader):
        server.post(f"/conversations/{here}/interrupt", status=202)
        reader.wait_type("turn/completed", status="interrupted")
        kinds = [e["type"] for e in reader.events if e["type"].startswith(("appr", "turn/comp"))]
        assert kinds == ["approval/requested", "approval/resolved", "turn/completed"]
        problem = refused(
            server.client.post(path_of(here, event), json={"decision": "accept"}),
            409, "approval_ended",
        )  # fmt: skip
    assert problem["resolution"]["reason"] == "interrupted"
    assert problem["resolution"]["by"] == "server"
    assert not outside(site).exists()
    resolved(server, here)


def test_a_steered_message_waits_with_the_question(server: Server, site: Site) -> None:
    with asked(server) as (here, event, reader):
        steered = server.send(here, "and hurry", while_busy="steer")
        assert steered["status"] == "steered"
        assert server.get(path_of(here, event))["status"] == "pending"
        says(server)
        server.post(path_of(here, event), {"decision": "accept"}, 200)
        reader.wait_type("turn/completed", status="completed")
    assert outside(site).exists()
    assert "and hurry" in str(site.provider.requests[-1].body["input"])
    resolved(server, here)


def test_a_client_of_one_turn_sees_the_question_before_the_end(server: Server, site: Site) -> None:
    site.provider.expect(command(site))
    says(server)
    here = server.conversation(approval_deadline=0.3)
    answer = server.run(here)
    assert answer["turn"]["status"] == "completed"
    assert resolved(server, here)["reason"] == "expired"


def test_the_core_dies_and_takes_its_questions_along(alone: Server) -> None:
    server, site = alone, alone.site
    with asked(server) as (here, event, reader):
        server.core().kill()
        reader.wait_type("turn/completed", status="interrupted")
        end = reader.wait_type("approval/resolved")
        assert (end["data"]["by"], end["data"]["reason"]) == ("core_lost", "core_lost")
        problem = refused(
            server.client.post(path_of(here, event), json={"decision": "accept"}),
            409, "approval_ended",
        )  # fmt: skip
        assert problem["resolution"]["by"] == "core_lost"
    assert server.get("/approvals")["data"] == []
    resolved(server, here)
    with asked(server, conversation=here) as (_, event, reader):  # its request id is 0 again
        says(server)
        server.post(path_of(here, event), {"decision": "accept"}, 200)
        reader.wait_type("turn/completed", status="completed")
    assert outside(site).exists()
    check_once(server.events(here))


def test_a_stop_of_the_server_ends_what_waits(alone: Server) -> None:
    server, site = alone, alone.site
    with asked(server) as (here, event, _):
        server.stop()
    with start(site) as again:
        again.wait_ready()
        end = resolved(again, here)
        assert end["by"] == "server"
        assert again.get("/approvals")["data"] == []
        assert again.get(path_of(here, event))["status"] == "resolved"


# --- helpers of a turn --------------------------------------------------------------------------


def test_the_question_of_an_agent_that_a_turn_started_is_asked_in_its_conversation(
    server: Server, site: Site
) -> None:
    site.provider.script = helped_model(site)
    here = server.conversation()
    with server.read(here) as reader:
        sent = server.send(here)
        event = reader.wait_type("approval/requested")
        assert event["turn_id"] == sent["turn_id"]
        assert (
            event["data"]["request"]["threadId"]
            != server.get(f"/conversations/{here}")["thread_id"]
        )
        server.post(path_of(here, event), {"decision": "accept"}, 200)
        reader.wait_type("turn/completed", status="completed")
    assert outside(site).exists()
    assert resolved(server, here)["decision"] == "accept"
