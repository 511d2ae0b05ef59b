"""What the document promises is what the server answers: shapes, fields, pages, filters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from codex_http_server.api import historyschemas, schemas
from codex_http_server.api.app import document
from codex_http_server.api.problems import STATUS
from codex_http_server.auth.callers import Scope
from codex_http_server.events import OURS
from codex_http_server.testing.answers import Command, Gate, Patch, Reasoning, Text
from tests.support.access import bearer, make_token, token_file
from tests.support.server import Server
from tests.support.shared import server_at

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = document()
OPERATIONS = [
    pytest.param(method, path, operation, id=f"{method.upper()} {path}")
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
PATCH = "*** Begin Patch\n*** Add File: new.txt\n+made by a patch\n*** End Patch"


# --- the document ---------------------------------------------------------------------------


def test_the_committed_document_is_the_generated_one() -> None:
    committed = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(DOCUMENT)), "run `make gen`"


def test_the_document_is_openapi_3_1_with_all_codes_and_event_types() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert DOCUMENT["x-error-codes"] == STATUS
    assert DOCUMENT["x-event-types"] == OURS
    codes = DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    assert codes == sorted(STATUS)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_every_route_is_described(method: str, path: str, operation: dict[str, Any]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", operation["operationId"]), "a name for clients"
    assert operation["summary"]
    assert operation["description"].endswith((".", "?")), operation["description"]
    assert operation["tags"]
    assert "default" not in operation["responses"], "each status is named"
    good = [
        status for status in operation["responses"] if status.startswith("2") or status == "101"
    ]
    assert good, f"{method} {path} promises no success"


def test_operation_ids_are_unique() -> None:
    ids = [o["operationId"] for each in DOCUMENT["paths"].values() for o in each.values()]
    assert len(ids) == len(set(ids))


def test_every_reference_of_the_document_leads_somewhere() -> None:
    schemas_there = DOCUMENT["components"]["schemas"]
    text = json.dumps(DOCUMENT)
    names = {part.split('"', 1)[0] for part in text.split('"#/components/schemas/')[1:]}
    assert names
    assert names <= set(schemas_there)


# --- the answers ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all."""
    with server_at(tmp_path_factory.mktemp("contract")) as running:
        yield running


KINDS = {"userMessage", "reasoning", "commandExecution", "fileChange", "agentMessage"}


@pytest.fixture(scope="module")
def worked(server: Server) -> dict[str, Any]:
    """A conversation after one turn with thoughts, a command, a file change and words."""
    server.site.provider.expect(Reasoning("I should look first."), Command("echo seen; ls"))
    server.site.provider.expect(Patch(PATCH))
    server.site.provider.expect(Text("All done."))
    here = server.conversation(title="worked")
    answer = server.run(here, "do something")
    assert (server.site.project / "new.txt").read_text() == "made by a patch\n"
    return {"id": here, "answer": answer}


def test_the_served_document_is_the_generated_one(server: Server) -> None:
    assert server.get("/openapi.json") == json.loads(json.dumps(DOCUMENT))


GETS: dict[str, type[BaseModel]] = {
    "/health": schemas.Health,
    "/ready": schemas.Ready,
    "/auth/status": schemas.AuthStatus,
    "/auth/usage": schemas.Usage,
    "/auth/usage?by=conversation": schemas.Usage,
    "/conversations": schemas.ConversationPage,
    "/conversations/{id}": schemas.ConversationView,
    "/conversations/{id}?include=snapshot": schemas.Snapshot,
    "/conversations/{id}/items": historyschemas.ItemPage,
    "/conversations/{id}/turns": historyschemas.TurnPage,
    "/conversations/{id}/diff": historyschemas.TurnDiff,
    "/conversations/{id}/terminals": schemas.TerminalList,
    "/conversations/{id}/usage": schemas.ConversationUsage,
    "/conversations/{id}/queue": schemas.QueueView,
    "/conversations/{id}/events": schemas.EventPage,
    "/conversations/{id}/approvals?all=1": schemas.ApprovalPage,
    "/approvals": schemas.ApprovalPage,
    "/events": schemas.AllEventPage,
    "/models": schemas.CoreList,
    "/features": schemas.CoreList,
    "/skills": schemas.SkillList,
    "/config?layers=1": schemas.ConfigView,
    "/mcp-servers": schemas.CoreList,
    "/session": schemas.SessionView,
    "/rules": schemas.RuleList,
    "/tokens": schemas.TokenList,
}


def test_every_get_route_of_the_document_is_held_against_its_model() -> None:
    gets = {path for path, operations in DOCUMENT["paths"].items() if "get" in operations}
    covered = {p.split("?")[0].replace("{id}", "{conversation_id}") for p in GETS}
    # test_turns.py, test_export.py, test_login.py, test_approvals.py, test_discovery.py,
    # test_uploads.py, test_files.py, test_history.py
    ends = (
        "/{turn_id}",
        "/output",
        "/export",
        "/{login_id}",
        "/{approval_id}",
        "/{server_name}",
        "/{upload_id}",
        "/files",
        "/files/search",
        "/app-server",  # test_app_server.py
        "/search",  # test_search.py
    )
    elsewhere = {path for path in gets if path.endswith(ends)}
    assert gets == covered | elsewhere


@pytest.fixture(scope="module")
def admin(server: Server) -> dict[str, str]:
    """Who may look at everything."""
    return bearer(make_token(token_file(server.site), "admin", list(Scope)))


@pytest.mark.parametrize("path", GETS)
def test_a_get_answers_what_its_model_says(
    server: Server, worked: dict[str, Any], admin: dict[str, str], path: str
) -> None:
    answer = server.client.get(path.replace("{id}", worked["id"]), headers=admin)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    GETS[path].model_validate(answer.json(), strict=True)


def test_the_answers_to_posts_are_what_their_models_say(
    server: Server, worked: dict[str, Any], admin: dict[str, str]
) -> None:
    gate = Gate()
    server.site.provider.expect(Text(["one ", gate, "two"]))
    made = server.post("/conversations", {"working_directory": str(server.site.project)}, 201)
    here = f"/conversations/{made['id']}"
    started = server.send(made["id"])
    queued = server.send(made["id"], "waits", model="m", sandbox="read-only")
    gate.wait_reached()
    queue = server.get(f"{here}/queue")
    edited = server.client.patch(f"{here}/queue/{queued['submit_id']}", json={"message": "new"})
    reordered = server.client.put(f"{here}/queue", json={"order": [queued["submit_id"]]})
    patched = server.client.patch(here, json={"title": "new"})
    with server.read(made["id"]) as reader:
        interrupted = server.post(f"{here}/interrupt", {"clear_queue": True}, 202)
        reader.wait_type("turn/completed", turn_id=interrupted["turn_id"])
    for model, body in (
        (schemas.ConversationView, made),
        (schemas.ConversationView, patched.json()),
        (schemas.Submitted, started),
        (schemas.Submitted, queued),
        (schemas.Finished, worked["answer"]),
        (schemas.QueueView, queue),
        (schemas.QueueView, reordered.json()),
        (schemas.QueuedView, edited.json()),
        (schemas.Interrupted, interrupted),
        (schemas.InterruptedAll, server.post("/interrupt", None, 202)),
        (schemas.NewTicket, server.post("/tickets", {"path": "/events"}, 201)),
        (schemas.NewToken, server.post("/tokens", {"name": "new"}, 201, headers=admin)),
        (schemas.ResumedAll, server.post("/resume", None, 202)),
        (schemas.ConversationView, server.post(f"{here}/archive", None, 200)),
        (schemas.ConversationView, server.post(f"{here}/unarchive", None, 200)),
        (schemas.TerminalsEnded, server.client.delete(f"{here}/terminals").json()),
        (schemas.DeletedView, server.client.delete(here).json()),
    ):
        model.model_validate(body, strict=True)
    assert (started["status"], queued["status"], queued["turn_id"]) == ("started", "queued", None)
    assert (interrupted["turn_id"], interrupted["removed_messages"]) == (started["turn_id"], 1)
    assert edited.json()["input"][0]["text"] == "new"


def test_a_problem_is_what_its_model_says(server: Server) -> None:
    for path in ("/nowhere", "/conversations?limit=x"):
        schemas.Problem.model_validate(server.client.get(path).json(), strict=True)


def test_a_finished_turn_carries_the_cores_turn_and_the_last_words(worked: dict[str, Any]) -> None:
    answer = worked["answer"]
    assert (answer["status"], answer["reply"]) == ("ended", "All done.")
    assert (answer["turn"]["id"], answer["turn"]["status"]) == (answer["turn_id"], "completed")
    path, after = answer["events"].split("?after=")
    assert path == f"/conversations/{worked['id']}/events"
    assert int(after) >= 0


# --- events ---------------------------------------------------------------------------------


def test_an_event_has_the_envelope_that_clients_rely_on(
    server: Server, worked: dict[str, Any]
) -> None:
    found = server.events(worked["id"])
    turn_id = worked["answer"]["turn_id"]
    (log_id,) = {
        server.get(p)["log_id"] for p in ("/events", f"/conversations/{worked['id']}/events")
    }
    for event in found:
        assert {"seq", "position", "conversation_id", "type", "at", "core", "data"} <= set(event)
        assert event["conversation_id"] == worked["id"]
        assert event["core"] == server.get("/health")["core"]["version"]
        assert event["at"].endswith("Z")
        assert "T" in event["at"]
        assert event["position"].rpartition("-")[0] in log_id
    assert [e["seq"] for e in found] == sorted({e["seq"] for e in found})
    items = [e for e in found if e["type"] in {"item/started", "item/completed"}]
    for event in items:
        assert event["turn_id"] == turn_id
        assert event["item_id"] == event["data"]["item"]["id"]
        assert event["item_type"] == event["data"]["item"]["type"]
    ended = {e["item_type"]: e for e in items if e["type"] == "item/completed"}
    assert {"userMessage", "reasoning", "commandExecution", "fileChange", "agentMessage"} <= set(
        ended
    )
    assert all(event["status"] == "completed" for event in ended.values())


def test_turns_begin_with_their_policy_and_end_with_their_status(
    server: Server, worked: dict[str, Any]
) -> None:
    found = {e["type"]: e for e in server.events(worked["id"])}
    assert found["turn/started"]["policy"]["sandbox"] == "workspace-write"
    assert found["turn/completed"]["status"] == "completed"
    assert found["turn/completed"]["turn_id"] == worked["answer"]["turn_id"]


def test_a_delta_carries_its_text_and_the_end_stands_for_it(server: Server) -> None:
    gate = Gate()
    server.site.provider.expect(Text(["one ", "two ", gate, "three"]))
    here = server.conversation()
    with server.read(here) as reader:
        server.send(here)
        gate.wait_reached()
        reader.wait(lambda e: e.get("text") == "two ")
        gate.open()
        end = reader.wait_type("item/completed", item_type="agentMessage")
        reader.wait_type("turn/completed")
    deltas = [e for e in reader.events if e["type"] == "item/agentMessage/delta"]
    assert "".join(e["text"] for e in deltas) == "one two three" == end["data"]["item"]["text"]
    assert {e["item_id"] for e in deltas} == {end["item_id"]}
    assert {e["turn_id"] for e in deltas} == {end["turn_id"]}


# --- the snapshot ---------------------------------------------------------------------------


def test_a_snapshot_after_a_turn_holds_what_a_first_paint_needs(
    server: Server, worked: dict[str, Any]
) -> None:
    found = server.get(f"/conversations/{worked['id']}?include=snapshot")
    assert found["conversation"] == server.get(f"/conversations/{worked['id']}")
    assert found["seq"] == found["conversation"]["head"] == server.events(worked["id"])[-1]["seq"]
    kinds = [item["item_type"] for item in found["items"]]
    assert kinds[0] == "userMessage"
    assert kinds[-1] == "agentMessage"
    assert {"commandExecution", "fileChange", "reasoning"} <= set(kinds)
    (turn,) = found["turns"]
    assert (turn["turn_id"], turn["status"]) == (worked["answer"]["turn_id"], "completed")
    assert "+made by a patch" in turn["diff"]
    assert found["usage"]["total"]["totalTokens"] > 0
    assert (found["open_items"], found["queue"], found["approvals"]) == ([], [], [])
    assert found["items_before"] == 0
    assert found["log_id"] == server.get("/events")["log_id"]


def test_a_snapshot_within_a_turn_has_the_text_so_far_and_goes_on_after_its_seq(
    server: Server,
) -> None:
    gate = Gate()
    server.site.provider.expect(Text(["so ", "far ", gate, "so good"]))
    here = server.conversation()
    with server.read(here) as reader:
        server.send(here)
        reader.wait(lambda e: e.get("text") == "far ")
        found = server.get(f"/conversations/{here}?include=snapshot")
        schemas.Snapshot.model_validate(found, strict=True)
        (item,) = found["open_items"]
        assert item["item"]["text"] == "so far "
        assert found["conversation"]["status"] == "running"
        gate.open()
        reader.wait_type("turn/completed")
    later = [e for e in reader.events if e.get("seq", 0) > found["seq"]]
    assert later[0]["text"] == "so good"


# --- pages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
def test_pages_of_items_walk_all_items_once(
    server: Server, worked: dict[str, Any], limit: int
) -> None:
    ended = [
        e["seq"]
        for e in server.events(worked["id"])
        if e["type"] in {"item/completed", "item/discarded"}
    ]
    walked: list[int] = []
    before = ""
    while True:
        page = server.get(f"/conversations/{worked['id']}/items?limit={limit}{before}")
        walked = [item["seq"] for item in page["data"]] + walked
        assert page["items_before"] == len(ended) - len(walked)
        if not page["items_before"]:
            break
        assert len(page["data"]) == limit
        before = f"&before={walked[0]}"
    assert walked == ended


@pytest.mark.parametrize("limit", [1, 3, 200])
def test_pages_of_conversations_walk_all_once_newest_first(server: Server, limit: int) -> None:
    made = [server.conversation(title="paged") for _ in range(7)]
    walked: list[str] = []
    cursor = ""
    while True:
        page = server.get(f"/conversations?q=paged&limit={limit}{cursor}")
        walked += [each["id"] for each in page["data"]]
        if page["next_cursor"] is None:
            break
        assert len(page["data"]) == limit
        cursor = f"&cursor={page['next_cursor']}"
    assert walked[:7] == made[::-1]
    assert len(walked) == len(set(walked))


@pytest.mark.parametrize("limit", [1, 4, 2000])
def test_pages_of_events_walk_all_once(server: Server, worked: dict[str, Any], limit: int) -> None:
    walked: list[int] = []
    after = 0
    while after < server.get(f"/conversations/{worked['id']}")["head"]:
        page = server.get(f"/conversations/{worked['id']}/events?limit={limit}&after={after}")
        walked += [event["seq"] for event in page["data"]]
        assert after < page["next_after"] == walked[-1]
        after = page["next_after"]
    assert walked == [event["seq"] for event in server.events(worked["id"])]


def listed(server: Server, **query: str) -> list[str]:
    """The ids that the list shows for a filter."""
    return [c["id"] for c in server.get("/conversations", params={"limit": "200", **query})["data"]]


def test_the_list_is_filtered_by_words_of_title_and_first_message(server: Server) -> None:
    one = server.conversation(title="Blue % moon_rise")
    server.site.provider.expect(Text("ok"))
    two = server.conversation()
    server.run(two, "please paint the moon")
    assert listed(server, q="moon") == [two, one]
    assert listed(server, q="MOON_") == [one]
    assert listed(server, q="% m") == [one]
    assert listed(server, q="paint the") == [two]
    assert listed(server, q="m__n") == []


def test_the_list_is_filtered_by_directory(server: Server, tmp_path: Path) -> None:
    there = server.conversation(working_directory=str(tmp_path))
    assert listed(server, working_directory=str(tmp_path)) == [there]
    assert there not in listed(server, working_directory=str(server.site.project))
    assert listed(server, working_directory="/nowhere") == []


def test_the_list_is_filtered_by_status(server: Server) -> None:
    gate = Gate()
    server.site.provider.expect(Text(["one ", gate, "two"]))
    here = server.conversation()
    with server.read(here) as reader:
        server.send(here)
        reader.wait(lambda e: e.get("text") == "one ")
        assert listed(server, status="running") == [here]
        assert here not in listed(server, status="idle")
        gate.open()
        reader.wait_type("turn/completed")
    assert listed(server, status="running") == []
    assert here in listed(server, status="idle")


def test_no_conversation_is_archived_yet(server: Server, worked: dict[str, Any]) -> None:
    assert listed(server, archived="true") == []
    assert worked["id"] in listed(server, archived="false")
