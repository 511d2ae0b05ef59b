"""The Python client looks: pages, changes, outputs, files, exports; and what the server has."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from codex_http_server.client import (
    AsyncAllEvents,
    AsyncClient,
    Client,
    Conflict,
    ConnectionLost,
    Conversation,
    Event,
    Invalid,
    NotFound,
    types_history,
    types_server,
)
from codex_http_server.testing.answers import Command, Fail, Gate, Patch, Text
from codex_http_server.testing.reader import PATIENCE
from tests.support.commands import until
from tests.support.cutting import Proxy
from tests.support.gitrepo import make_repository
from tests.support.judge import check_reader
from tests.support.sections import Sections
from tests.support.server import Server, start
from tests.support.shared import server_at
from tests.support.signin import LoginSite

ADD = "*** Begin Patch\n*** Add File: {name}\n+{line}\n*** End Patch"
SEPARATED = "one\u2028two\u0085three"  # no line ends of JSON lines


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all."""
    with server_at(tmp_path_factory.mktemp("looking")) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.url, patience=PATIENCE) as made:
        yield made


@pytest.fixture
def talk(client: Client, server: Server) -> Conversation:
    """A conversation with a command, a change, and two turns."""
    made = client.create(server.site.project, title="Looking")
    server.site.provider.expect(Command("echo first; echo second"))
    server.site.provider.expect(Patch(ADD.format(name=f"{made.id}.txt", line="new")))
    server.site.provider.expect(Text(SEPARATED))
    made.send("work", wait=PATIENCE)
    server.site.provider.expect(Text("Nothing to do."))
    made.send("and now?", wait=PATIENCE)
    return made


# --- pages ----------------------------------------------------------------------------------


def test_turns_and_items_by_pages(talk: Conversation) -> None:
    newest = talk.turns(limit=1)
    assert (newest["turns_before"], newest["turns_after"]) == (1, 0)
    older = talk.turns(before=newest["data"][0]["seq"])
    (first,) = older["data"]
    assert first == talk.turn(first["turn_id"])
    assert (first["status"], first["diff"] is not None) == ("completed", True)
    found = talk.items(after=0, limit=2)
    texts = [each["item_type"] for each in found["data"]]
    while found["items_after"]:
        found = talk.items(after=found["data"][-1]["seq"], limit=2)
        texts += [each["item_type"] for each in found["data"]]
    assert texts.count("userMessage") == texts.count("agentMessage") == 2
    assert found["open_items"] == []
    mine = talk.items(turn=first["turn_id"])["data"]
    assert {each["turn_id"] for each in mine} == {first["turn_id"]}
    command = next(each for each in mine if each["item_type"] == "commandExecution")
    output = talk.output(first["turn_id"], str(command["item_id"]), offset=6)
    assert (output["text"], output["ended"]) == ("second\n", True)
    with pytest.raises(NotFound):
        talk.turn("no-such-turn")


def test_what_a_turn_and_what_everybody_changed(
    talk: Conversation, client: Client, tmp_path: Path
) -> None:
    first, second = talk.turns()["data"]
    assert "+new" in talk.diff(first["turn_id"])["diff"]
    assert talk.diff() == talk.diff(second["turn_id"])
    assert talk.diff()["diff"] == ""
    head = make_repository(tmp_path)
    (tmp_path / "file.txt").write_text("three\n")
    (tmp_path / "other.txt").write_text("of nobody\n")
    changed = client.create(tmp_path).work_tree_diff()
    assert (changed["head"], changed["untracked"]) == (head, ["other.txt"])
    assert "+three" in changed["diff"]


def test_usage_and_files(talk: Conversation, client: Client, server: Server) -> None:
    used = talk.usage(limit=1)
    assert (used["tokens"]["turns"], len(used["turns"])) == (2, 1)
    assert client.usage(by="conversation", limit=200)["conversations"]
    name = f"{talk.id}.txt"
    found = talk.files(name, limit=2)
    assert found["type"] == "file"
    assert (found["content"], found["next_offset"]) == ("ne", 2)
    listed = talk.files()
    assert listed["type"] == "directory"
    assert name in [each["name"] for each in listed["data"]]
    assert talk.find_files(talk.id[-8:])[0]["path"] == name


# --- export ---------------------------------------------------------------------------------


def test_export_to_a_file_and_line_by_line(
    talk: Conversation, server: Server, tmp_path: Path
) -> None:
    lines = list(talk.export_lines())
    assert json.loads(lines[0])["conversation"]["id"] == talk.id
    assert [json.loads(line) for line in lines[1:]] == server.events(talk.id)
    assert any("\u2028" in line for line in lines)
    with (tmp_path / "talk.jsonl").open("wb") as file:
        talk.export(file)
    assert (tmp_path / "talk.jsonl").read_text().split("\n") == [*lines, ""]
    read = io.BytesIO()
    talk.export(read, "markdown")
    assert read.getvalue().decode().startswith("# Looking\n")
    assert (
        "".join(f"{line}\n" for line in talk.export_lines("markdown")).encode() == read.getvalue()
    )


def test_an_export_that_breaks_off_says_so(talk: Conversation, server: Server) -> None:
    with Proxy(server.url) as proxy, Client(proxy.url, patience=PATIENCE) as far:
        proxy.cut_after = 3000
        with pytest.raises(ConnectionLost) as lost:
            list(far.conversation(talk.id).export_lines())
    assert "not whole" in (lost.value.hint or "")


def test_an_export_that_is_left_early_leaves_nothing_open(
    talk: Conversation, client: Client
) -> None:
    with closing(talk.export_lines()) as lines:
        next(lines)
    assert talk.get()["id"] == talk.id
    with pytest.raises(NotFound):
        list(client.conversation("no-such-id").export_lines())


def test_a_long_export_takes_little_memory(server: Server, client: Client, tmp_path: Path) -> None:
    talk = client.create(server.site.project)
    for _ in range(4):
        server.site.provider.expect(Text("long " * 400_000, chunk=400_000))
        talk.send("more", wait=PATIENCE)
    tracemalloc.start()
    with (tmp_path / "long").open("wb") as file:
        talk.export(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "long").stat().st_size > 8_000_000
    assert peak < 2_000_000  # the server reads a page ahead, the client one piece


# --- what is done with a conversation -------------------------------------------------------


def test_fork_and_retry(talk: Conversation, server: Server, client: Client) -> None:
    first = talk.turns()["data"][0]["turn_id"]
    fork = talk.fork(at_turn_id=first, title="Otherwise")
    info = fork.get()
    assert (info["title"], len(fork.turns()["data"])) == ("Otherwise", 1)
    assert info["forked_from"] == {"conversation_id": talk.id, "turn_id": first}
    with pytest.raises(Conflict) as refused:
        fork.retry()
    assert refused.value.code == "nothing_to_retry"
    server.site.provider.expect(Fail(400))
    assert fork.send("go on", wait=PATIENCE).outcome == "failed"
    server.site.provider.expect(Text("This time."))
    assert fork.retry(wait=PATIENCE).reply == "This time."
    assert fork.delete(force=True)["id"] == fork.id


def test_commands_in_the_background(server: Server, talk: Conversation) -> None:
    for _ in range(2):
        server.site.provider.expect(Command("sleep 300", yield_ms=250))
    server.site.provider.expect(Text("they run"))
    talk.send("two", wait=PATIENCE)
    one, other = talk.terminals()
    assert one["in_background"]
    assert talk.end_terminals(one["terminal_id"]) == [one["terminal_id"]]
    assert talk.end_terminals() == [other["terminal_id"]]
    assert talk.terminals() == []


def test_stop_everything_and_go_on(server: Server, client: Client, talk: Conversation) -> None:
    gate = Gate()
    server.site.provider.expect(Text(["one ", gate]))
    talk.send("first")
    gate.wait_reached()
    talk.send("second")
    assert client.interrupt()["conversations"] == [talk.id]
    gate.open()
    until(lambda: talk.get()["status"] == "idle", "it has stopped")
    assert len(talk.queue()) == 1
    server.site.provider.expect(Text("the second"))
    with talk.events(after="latest") as events:
        assert client.resume() == [talk.id]
        next(e for e in events if isinstance(e, Event) and e.type == "turn/completed")
    assert talk.resume() == {"resumed": False, "waiting_messages": 0}


# --- the server -----------------------------------------------------------------------------


def test_the_server_and_its_account(client: Client) -> None:
    health = client.health()
    assert health["core"]
    assert (health["status"], health["core"]["state"]) == ("ok", "ready")
    assert client.ready()["ready"]
    assert not client.auth_status()["requires_login"]
    assert client.models()
    assert isinstance(client.skills("/"), list)
    with pytest.raises(Invalid):
        client.usage(limit=0)


def test_signing_in(login_site: LoginSite) -> None:
    with start(login_site) as server, Client(server.url, patience=PATIENCE) as client:
        server.wait_ready()
        assert client.auth_status()["reason"] == "not_signed_in"
        with client.events(after="latest", account=True) as events:
            first = client.login("device_code")
            assert first.info["user_code"]
            assert first.wait(0)["state"] == "pending"
            assert first.cancel()["state"] == "cancelled"
            login = client.login("api_key", login_site.issuer.ledger.new_key())
            assert login.wait()["state"] == "succeeded"
            next(e for e in events if e.type == "account/updated")
        assert client.logout()["reason"] == "not_signed_in"


def test_not_ready_is_an_answer(server: Server) -> None:
    core = server.core()
    with Client(server.url) as client:
        core.kill()
        until(lambda: not client.ready()["ready"], "its end is seen")
        until(lambda: client.ready()["ready"], "the core is back")


# --- everything -----------------------------------------------------------------------------


def positions(events: list[Event], conversation_id: str) -> list[dict[str, Any]]:
    return [e.raw for e in events if e.conversation_id == conversation_id and e.seq is not None]


def until_ends(events: Iterator[Event], count: int) -> list[Event]:
    """What comes, up to the ends of so many turns."""
    found: list[Event] = []
    for each in events:
        found.append(each)
        count -= each.type == "turn/completed"
        if not count:
            return found
    raise AssertionError("the events ended")


def test_all_conversations_on_one_stream_that_breaks(server: Server) -> None:
    answer, asked = Sections(3), len(server.site.provider.requests)
    server.site.provider.expect(Text(answer.parts))
    with Proxy(server.url) as proxy, Client(proxy.url, patience=PATIENCE) as far:
        with ThreadPoolExecutor(1) as pool, far.events(after="latest") as events:
            talks = [far.create(server.site.project) for _ in range(2)]
            proxy.cut_after = 9_000
            reading = pool.submit(until_ends, map(answer.seen, events), 2)
            server.send(talks[0].id)
            server.site.provider.wait_request(asked + 1)
            server.site.provider.expect(Text("beside it"))
            server.run(talks[1].id)
            got = reading.result(PATIENCE)
            kept = events.position, events.log_id
        assert proxy.connections > 10
        server.site.provider.expect(Text("later"))
        server.run(talks[0].id)
        with far.events(after=kept[0], log=kept[1], conversation=[talks[0].id]) as events:
            got += until_ends(events, 1)
    for talk in talks:
        check_reader(positions(got, talk.id), server.events(talk.id))


def test_a_position_of_another_log_resets(server: Server, client: Client) -> None:
    talk = client.create(server.site.project)
    with client.events(after="latest") as events:
        kept = events.position
    with client.events(after=kept, log="01a204aa-0000-7000-8000-000000000000") as events:
        reset = next(events)
        assert (reset.type, reset.data["reason"]) == ("feed/reset", "other_log")
        assert (events.position, events.log_id) == (reset.data["head"], reset.data["log_id"])
        server.site.provider.expect(Text("after it"))
        server.run(talk.id)
        assert until_ends(events, 1)


async def test_awaited_it_says_the_same(server: Server, talk: Conversation, tmp_path: Path) -> None:
    async with AsyncClient(server.url, patience=PATIENCE) as client:
        there = client.conversation(talk.id)
        assert await there.turns(limit=1) == talk.turns(limit=1)
        assert await there.items(after=0) == talk.items(after=0)
        assert await there.diff() == talk.diff()
        assert [line async for line in there.export_lines()] == list(talk.export_lines())
        with (tmp_path / "talk.md").open("wb") as file:
            await there.export(file, "markdown")
        read = io.BytesIO()
        talk.export(read, "markdown")
        assert (tmp_path / "talk.md").read_bytes() == read.getvalue()
        with Client(server.url) as short:
            assert await client.health() == short.health()
        async with client.events(after="latest") as events:
            server.site.provider.expect(Text("heard"))
            await there.send("say it")
            ended = [e async for e in _until_end(events)]
        assert ended[-1].conversation_id == talk.id
        fork = await there.fork(title="awaited")
        assert (await fork.get())["title"] == "awaited"
        assert await there.terminals() == []
        async with AsyncClient(server.url) as other:
            with pytest.raises(NotFound):
                await anext(other.conversation("no-such-id").export_lines())


async def _until_end(events: AsyncAllEvents) -> AsyncIterator[Event]:
    async for each in events:
        yield each
        if each.type == "turn/completed":
            return


def test_the_types_are_those_of_the_server(server: Server) -> None:
    """Every field that the client names is one that the server knows."""
    schemas = httpx.get(f"{server.url}/openapi.json").json()["components"]["schemas"]
    pairs = {
        "TokenCounts": types_history.TokenCounts,
        "SpentView": types_history.Spent,
        "TurnSpent": types_history.TurnSpent,
        "QuotaView": types_history.Quota,
        "ConversationUsage": types_history.ConversationUsage,
        "TurnEntry": types_history.TurnEntry,
        "TurnPage": types_history.TurnPage,
        "ItemView": types_history.Item,
        "OpenItemView": types_history.OpenItem,
        "ItemPage": types_history.ItemPage,
        "TurnDiff": types_history.TurnDiff,
        "WorkTreeDiff": types_history.WorkTreeDiff,
        "Output": types_history.Output,
        "TerminalView": types_history.Terminal,
        "FileView": types_history.File,
        "EntryView": types_history.Entry,
        "DirectoryView": types_history.Directory,
        "HitView": types_history.FileHit,
        "Fork": types_history.ForkOptions,
        "Resumed": types_history.Resumed,
        "CoreView": types_server.Core,
        "Health": types_server.Health,
        "Ready": types_server.Ready,
        "AuthStatus": types_server.AuthStatus,
        "LoginError": types_server.LoginError,
        "LoginView": types_server.LoginInfo,
        "Usage": types_server.Usage,
        "InterruptedAll": types_server.InterruptedAll,
    }
    for name, typed in pairs.items():
        assert set(typed.__annotations__) <= set(schemas[name]["properties"]), name
