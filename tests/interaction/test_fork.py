"""Forks: whole for a reader of them alone, and their sources go on as they were."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from codex_http_server.testing.answers import Command, Gate, Patch, Text
from tests.support.access import bearer, make_token, token_file
from tests.support.codes import refused
from tests.support.judge import check_reader, check_whole
from tests.support.other_client import OtherClient
from tests.support.server import Json, Server, Site
from tests.support.shared import server_at

UNKNOWN = "019f0000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all: each test has conversations of its own."""
    with server_at(tmp_path_factory.mktemp("fork")) as running:
        yield running


@pytest.fixture
def site(server: Server) -> Site:
    return server.site


def url(conversation: str, rest: str = "") -> str:
    return f"/conversations/{conversation}{rest}"


def fork(server: Server, conversation: str, **body: Any) -> Json:
    return server.post(url(conversation, "/fork"), body or None, 201)


def talk(server: Server, *replies: str, **body: Any) -> tuple[str, list[str]]:
    """A conversation in which this was replied, and its turns."""
    conversation = server.conversation(**body)
    return conversation, [say(server, conversation, reply) for reply in replies]


def say(server: Server, conversation: str, reply: str) -> str:
    """A turn in which this is replied; its id."""
    server.site.provider.expect(Text(reply))
    return str(server.run(conversation, f"say {reply}")["turn_id"])


def said(server: Server, conversation: str) -> list[str]:
    """What was replied, as the items show it."""
    items = server.get(url(conversation, "/items"))["data"]
    return [each["item"]["text"] for each in items if each["item_type"] == "agentMessage"]


def seen_by_model(site: Site) -> str:
    return str(site.provider.requests[-1].body)


def test_a_fork_is_whole_and_goes_on_by_itself(server: Server, site: Site) -> None:
    source, turns = talk(server, "one", "two", title="Ocelots")
    before = server.events(source)
    answer = server.client.post(url(source, "/fork"))
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == url(made["id"])
    assert made["forked_from"] == {"conversation_id": source, "turn_id": turns[1]}
    of = server.get(url(source))
    assert of["forked_from"] is None
    assert made["thread_id"] != of["thread_id"]
    for same in ("title", "preview", "working_directory", "sandbox", "approval_policy", "model"):
        assert made[same] == of[same], same
    assert made["status"] == "idle"
    assert server.get("/conversations?limit=1")["data"][0]["id"] == made["id"]

    events = server.events(made["id"])
    check_whole(events)
    past = [event for event in events if event.get("turn_id")]
    assert {event["synthetic"] for event in past} == {"history"}
    assert [e["turn_id"] for e in past if e["type"] == "turn/completed"] == turns
    assert said(server, made["id"]) == ["one", "two"]
    assert {t["turn_id"] for t in server.get(url(made["id"], "?include=snapshot"))["turns"]} == {
        *turns
    }

    with server.read(made["id"]) as reader:
        say(server, made["id"], "three")
        assert "say two" in seen_by_model(site)
        assert "three" in said(server, made["id"])
        reader.wait_type("turn/completed", synthetic=None)
        check_reader(reader.events, server.events(made["id"]))
    assert server.events(source) == before
    say(server, source, "four")
    assert "say three" not in seen_by_model(site)
    assert said(server, source) == ["one", "two", "four"]
    check_whole(server.events(made["id"]))


def test_what_its_past_changed_is_known_to_the_fork(server: Server, site: Site) -> None:
    source = server.conversation()
    site.provider.expect(Patch("*** Begin Patch\n*** Add File: made.txt\n+hi\n*** End Patch\n"))
    site.provider.expect(Text("done"))
    turn = server.run(source)["turn_id"]
    of, made = (
        server.get(url(each, "?include=snapshot"))["turns"]
        for each in (source, fork(server, source)["id"])
    )
    assert "made.txt" in of[0]["diff"]
    assert [(each["turn_id"], each["diff"]) for each in made] == [(turn, of[0]["diff"])]


def test_what_is_shared_is_not_counted_twice(server: Server) -> None:
    source, _ = talk(server, "one", "two")
    sums = server.get("/auth/usage")["tokens"]
    made = fork(server, source)["id"]
    assert server.get("/auth/usage")["tokens"] == sums
    assert server.get(url(made, "/usage"))["turns"] == []
    say(server, made, "three")
    one_turn = server.get(url(source, "/usage"))["tokens"]["total"] / 2
    assert server.get(url(made, "/usage"))["tokens"]["total"] == one_turn


def test_a_fork_ends_with_the_turn_that_is_named(server: Server, site: Site) -> None:
    source, turns = talk(server, "one", "two", "three")
    made = fork(server, source, at_turn_id=turns[0], title="another way")
    assert made["forked_from"]["turn_id"] == turns[0]
    assert made["title"] == "another way"
    assert said(server, made["id"]) == ["one"]
    say(server, made["id"], "else")
    assert "say one" in seen_by_model(site)
    assert "say two" not in seen_by_model(site)


def test_a_running_turn_goes_on_untouched(server: Server, site: Site) -> None:
    source, turns = talk(server, "one")
    gate = Gate()
    site.provider.expect(Text(["a", gate, "b"]))
    running = server.send(source)["turn_id"]
    gate.wait_reached()
    made = fork(server, source)
    assert made["forked_from"]["turn_id"] == turns[0]
    answer = server.client.post(url(source, "/fork"), json={"at_turn_id": running})
    refused(answer, 409, "conversation_busy")
    say(server, made["id"], "meanwhile")
    assert "turn_aborted" not in seen_by_model(site)
    gate.open()
    with server.read(source) as reader:
        reader.wait_type("turn/completed", turn_id=running, status="completed")
    assert said(server, source) == ["one", "ab"]
    assert said(server, made["id"]) == ["one", "meanwhile"]
    check_whole(server.events(source))


def test_a_conversation_without_a_turn_gives_an_empty_one(server: Server, site: Site) -> None:
    source = server.conversation(title="Ocelots", sandbox="read-only")
    made = fork(server, source)
    assert made["forked_from"] == {"conversation_id": source, "turn_id": None}
    assert (made["title"], made["sandbox"]) == ("Ocelots", "read-only")
    say(server, made["id"], "first")
    gate = Gate()
    site.provider.expect(Text(["a", gate]))
    server.send(source)
    gate.wait_reached()
    during = fork(server, source)
    assert during["forked_from"]["turn_id"] is None
    assert said(server, during["id"]) == []
    gate.open()


def test_it_may_work_in_another_directory(server: Server, site: Site) -> None:
    source, _ = talk(server, "one")
    other = site.root / "other"
    other.mkdir()
    made = fork(server, source, working_directory=str(other))
    assert made["working_directory"] == str(other)
    site.provider.expect(Command("echo hello > made.txt"))
    site.provider.expect(Text("done"))
    server.run(made["id"])
    assert (other / "made.txt").read_text() == "hello\n"
    assert str(other) not in (site.home / "config.toml").read_text(), "it states no trust"


def test_a_fork_of_a_fork(server: Server, site: Site) -> None:
    source, _ = talk(server, "one")
    first = fork(server, source)["id"]
    say(server, first, "two")
    second = fork(server, first)
    assert second["forked_from"]["conversation_id"] == first
    assert said(server, second["id"]) == ["one", "two"]
    say(server, second["id"], "three")
    assert "say one" in seen_by_model(site)


def test_the_same_key_makes_one_fork(server: Server) -> None:
    source, turns = talk(server, "one", "two")
    key = {"Idempotency-Key": "once"}
    before = len(server.get("/conversations")["data"])
    body = {"at_turn_id": turns[0]}
    made = [server.post(url(source, "/fork"), body, 201, headers=key)["id"] for _ in range(2)]
    assert made[0] == made[1]
    assert len(server.get("/conversations")["data"]) == before + 1
    other = server.client.post(url(source, "/fork"), json={}, headers=key)
    refused(other, 409, "idempotency_key_reused")


def test_many_at_once_make_as_many(server: Server) -> None:
    source, _ = talk(server, "one")
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: fork(server, source)["id"], range(6)))
    assert len(set(made)) == 6
    for each in made:
        assert said(server, each) == ["one"]
        check_whole(server.events(each))


def test_archived_it_is_not_forked(server: Server) -> None:
    source, _ = talk(server, "one")
    server.post(url(source, "/archive"), None, 200)
    refused(server.client.post(url(source, "/fork")), 409, "conversation_archived")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"at_turn_id": ""}, "at_turn_id"),
        ({"at_turn_id": 7}, "at_turn_id"),
        ({"title": ""}, "title"),
        ({"what": 1}, "what"),
    ],
)
def test_a_bad_body_makes_nothing(server: Server, body: Json, field: str) -> None:
    source = server.conversation()
    before = len(server.get("/conversations")["data"])
    answer = server.client.post(url(source, "/fork"), json=body)
    refused(answer, 422, "invalid_request", field)
    assert len(server.get("/conversations")["data"]) == before


def test_a_turn_that_is_not_there_and_a_directory_that_is_not(server: Server) -> None:
    source, _ = talk(server, "one")
    other, turns = talk(server, "one")
    before = len(server.get("/conversations")["data"])
    for unknown in (UNKNOWN, "nope", turns[0]):
        answer = server.client.post(url(source, "/fork"), json={"at_turn_id": unknown})
        refused(answer, 404, "turn_not_found")
    for path in ("/not/there", "here", ""):
        answer = server.client.post(url(source, "/fork"), json={"working_directory": path})
        refused(answer, 422, "invalid_working_directory")
    assert len(server.get("/conversations")["data"]) == before
    assert said(server, other) == ["one"]


# --- deleting what has forks -----------------------------------------------------------------


def test_deleting_the_source_names_its_forks(server: Server, site: Site) -> None:
    source, _ = talk(server, "one")
    empty = fork(server, server.conversation())["id"]
    made = [fork(server, source)["id"] for _ in range(2)]
    for query in ("", "?force=true"):
        problem = refused(server.client.delete(url(source, query)), 409, "conversation_has_forks")
        assert problem["forks"] == made
        assert "codex=keep" in problem["hint"]
    say(server, source, "two")
    for each in made:
        assert server.client.delete(url(each)).status_code == 200
    answer = server.client.delete(url(source))
    assert answer.json()["codex"]["state"] == "deleted"
    assert server.client.delete(url(empty)).status_code == 200


def test_the_source_is_deleted_here_only_where_asked(server: Server, site: Site) -> None:
    source, _ = talk(server, "one")
    made = fork(server, source)["id"]
    answer = server.client.delete(url(source, "?codex=keep"))
    assert answer.json()["codex"]["state"] == "kept"
    refused(server.client.get(url(source)), 404, "conversation_not_found")
    say(server, made, "two")
    assert "say one" in seen_by_model(site)


def test_where_a_fork_of_another_client_needs_it_codex_archives_it(
    server: Server, site: Site
) -> None:
    source, _ = talk(server, "one")
    thread = server.get(url(source))["thread_id"]
    with OtherClient(site) as other:
        other.call("thread/fork", threadId=thread, excludeTurns=True)
        assert server.client.delete(url(source)).json()["codex"]["state"] == "kept"
        assert thread not in [each["id"] for each in other.call("thread/list")["data"]]
        archived = other.call("thread/list", archived=True)["data"]
        assert thread in [each["id"] for each in archived]


# --- who may -----------------------------------------------------------------------------------


def test_a_looser_policy_is_not_inherited_without_elevate(server: Server, site: Site) -> None:
    """A token-less caller would get a loosened conversation that nobody gave it."""
    path = token_file(site)
    high = bearer(make_token(path, "high", ["read", "drive", "elevate"]))
    reader = bearer(make_token(path, "reader", ["read"]))
    loose = {"sandbox": "danger-full-access", "approval_policy": "never", "model": "gpt-5.5"}
    place = {"working_directory": str(site.project)}
    source = server.post("/conversations", place | loose, 201, headers=high)["id"]
    refused(server.client.post(url(source, "/fork"), headers=reader), 403, "scope_required")
    plain = fork(server, source)
    assert (plain["sandbox"], plain["approval_policy"]) == ("workspace-write", "on-request")
    assert plain["model"] == "gpt-5.5"
    high_fork = server.post(url(source, "/fork"), None, 201, headers=high)
    assert high_fork["sandbox"] == "danger-full-access"
