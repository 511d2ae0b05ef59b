"""The JSON-RPC peer: ids, the table of open requests, deadlines."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from codex_http_server.engine.rpc import IN_FLIGHT, OnResult, Peer
from codex_http_server.errors import CoreError, CoreGone, CoreTimeout, Invalid

PATIENCE = 5.0  # seconds
SOON = 0.02


class Wire:
    """A transport whose other end is the test."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.heard: list[tuple[Any, ...]] = []
        self.peer = Peer(self._notified, self._asked)
        self.peer.attach(self)
        self.asking: set[asyncio.Task[Any]] = set()

    def _notified(self, method: str, params: msgspec.Raw, at_ms: int) -> None:
        assert at_ms > 1_600_000_000_000
        self.heard.append((method, bytes(params)))

    def _asked(self, request_id: int | str, method: str, params: msgspec.Raw) -> None:
        self.heard.append((request_id, method, bytes(params)))

    def send(self, message: bytes) -> None:
        self.sent.append(msgspec.json.decode(message))

    def close(self) -> None:
        """Nothing to close."""

    def say(self, **message: Any) -> None:
        """Let the core send a message."""
        self.peer.receive(msgspec.json.encode(message))

    async def ask(
        self, *, deadline: float = PATIENCE, on_result: OnResult | None = None
    ) -> asyncio.Task[msgspec.Raw]:
        """A request on its way: it was sent, or waits for its turn."""
        coroutine = self.peer.request("m", {}, deadline=deadline, on_result=on_result)
        task = asyncio.create_task(coroutine)
        self.asking.add(task)
        await turn()
        return task


async def turn() -> None:
    """Let everything that is ready on the loop run, several times over."""
    for _ in range(5):
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(done.set_result, None)
        await done


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    made = Wire()
    yield made
    made.peer.lost()
    await asyncio.gather(*made.asking, return_exceptions=True)


# --- our requests --------------------------------------------------------------------------


async def test_a_request_has_an_id_a_method_and_its_params(wire: Wire) -> None:
    request = asyncio.create_task(wire.peer.request("turn/start", {"a": None}, deadline=PATIENCE))
    await turn()
    (sent,) = wire.sent
    assert sent == {"id": sent["id"], "method": "turn/start", "params": {"a": None}}
    wire.say(id=sent["id"], result={"ok": 1})
    assert await request == msgspec.Raw(b'{"ok":1}')


async def test_results_that_come_out_of_order_reach_their_requests(wire: Wire) -> None:
    requests = [await wire.ask() for _ in range(20)]
    ids = [sent["id"] for sent in wire.sent]
    assert len(set(ids)) == 20
    for number in random.sample(range(20), 20):
        wire.say(id=ids[number], result=number)
    assert [int(bytes(await request)) for request in requests] == list(range(20))


async def test_a_result_may_be_null_and_keeps_its_bytes(wire: Wire) -> None:
    first, second = await wire.ask(), await wire.ask()
    wire.say(id=1, result=None)
    wire.peer.receive(b'{"id":2,"result":{ "a" : 1e400 }}')
    assert (bytes(await first), bytes(await second)) == (b"null", b'{ "a" : 1e400 }')


async def test_an_error_of_the_core_is_raised_whole(wire: Wire) -> None:
    request = await wire.ask()
    wire.say(id=1, error={"code": -32600, "message": "no", "data": {"why": 1}})
    with pytest.raises(CoreError, match="-32600: no") as error:
        await request
    assert (error.value.rpc_code, error.value.data) == (-32600, {"why": 1})


async def test_an_error_of_the_core_is_raised_without_the_secrets_in_it(wire: Wire) -> None:
    request = await wire.ask()
    key = "sk-" + "a1B2" * 6
    wire.say(id=1, error={"code": 1, "message": f"bad {key}", "data": {"said": [key]}})
    with pytest.raises(CoreError, match=r"bad \[redacted\]") as error:
        await request
    assert error.value.data == {"said": ["[redacted]"]}


async def test_a_request_without_an_answer_ends_by_its_deadline(wire: Wire) -> None:
    with pytest.raises(CoreTimeout, match=r"did not answer slow within 0\.02 s"):
        await wire.peer.request("slow", {}, deadline=SOON)


async def test_a_late_answer_is_dropped_and_binds_nothing(wire: Wire) -> None:
    bound: list[msgspec.Raw] = []
    request = await wire.ask(deadline=SOON, on_result=bound.append)
    with pytest.raises(CoreTimeout):
        await request
    wire.say(id=1, result={})
    wire.say(id=1, error={"code": 1, "message": "late"})
    assert bound == []


async def test_nothing_is_remembered_of_a_request_that_has_ended(wire: Wire) -> None:
    answered, refused, late = await wire.ask(), await wire.ask(), await wire.ask(deadline=SOON)
    wire.say(id=1, result=None)
    wire.say(id=2, error={"code": 1, "message": "no"})
    await asyncio.gather(answered, refused, late, return_exceptions=True)
    assert wire.peer._open == {}


async def test_answers_to_nothing_are_dropped(wire: Wire) -> None:
    for nothing in (7, "1", None):
        wire.say(id=nothing, result={})
    request = await wire.ask()
    wire.say(id=1, result=1)
    wire.say(id=1, result=2)
    assert bytes(await request) == b"1"


async def test_the_65th_request_waits_for_a_place(wire: Wire) -> None:
    requests = [await wire.ask() for _ in range(IN_FLIGHT + 1)]
    assert len(wire.sent) == IN_FLIGHT == 64
    wire.say(id=5, result=None)
    await turn()
    assert len(wire.sent) == 65
    assert [request.done() for request in requests].count(True) == 1


async def test_the_time_in_line_counts_to_the_deadline(wire: Wire) -> None:
    for _ in range(IN_FLIGHT):
        await wire.ask()
    with pytest.raises(CoreTimeout):
        await wire.peer.request("m", {}, deadline=SOON)
    assert len(wire.sent) == IN_FLIGHT


async def test_a_request_that_timed_out_or_was_cancelled_gives_its_place_back(wire: Wire) -> None:
    requests = [await wire.ask() for _ in range(IN_FLIGHT)]
    requests[0].cancel()
    await turn()
    await wire.ask(deadline=SOON)
    assert len(wire.sent) == 65
    await asyncio.gather(*requests[:1], return_exceptions=True)


# --- on_result -----------------------------------------------------------------------------


async def test_on_result_runs_before_the_next_message_is_taken(wire: Wire) -> None:
    await wire.ask(on_result=lambda result: wire.heard.append(("bound", bytes(result))))
    wire.say(id=1, result="new")
    wire.say(method="turn/started", params={})
    assert wire.heard == [("bound", b'"new"'), ("turn/started", b"{}")]


async def test_what_on_result_raises_of_ours_is_raised_by_the_request(wire: Wire) -> None:
    def refuse(_: msgspec.Raw) -> None:
        raise Invalid("too loose")

    request = await wire.ask(on_result=refuse)
    wire.say(id=1, result={})
    with pytest.raises(Invalid, match="too loose"):
        await request


async def test_an_on_result_that_fails_costs_its_own_request_only(wire: Wire) -> None:
    def fail(_: msgspec.Raw) -> None:
        raise KeyError("a newer core answers otherwise")

    request = await wire.ask(on_result=fail)
    wire.say(id=1, result={})
    await turn()
    assert request.done()


async def test_on_result_does_not_run_for_an_error(wire: Wire) -> None:
    bound: list[msgspec.Raw] = []
    request = await wire.ask(on_result=bound.append)
    wire.say(id=1, error={"code": 1, "message": "no"})
    with pytest.raises(CoreError):
        await request
    assert bound == []


# --- the end of the connection -------------------------------------------------------------


async def test_a_lost_connection_fails_all_requests_also_those_in_line(wire: Wire) -> None:
    requests = [await wire.ask() for _ in range(IN_FLIGHT + 10)]
    wire.peer.lost()
    wire.peer.lost()
    async with asyncio.timeout(PATIENCE):
        ended = await asyncio.gather(*requests, return_exceptions=True)
    assert {type(each) for each in ended} == {CoreGone}
    assert len(wire.sent) == IN_FLIGHT


async def test_an_answer_that_came_before_the_end_still_counts(wire: Wire) -> None:
    request = await wire.ask()
    wire.say(id=1, result=1)
    wire.peer.lost()
    assert bytes(await request) == b"1"


async def test_after_the_end_nothing_is_sent(wire: Wire) -> None:
    wire.peer.lost()
    with pytest.raises(CoreGone):
        await wire.peer.request("m", {}, deadline=PATIENCE)
    wire.peer.notify("n")
    wire.peer.answer(1, {})
    wire.peer.refuse(1, 2, "no")
    assert wire.sent == []


async def test_a_peer_without_a_transport_sends_nothing() -> None:
    peer = Peer(lambda *_: None, lambda *_: None)
    peer.notify("n")
    peer.answer(1, {})
    with pytest.raises(CoreGone):
        await peer.request("m", {}, deadline=PATIENCE)


# --- what the core says --------------------------------------------------------------------


async def test_notifications_and_requests_are_handed_on_in_order(wire: Wire) -> None:
    wire.peer.receive(b'{"method":"a","params":{ "x": 1 }}')
    wire.say(id=0, method="ask", params=[1])
    wire.say(id="s", method="ask")
    wire.say(method="b")
    assert wire.heard == [
        ("a", b'{ "x": 1 }'),
        (0, "ask", b"[1]"),
        ("s", "ask", b"{}"),
        ("b", b"{}"),
    ]


@pytest.mark.parametrize(
    "message",
    [b"", b"not json", b"[]", b"42", b'{"id":{}}', b'{"method":1}', b"\xff\xfe", b'{"id":1'],
)
async def test_what_is_not_json_rpc_is_ignored(wire: Wire, message: bytes) -> None:
    wire.peer.receive(message)
    wire.say(method="still here")
    assert wire.heard == [("still here", b"{}")]


async def test_our_answers_have_the_core_s_shapes(wire: Wire) -> None:
    wire.peer.answer(0, {"decision": "decline"})
    wire.peer.refuse("s", -32601, "no")
    wire.peer.notify("initialized")
    assert wire.sent == [
        {"id": 0, "result": {"decision": "decline"}},
        {"id": "s", "error": {"code": -32601, "message": "no"}},
        {"method": "initialized"},
    ]
