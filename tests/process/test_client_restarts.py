"""The Python client while its server dies and comes back, at another address."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from codex_http_server.client import (
    AsyncClient,
    Client,
    ConnectionLost,
    Event,
    Events,
    Reset,
    ServerNotFound,
    Turn,
)
from codex_http_server.testing.answers import Gate, Text
from codex_http_server.testing.reader import PATIENCE
from tests.support.commands import until
from tests.support.judge import check_reader, check_whole, text_of
from tests.support.server import Site, start

ANSWER = ["one ", "two ", "three ", "four"]


@pytest.fixture
def home(site: Site, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Codex home, by which the client finds its server."""
    site.configure(stream_idle_timeout_ms=60_000)  # the model is silent until a server is back
    monkeypatch.setenv("XDG_STATE_HOME", site.environment()["XDG_STATE_HOME"])
    monkeypatch.delenv("CODEX_HTTP_URL", raising=False)
    return site.home


@pytest.fixture
def client(home: Path) -> Iterator[Client]:
    with Client(codex_home=home, patience=PATIENCE * 2) as made:
        yield made


class Watch:
    """Reads a stream in a thread; says when a text has come, and what came until the turn's end."""

    def __init__(self, pool: ThreadPoolExecutor, stream: Events | Turn) -> None:
        self.got: list[Event | Reset] = []
        self._texts: set[str | None] = set()
        self._came = threading.Condition()
        self._reading: Future[None] = pool.submit(self._read, stream)

    def _read(self, stream: Events | Turn) -> None:
        for each in stream:
            self.got.append(each)
            if isinstance(each, Event):
                with self._came:
                    self._texts.add(each.text)
                    self._came.notify_all()
                if each.type == "turn/completed":
                    return

    def wait(self, text: str) -> None:
        """Wait for a delta."""
        with self._came:
            assert self._came.wait_for(lambda: text in self._texts, PATIENCE)

    def logged(self) -> list[dict[str, Any]]:
        """Wait for the end; the events of the log that came, as they came."""
        self._reading.result(PATIENCE * 2)
        return [e.raw for e in self.got if isinstance(e, Event) and e.seq is not None]


def test_kill_9_in_mid_turn_every_event_comes_once_and_in_order(site: Site, client: Client) -> None:
    gate = Gate()
    site.provider.expect(Text([*ANSWER[:2], gate, *ANSWER[2:]]))
    site.provider.expect(Text("the queued answer"))
    with ThreadPoolExecutor(3) as pool, start(site) as first:
        first.wait_ready()
        conversation = client.create(site.project)
        with conversation.stream("go") as turn, conversation.events() as events:
            watches = [Watch(pool, turn), Watch(pool, events)]
            for watch in watches:
                watch.wait("two ")
            waiting = pool.submit(conversation.send, "and then", wait=PATIENCE * 2)
            until(lambda: len(conversation.queue()) == 1, "the message waits")
            first.kill()
            with start(site) as second:
                gate.open()
                found = [watch.logged() for watch in watches]
                assert waiting.result(PATIENCE).reply == "the queued answer"
                log = second.events(conversation.id)
    check_whole(log)
    assert text_of(log) == ["".join(ANSWER), "the queued answer"]
    last = next(e["seq"] for e in log if e["type"] == "turn/completed")
    own = [e for e in log if e.get("turn_id") == turn.turn_id and e["seq"] <= last]
    check_reader(found[0], own)
    check_reader(found[1], [event for event in log if event["seq"] <= last])
    assert turn.outcome == "completed"


async def test_async_kill_9_in_mid_turn(site: Site, home: Path) -> None:
    gate = Gate()
    site.provider.expect(Text([*ANSWER[:2], gate, *ANSWER[2:]]))
    got: list[Event] = []
    async with AsyncClient(codex_home=home, patience=PATIENCE * 2) as client:
        with start(site) as first:
            await asyncio.to_thread(first.wait_ready)
            conversation = await client.create(site.project)
            async with conversation.stream("go") as turn:
                async for event in turn:
                    got.append(event)
                    if event.text == "two ":
                        first.kill()
                        break
                with await asyncio.to_thread(start, site) as second:
                    gate.open()
                    got += [event async for event in turn]
                    log = await asyncio.to_thread(second.events, conversation.id)
    assert turn.outcome == "completed"
    logged = [event.raw for event in got if event.seq is not None]
    own = [e for e in log if e.get("turn_id") == turn.turn_id]
    last = next(e["seq"] for e in own if e["type"] == "turn/completed")  # what comes later is late
    check_reader(logged, [e for e in own if e["seq"] <= last])


def test_a_stop_is_waited_out_while_there_is_patience(site: Site, client: Client) -> None:
    with start(site) as server:
        server.wait_ready()
        conversation = client.create(site.project)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(conversation.get)
        with start(site) as server:
            assert asking.result(PATIENCE)["id"] == conversation.id
    with Client(server.url, patience=0.2) as hasty, pytest.raises(ConnectionLost):
        hasty.request("GET", "/health")


def test_no_server_is_said_at_once(client: Client) -> None:
    with pytest.raises(ServerNotFound) as error:
        client.request("GET", "/health")
    assert "codex-http-server" in (error.value.hint or "")


def test_a_server_on_a_unix_socket(site: Site, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with start(site, "--listen", f"unix:{path}") as server:
        server.wait_ready()
        site.provider.script = lambda _: [Text("by socket")]
        assert client.create(site.project).send("hi", wait=PATIENCE).reply == "by socket"
        encoded = str(path).replace("/", "%2F")
        for url in (f"unix:{path}", f"http+unix://{encoded}"):
            with Client(url) as other, other.create(site.project).stream("hi") as turn:
                assert list(turn)[-1].status == "completed"
