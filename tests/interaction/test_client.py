"""The Python client against a real server and core: what it sends, reads, and survives."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest

from codex_http_server.client import (
    AsyncClient,
    Client,
    Conflict,
    ConnectionLost,
    Conversation,
    Event,
    Forbidden,
    Invalid,
    NotFound,
    ProtocolError,
    Reset,
    types,
)
from codex_http_server.testing.answers import Command, Gate, Text
from codex_http_server.testing.reader import PATIENCE
from tests.support.access import make_token, token_file
from tests.support.commands import until
from tests.support.cutting import Proxy
from tests.support.images import PNG
from tests.support.judge import check_reader, check_whole
from tests.support.sections import Sections
from tests.support.server import Server, start
from tests.support.shared import site_at


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all."""
    with site_at(tmp_path_factory.mktemp("client")) as site:
        site.configure(stream_idle_timeout_ms=60_000)  # the model waits for the tests
        with start(site) as running:
            running.wait_ready()
            yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.url, patience=PATIENCE) as made:
        yield made


@pytest.fixture
def conversation(client: Client, server: Server) -> Conversation:
    return client.create(server.site.project)


def logged(events: list[Any]) -> list[dict[str, Any]]:
    """The events of the log among what a reader got, as they came."""
    return [each.raw for each in events if isinstance(each, Event) and each.seq is not None]


def until_end(events: Iterator[Event | Reset]) -> list[Event | Reset]:
    """What comes, up to the end of a turn."""
    found: list[Event | Reset] = []
    for each in events:
        found.append(each)
        if isinstance(each, Event) and each.type == "turn/completed":
            return found
    raise AssertionError("the events ended")


# --- messages -------------------------------------------------------------------------------


def test_send_and_wait_for_the_reply(server: Server, conversation: Conversation) -> None:
    server.site.provider.expect(Text("Hello."))
    sent = conversation.send("hi", wait=PATIENCE)
    assert (sent.status, sent.outcome, sent.reply, sent.done) == (
        "ended",
        "completed",
        "Hello.",
        True,
    )


def test_send_without_waiting_and_ask_again_with_the_key(
    server: Server, conversation: Conversation
) -> None:
    gate = Gate()
    server.site.provider.expect(Text(["one ", gate, "two"]))
    first = conversation.send("hi", key="mine")
    assert (first.status, first.done, first.reply) == ("started", False, None)
    gate.open()
    again = conversation.send("hi", key="mine", wait=PATIENCE)
    assert (again.submit_id, again.reply) == (first.submit_id, "one two")


def test_stream_one_turn(server: Server, conversation: Conversation) -> None:
    server.site.provider.expect(Command("echo made > made.txt"))
    server.site.provider.expect(Text("First this, then that.", chunk=5))
    with conversation.stream("go") as turn:
        events = list(turn)
    assert turn.outcome == "completed"
    assert events[-1].type == "turn/completed"
    texts = [e.text or "" for e in events if e.type == "item/agentMessage/delta"]
    assert "".join(texts) == "First this, then that."
    assert {e.turn_id for e in events} == {turn.turn_id}


def test_a_queued_message_streams_its_own_turn(server: Server, conversation: Conversation) -> None:
    gate = Gate()
    server.site.provider.expect(Text(["one ", gate]))
    server.site.provider.expect(Text("the second"))
    first = conversation.send("first")
    with ThreadPoolExecutor(1) as pool, conversation.stream("second") as turn:
        reading = pool.submit(list, turn)
        until(lambda: len(conversation.queue()) == 1, "the message waits")
        gate.open()
        events = reading.result(PATIENCE)
    assert turn.turn_id not in (None, first.turn_id)
    assert "the second" in [
        e.data["item"].get("text") for e in events if e.type == "item/completed"
    ]


def test_a_message_that_is_taken_back_ends_its_stream(
    server: Server, conversation: Conversation
) -> None:
    gate = Gate()
    server.site.provider.expect(Text(["one ", gate]))
    conversation.send("first")
    with ThreadPoolExecutor(1) as pool, conversation.stream("second") as turn:
        reading = pool.submit(list, turn)
        until(lambda: len(conversation.queue()) == 1, "the message waits")
        conversation.take_back(conversation.queue()[0]["submit_id"])
        events = reading.result(PATIENCE)
    assert (turn.outcome, events[-1].type) == ("removed", "message/removed")
    gate.open()


def test_the_queue_is_changed(server: Server, conversation: Conversation) -> None:
    gate = Gate()
    server.site.provider.expect(Text([gate]))
    conversation.send("first")
    gate.wait_reached()  # else the interrupt may come before the model is asked, and leave it this
    waiting = [conversation.send(f"number {n}").submit_id for n in range(10)]
    with pytest.raises(Conflict) as refused:
        conversation.send("not now", while_busy="reject")
    assert (refused.value.code, refused.value.status) == ("conversation_busy", 409)
    assert refused.value.request_id
    conversation.edit(waiting[0], "other words")
    order = conversation.reorder(waiting[::-1])
    assert [entry["submit_id"] for entry in order] == waiting[::-1]
    assert order[-1]["input"][0]["text"] == "other words"
    assert conversation.interrupt(clear_queue=True)["removed_messages"] == 10
    gate.open()


def test_an_approval_is_listed_and_answered_once(
    server: Server, client: Client, conversation: Conversation
) -> None:
    server.site.provider.expect(Command("echo no > ../outside.txt", escalate=True))
    server.site.provider.expect(Text("Done."))
    with conversation.stream("go") as turn:
        asked = next(e for e in turn if e.type == "approval/requested")
        approval = next(iter(client.approvals()))
        assert approval == next(conversation.approvals())
        assert approval["approval_id"] == asked.data["approval_id"]
        assert "accept" in [each["id"] for each in approval["decisions"]]
        ended = conversation.answer(approval["approval_id"], "decline")
        assert ended["resolution"]
        assert ended["resolution"]["decision"] == "decline"
        with pytest.raises(Conflict) as refused:
            conversation.answer(approval["approval_id"], "accept")
        assert refused.value.code == "approval_ended"
        assert refused.value.extra["resolution"]["decision"] == "decline"
        list(turn)
    assert turn.outcome == "completed"
    assert conversation.approval(approval["approval_id"])["status"] == "resolved"
    assert list(conversation.approvals()) == []
    assert len(list(conversation.approvals(ended=True))) == 1


def test_an_upload_goes_with_a_message(
    server: Server, client: Client, conversation: Conversation
) -> None:
    kept = client.upload(PNG, "image/png")
    file = server.site.root / "shot.png"
    file.write_bytes(PNG)
    assert client.upload(file)["size"] == kept["size"] == len(PNG)
    server.site.provider.expect(Text("A picture."))
    part = {"type": "image", "upload_id": kept["upload_id"]}
    assert conversation.send("look", input=[part], wait=PATIENCE).reply == "A picture."


# --- conversations --------------------------------------------------------------------------


def test_conversations_are_made_listed_changed_and_deleted(client: Client, server: Server) -> None:
    folder = server.site.root / "many"
    folder.mkdir()
    made = [client.create(folder, title=f"number {n}").id for n in range(60)]
    found = [entry["id"] for entry in client.conversations(working_directory=str(folder))]
    assert found == made[::-1]  # more than one page
    one = client.conversation(made[0])
    assert one.patch(title="other", sandbox="read-only")["title"] == "other"
    assert one.get()["sandbox"] == "read-only"
    assert one.archive()["archived"]
    listed = client.conversations(working_directory=str(folder), archived=True)
    assert [entry["id"] for entry in listed] == [made[0]]
    assert not one.unarchive()["archived"]
    assert one.delete()["id"] == made[0]
    with pytest.raises(NotFound) as refused:
        one.get()
    assert refused.value.code == "conversation_not_found"


def test_what_was_said_is_found(client: Client, server: Server) -> None:
    made = [client.create(server.site.project, title=f"Ocelot {n}").id for n in range(45)]
    found = [hit["conversation_id"] for hit in client.search("ocelot")]
    assert found == made[::-1]  # more than one page
    (hit,) = client.search('"ocelot 4', prefix=False, kind=["title"], conversation=made[:9])
    assert (hit["conversation_id"], hit["snippet"]["matches"]) == (
        made[4],
        [{"start": 0, "end": 8}],
    )
    assert len(list(client.search("ocelot 4", prefix=True))) == 6
    with pytest.raises(Invalid):
        list(client.search(""))


def test_errors_are_typed_and_say_what_to_do(client: Client, server: Server) -> None:
    with pytest.raises(Invalid) as refused:
        client.create("/no/such/directory")
    assert refused.value.code == "invalid_working_directory"
    assert refused.value.extra["errors"][0]["field"] == "working_directory"
    with pytest.raises(NotFound):
        client.request("GET", "/no-such-route")
    with pytest.raises(Invalid) as refused:
        client.request("POST", "/conversations", {"working_directory": 1})
    assert refused.value.status == 422
    assert client.request("GET", "/health")["status"] == "ok"
    made = client.request("POST", "/conversations", {"working_directory": str(server.site.project)})
    again = [client.request("POST", "/resume", {}, key="k") for _ in range(2)]
    assert again[0] == again[1]
    assert made["id"]


def test_nobody_at_the_address_is_said_at_once() -> None:
    with Client("http://127.0.0.1:9") as lonely, pytest.raises(ConnectionLost) as lost:
        lonely.request("GET", "/health")
    assert "doctor" in (lost.value.hint or "")


def test_another_program_at_the_address(server: Server) -> None:
    with Client(server.site.provider.url) as wrong, pytest.raises(ProtocolError):
        wrong.request("GET", "/health")


# --- events ---------------------------------------------------------------------------------


def test_events_go_on_where_they_were_kept(server: Server, conversation: Conversation) -> None:
    server.site.provider.script = lambda _: [Text("short")]
    conversation.send("one", wait=PATIENCE)
    with conversation.events() as events:
        first = until_end(events)
        kept = events.seq, events.log_id
    conversation.send("two", wait=PATIENCE)
    assert kept[0] is not None
    with conversation.events(after=kept[0], log=kept[1]) as events:
        rest = until_end(events)
    server.site.provider.script = None
    check_reader(logged(first + rest), server.events(conversation.id))


def test_latest_is_where_the_block_begins(server: Server, conversation: Conversation) -> None:
    server.site.provider.expect(Text("short"))
    with conversation.events(after="latest") as events:
        start = events.seq
        assert start is not None
        conversation.send("one", wait=PATIENCE)  # before the stream is open
        found = until_end(events)
    check_reader(logged(found), server.events(conversation.id), after=start)


def test_a_connection_that_breaks_all_the_time(server: Server, conversation: Conversation) -> None:
    """Every connection is cut in the middle of a frame; nothing is lost and nothing comes twice."""
    answer = Sections(3)
    server.site.provider.expect(Text(answer.parts))
    with Proxy(server.url) as proxy, Client(proxy.url, patience=PATIENCE) as far:
        proxy.cut_after = 9_000
        talk = far.conversation(conversation.id)
        with (
            ThreadPoolExecutor(1) as pool,
            talk.stream("go") as turn,
            talk.events() as events,
        ):
            reading = pool.submit(until_end, events)
            got_turn = [answer.seen(event) for event in turn]
            got = reading.result(PATIENCE)
        assert proxy.connections > 10
    log = server.events(conversation.id)
    check_whole(log)
    check_reader(logged(got), [e for e in log if e["seq"] <= got_turn[-1].seq])
    mine = [e for e in log if e.get("turn_id") == turn.turn_id]
    check_reader(logged(list(got_turn)), mine)


def test_a_lost_answer_is_asked_for_again_and_done_once(
    server: Server, conversation: Conversation
) -> None:
    server.site.provider.expect(Text("once"))
    with Proxy(server.url) as proxy, Client(proxy.url, patience=PATIENCE) as far:
        talk = far.conversation(conversation.id)
        talk.get()
        proxy.cut_after = 100  # not even a whole head of an answer
        threading.Timer(0.3, setattr, (proxy, "cut_after", None)).start()
        sent = talk.send("hi", wait=PATIENCE)
        assert sent.reply == "once"
        messages = [e for e in server.events(conversation.id) if e["type"] == "turn/started"]
        assert len(messages) == 1


def test_a_deletion_is_not_repeated(server: Server, conversation: Conversation) -> None:
    with Proxy(server.url) as proxy, Client(proxy.url, patience=PATIENCE) as far:
        talk = far.conversation(conversation.id)
        talk.get()
        proxy.cut_after = 100
        proxy.cut()
        with pytest.raises(ConnectionLost):
            talk.delete()


def test_a_number_of_another_log_resets(server: Server, conversation: Conversation) -> None:
    server.site.provider.script = lambda _: [Text("short")]
    conversation.send("one", wait=PATIENCE)
    head = conversation.get()["head"]
    for events, reason in (
        (conversation.events(after=head + 1000), "ahead"),
        (conversation.events(after=3, log="01a204aa-0000-7000-8000-000000000000"), "other_log"),
    ):
        with events:
            reset = next(events)
            assert isinstance(reset, Reset)
            assert (reset.reason, reset.seq) == (reason, conversation.get()["head"])
            assert reset.snapshot["items"][-1]["item"]["text"] == "short"
            conversation.send("two", wait=PATIENCE)
            rest = until_end(events)
            check_reader(logged(rest), server.events(conversation.id), after=reset.seq)
            assert events.log_id == reset.log_id
    server.site.provider.script = None


def test_the_events_end_with_the_conversation(conversation: Conversation) -> None:
    with conversation.events(after="latest") as events:
        conversation.delete()
        with pytest.raises(NotFound):
            list(events)


# --- threads and tasks ----------------------------------------------------------------------


def test_threads_share_a_client(server: Server, client: Client) -> None:
    server.site.provider.script = lambda request: [Text(f"to: {request.user_text}", chunk=3)]

    def talk(number: int) -> str:
        conversation = client.create(server.site.project)
        with conversation.stream(f"number {number}") as turn:
            return "".join(e.text or "" for e in turn if e.type == "item/agentMessage/delta")

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(talk, range(6)))
    server.site.provider.script = None
    assert found == [f"to: number {number}" for number in range(6)]


async def test_async_says_the_same(server: Server) -> None:
    server.site.provider.script = lambda _: [Text("Hello there.", chunk=4)]
    async with AsyncClient(server.url, patience=PATIENCE) as client:
        conversation = await client.create(server.site.project, title="async")
        assert (await conversation.send("hi", wait=PATIENCE)).reply == "Hello there."
        async with conversation.stream("again") as turn:
            texts = [e.text or "" async for e in turn if e.type == "item/agentMessage/delta"]
        assert ("".join(texts), turn.outcome) == ("Hello there.", "completed")
        async with conversation.events(after=0) as events:
            got: list[Event | Reset] = []
            async for each in events:
                got.append(each)
                if isinstance(each, Event) and each.seq == (await conversation.get())["head"]:
                    break
        listed = [entry["id"] async for entry in client.conversations(q="async")]
        assert listed == [conversation.id]
        found = [hit["seq"] async for hit in client.search("hello there", kind=["answer"])]
        assert len(found) == 2
        with pytest.raises(NotFound):
            await client.conversation("no-such-id").get()
    server.site.provider.script = None
    check_reader(logged(got), server.events(conversation.id))


async def test_async_survives_a_bad_line(server: Server) -> None:
    answer = Sections(2)
    server.site.provider.expect(Text(answer.parts))
    with Proxy(server.url) as proxy:
        async with AsyncClient(proxy.url, patience=PATIENCE) as client:
            conversation = await client.create(server.site.project)
            proxy.cut_after = 9_000
            async with conversation.stream("go") as turn:
                got = [answer.seen(event) async for event in turn]
        assert proxy.connections > 3
    log = server.events(conversation.id)
    check_reader(logged(list(got)), [e for e in log if e.get("turn_id") == turn.turn_id])


async def test_a_cancelled_reader_goes_on_where_it_was(server: Server) -> None:
    gate = Gate()
    server.site.provider.expect(Text(["one ", gate, "two"]))
    async with AsyncClient(server.url, patience=PATIENCE) as client:
        conversation = await client.create(server.site.project)
        got: list[Event | Reset] = []
        seen = asyncio.Event()
        events = conversation.events()

        async def read() -> None:
            async for each in events:
                got.append(each)
                assert isinstance(each, Event)
                if each.text == "one ":
                    seen.set()
                if each.type == "turn/completed":
                    return

        reading = asyncio.create_task(read())
        await conversation.send("go")
        await asyncio.wait_for(seen.wait(), PATIENCE)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        gate.open()
        await asyncio.wait_for(read(), PATIENCE)
        await events.close()
    check_reader(logged(got), server.events(conversation.id))


async def test_nothing_is_left_open(server: Server) -> None:
    """Neither by a block that is left early, nor by a cancelled task, nor by a closed client."""
    before = _open(server)
    gate = Gate()
    server.site.provider.expect(Text(["one ", gate, "two"]))
    client = AsyncClient(server.url, patience=PATIENCE)
    conversation = await client.create(server.site.project)
    async with conversation.stream("go") as turn:
        await anext(turn)
    reading = asyncio.create_task(_drain(conversation.events()))
    await conversation.get()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await client.close()
    with Client(server.url) as short:
        with short.conversation(conversation.id).events() as events:
            next(events)
        forgotten = short.conversation(conversation.id).events()
        next(forgotten)
    gate.open()
    await asyncio.to_thread(until, lambda: _open(server) <= before, "the connections are closed")


async def _drain(events: Any) -> None:
    async for _ in events:
        pass


def _open(server: Server) -> int:
    """Connections that the server has, without the one that asks."""
    found = psutil.Process(server.process.pid).net_connections("inet")
    return len([each for each in found if each.status == "ESTABLISHED"])


def test_turns_that_no_message_starts(
    server: Server, conversation: Conversation, client: Client
) -> None:
    server.site.provider.expect(Text("In short: nothing."))
    began = conversation.compact()
    with conversation.events() as events:
        ended = (each for each in events if isinstance(each, Event) and each.status == "completed")
        assert (
            next(each for each in ended if each.type == "turn/completed").turn_id
            == began["turn_id"]
        )
    server.site.provider.expect(Text("Well written."))
    done = conversation.review({"type": "custom", "instructions": "Look."}, wait=PATIENCE)
    assert done.get("reply") == "Well written."
    with pytest.raises(Forbidden) as refused:
        conversation.shell("true")
    assert refused.value.code == "scope_required"
    token = make_token(token_file(server.site), "shell", ["drive", "elevate"])
    with Client(server.url, token) as other:
        ran = other.conversation(conversation.id).shell("exit 2", timeout=9, wait=PATIENCE)
    assert ran.get("exit_code") == 2


async def test_turns_that_no_message_starts_awaited(server: Server) -> None:
    async with AsyncClient(server.url, patience=PATIENCE) as client:
        conversation = await client.create(server.site.project)
        server.site.provider.expect(Text("In short: nothing."))
        assert (await conversation.compact(wait=PATIENCE))["status"] == "ended"
        server.site.provider.expect(Text("Well written."))
        assert (await conversation.review(wait=PATIENCE)).get("reply") == "Well written."
        with pytest.raises(Forbidden):
            await conversation.shell("true")


def test_the_types_are_those_of_the_server(server: Server) -> None:
    """Every field that the client names is one that the server knows."""
    schemas = httpx.get(f"{server.url}/openapi.json").json()["components"]["schemas"]
    pairs = {
        "ConversationView": types.ConversationInfo,
        "ApprovalView": types.Approval,
        "DecisionView": types.Decision,
        "QueuedView": types.QueuedMessage,
        "UploadView": types.Upload,
        "Interrupted": types.Interrupted,
        "TurnEnded": types.TurnEnded,
        "Ran": types.Ran,
    }
    for name, typed in pairs.items():
        assert set(typed.__annotations__) <= set(schemas[name]["properties"]), name
    sent = set(schemas["SendMessage"]["properties"])
    assert set(types.MessageOptions.__annotations__) <= sent
    made = set(schemas["CreateConversation"]["properties"])
    assert set(types.CreateOptions.__annotations__) <= made
