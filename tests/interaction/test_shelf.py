"""Archive, take back, delete; and that what was deleted is gone from every file of ours."""

from __future__ import annotations

import sqlite3

import httpx
import pytest

from codex_http_server.testing.answers import Command, Gate, Text
from tests.support.codes import refused
from tests.support.commands import until
from tests.support.judge import check_whole
from tests.support.other_client import OtherClient
from tests.support.server import Json, Server, Site, start

pytestmark = pytest.mark.lent

WORDS = ("walrus", "giraffe", "zebra", "ocelot")


def url(conversation: str, rest: str = "") -> str:
    return f"/conversations/{conversation}{rest}"


def delete(server: Server, conversation: str, query: str = "") -> Json:
    answer = server.client.delete(url(conversation, query))
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(server: Server, query: str = "") -> list[str]:
    return [each["id"] for each in server.get(f"/conversations{query}")["data"]]


def files_with(site: Site, word: str) -> list[str]:
    """Files of the state folder that hold this word."""
    found = (path for path in (site.root / "state").rglob("*") if path.is_file())
    return [str(path) for path in found if word.encode() in path.read_bytes()]


def rollouts(site: Site) -> list[str]:
    return [path.parent.name for path in site.home.rglob("rollout-*.jsonl")]


def talk(server: Server, conversation: str) -> None:
    """A turn with a command, with the words in every place where text is kept."""
    provider = server.site.provider
    provider.expect(Command("echo giraffe"))
    provider.expect(Text("zebra " * 40, chunk=6))
    key = {"Idempotency-Key": "ocelot"}
    path = url(conversation, "/messages?wait=30")
    server.post(path, {"message": "the walrus"}, 200, headers=key)
    headers = {"Idempotency-Key": f"ocelot-{conversation}"}
    server.post(url(conversation, "/resume"), None, 202, headers=headers)


# --- archive --------------------------------------------------------------------------------


def test_archived_it_is_put_away_and_comes_back(server: Server, site: Site) -> None:
    conversation = server.conversation(title="ocelot")
    site.provider.expect(Text("one"))
    server.run(conversation)
    assert server.post(url(conversation, "/archive"), None, 200)["archived"] is True
    assert rollouts(site) == ["archived_sessions"]
    assert ids(server) == []
    assert ids(server, "?archived=true") == [conversation]
    assert server.get(url(conversation, "?include=snapshot"))["items"]
    message = {"message": "hello"}
    answer = server.client.post(url(conversation, "/messages"), json=message)
    refused(answer, 409, "conversation_archived")
    before = server.events(conversation)
    server.post(url(conversation, "/archive"), None, 200)
    assert server.events(conversation) == before
    assert server.post(url(conversation, "/unarchive"), None, 200)["archived"] is False
    server.post(url(conversation, "/unarchive"), None, 200)
    assert ids(server) == [conversation]
    site.provider.expect(Text("two"))
    assert server.run(conversation)["reply"] == "two"
    told = [e["data"]["archived"] for e in server.events(conversation) if is_update(e)]
    assert told[-2:] == [True, False]
    check_whole(server.events(conversation))


def is_update(event: Json) -> bool:
    return event["type"] == "conversation/updated"


def test_archived_it_stays_after_a_restart(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        one, empty = server.conversation(), server.conversation()
        site.provider.expect(Text("one"))
        server.run(one)
        for each in (one, empty):
            server.post(url(each, "/archive"), None, 200)
    with start(site) as server:
        server.wait_ready()
        assert sorted(ids(server, "?archived=true")) == sorted([one, empty])
        for each in (one, empty):
            server.post(url(each, "/unarchive"), None, 200)
            site.provider.expect(Text("again"))
            assert server.run(each)["reply"] == "again"


def test_a_conversation_without_a_turn_is_archived_after_its_core_has_gone(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        conversation = server.conversation()
    with start(site) as server:
        server.wait_ready()
        server.post(url(conversation, "/archive"), None, 200)
        assert server.post(url(conversation, "/unarchive"), None, 200)["archived"] is False
        site.provider.expect(Text("on"))
        assert server.run(conversation)["reply"] == "on"


def test_what_runs_in_the_background_ends_with_it(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Command("echo on; sleep 1000", yield_ms=250))
    site.provider.expect(Text("it runs"))
    server.run(conversation)
    server.post(url(conversation, "/archive"), None, 200)
    check_whole(server.events(conversation))


def test_busy_it_is_neither_archived_nor_deleted(server: Server, site: Site) -> None:
    conversation = server.conversation()
    gate = Gate()
    site.provider.expect(Text(["a", gate]))
    server.send(conversation)
    gate.wait_reached()
    refused(server.client.post(url(conversation, "/archive")), 409, "conversation_busy")
    refused(server.client.delete(url(conversation)), 409, "conversation_busy")
    assert server.get(url(conversation))["archived"] is False
    gate.open()


def test_what_another_client_archives_is_followed(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Text("one"))
    server.run(conversation)
    thread = server.get(url(conversation))["thread_id"]
    with OtherClient(site) as other, server.read(conversation) as reader:
        other.call("thread/archive", threadId=thread)
        reader.wait_type("thread/archived")
        assert server.get(url(conversation))["archived"] is True
        other.call("thread/unarchive", threadId=thread)
        reader.wait_type("thread/unarchived")
        assert server.get(url(conversation))["archived"] is False


# --- delete ---------------------------------------------------------------------------------


@pytest.mark.own
def test_deleted_no_text_of_it_is_left(server: Server, site: Site) -> None:
    other, conversation = server.conversation(), server.conversation(title="the ocelot")
    site.provider.expect(Text("stays"))
    server.run(other, "the pelican")
    talk(server, conversation)
    for word in WORDS:
        assert files_with(site, word), word
    with server.read(conversation) as reader, server.read_all() as everything:
        answer = delete(server, conversation)
        assert answer["wiped"] is True
        assert answer["codex"]["state"] == "deleted"
        assert reader.wait_type("conversation/deleted")["data"]["codex"] == "deleted"
        reader.wait_end()
        last = everything.wait_type("conversation/deleted")
        assert last["conversation_id"] == conversation
    for word in WORDS:
        assert not files_with(site, word), word
    assert files_with(site, "pelican")
    assert len(rollouts(site)) == 1
    for path in ("", "/events", "/items", "/queue", "/usage", "/approvals"):
        refused(server.client.get(url(conversation, path)), 404, "conversation_not_found")
    refused(server.client.delete(url(conversation)), 404, "conversation_not_found")
    assert ids(server) == [other]
    site.provider.expect(Text("goes on"))
    assert server.run(other)["reply"] == "goes on"
    check_whole(server.events(other))


def test_what_was_deleted_stays_so_and_its_numbers_are_not_used_again(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        conversation = server.conversation()
        talk(server, conversation)
        delete(server, conversation)
    with start(site) as server:
        server.wait_ready()
        refused(server.client.get(url(conversation)), 404, "conversation_not_found")
        fresh = server.conversation()
        site.provider.expect(Text("new"))
        server.run(fresh)
        told = [e for e in all_events(server) if e["type"] == "conversation/deleted"]
        assert [e["conversation_id"] for e in told] == [conversation]
        of_fresh = [e for e in all_events(server) if e["conversation_id"] == fresh]
        assert of_fresh == server.events(fresh)


def all_events(server: Server) -> list[Json]:
    return server.get("/events?limit=2000")["data"]


def test_by_force_what_runs_and_waits_is_ended(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Text(["a", Gate()]))
    turn = server.send(conversation)["turn_id"]
    with server.read(conversation) as reader:
        reader.wait(lambda e: e.get("text") == "a")
        server.send(conversation, "waits")
        answer = delete(server, conversation, "?force=true")
        assert answer["interrupted_turn"] == turn
        assert answer["removed_messages"] == 1
        reader.wait_type("turn/completed", status="interrupted")
        reader.wait_type("conversation/deleted")
        reader.wait_end()
    refused(server.client.get(url(conversation)), 404, "conversation_not_found")


def test_by_force_it_is_deleted_while_its_core_is_away(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Text(["a", Gate()]))
    server.send(conversation)
    server.send(conversation, "waits")
    with server.read(conversation) as reader:
        reader.wait(lambda e: e.get("text") == "a")
        server.core().kill()
        delete(server, conversation, "?force=true")
        reader.wait_type("turn/completed", status="interrupted")
        reader.wait_type("conversation/deleted")
    refused(server.client.get(url(conversation)), 404, "conversation_not_found")


def test_waiting_messages_keep_it(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Text(["a", Gate()]))
    with server.read(conversation) as reader:
        server.send(conversation)
        reader.wait(lambda e: e.get("text") == "a")
        server.send(conversation, "waits")
        server.post("/interrupt", None, 202)
        reader.wait_type("turn/completed")
    refused(server.client.delete(url(conversation)), 409, "conversation_busy")
    assert delete(server, conversation, "?force=true")["removed_messages"] == 1


def test_its_commands_end_with_it(server: Server, site: Site) -> None:
    for query in ("", "?codex=keep"):
        conversation = server.conversation()
        mark = site.project / "beats"
        site.provider.expect(
            Command(f"echo giraffe; while sleep 0.05; do echo . >> {mark}; done", yield_ms=250)
        )
        site.provider.expect(Text("it runs"))
        server.run(conversation)
        until(mark.exists, "the command runs")
        delete(server, conversation, query)
        until(lambda: not beating(server), "the command has ended")
        assert not files_with(site, "giraffe")


def beating(server: Server) -> list[int]:
    found = server.core().children(recursive=True)
    return [process.pid for process in found if "beats" in str(process.as_dict(["cmdline"]))]


@pytest.mark.own
def test_codex_keeps_its_copy_where_asked(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Text("zebra"))
    server.run(conversation)
    answer = delete(server, conversation, "?codex=keep")
    assert answer["codex"]["state"] == "kept"
    assert not files_with(site, "zebra")
    assert len(rollouts(site)) == 1


def test_an_archived_one_and_one_without_a_turn_are_deleted(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        one, two, three = (server.conversation() for _ in range(3))
        site.provider.expect(Text("zebra"))
        server.run(one)
        server.post(url(one, "/archive"), None, 200)
        assert delete(server, one)["codex"]["state"] == "deleted"
        delete(server, two)
    with start(site) as server:
        server.wait_ready()
        assert delete(server, three)["codex"]["state"] == "none"
        assert ids(server) == ids(server, "?archived=true") == []
        assert not rollouts(site)


def test_what_its_turns_cost_stays_in_the_sums(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Text("one"))
    server.run(conversation)
    before = server.get("/auth/usage")["tokens"]
    delete(server, conversation)
    assert server.get("/auth/usage")["tokens"] == before


def test_an_answer_that_was_kept_goes_with_it(server: Server, site: Site) -> None:
    body = {"working_directory": str(site.project), "title": "ocelot"}
    made = server.post("/conversations", body, 201, headers={"Idempotency-Key": "k"})
    (log,) = (site.root / "state").rglob("log.db")
    delete(server, made["id"])
    with sqlite3.connect(f"file:{log}?mode=ro", uri=True) as connection:
        assert connection.execute("SELECT count(*) FROM answer").fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize("field", ["force", "codex"])
@pytest.mark.own
def test_a_bad_query_deletes_nothing(server: Server, field: str) -> None:
    conversation = server.conversation()
    answer = server.client.delete(url(conversation, f"?{field}=perhaps"))
    refused(answer, 422, "invalid_request", field)
    assert ids(server) == [conversation]


def test_two_at_once_delete_it_once(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Text("one"))
    server.run(conversation)
    with httpx.Client(base_url=server.url, timeout=30) as client:
        answers = [client.delete(url(conversation)) for _ in range(2)]
    assert sorted(a.status_code for a in answers) == [200, 404]
