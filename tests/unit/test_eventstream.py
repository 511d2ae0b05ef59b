"""The response behind an event stream: its head, its body, and the client that leaves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message

from codex_http_server.api.eventstream import Body, EventStream, Write, write_body

PATIENCE = 10.0  # seconds


async def tick() -> None:
    """Let everything that is ready on the loop run once."""
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(done.set_result, None)
    await done


class Client:
    """The two ends of a request: what was sent, and a disconnect when it is wanted."""

    def __init__(self) -> None:
        self.scope: dict[str, Any] = {"type": "http"}
        self.sent: list[Message] = []
        self.left = asyncio.Event()
        self._asked = False

    async def receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def get(self, body: Body) -> None:
        """What the app does, then what the outermost middleware does."""
        await EventStream(body)(self.scope, self.receive, self.send)
        await write_body(self.scope, self.receive, self.send)

    def bodies(self) -> list[bytes]:
        return [message["body"] for message in self.sent[1:]]


async def test_the_head_is_sent_first_and_then_the_body_to_its_end() -> None:
    async def body(write: Write) -> None:
        await write(b"one")
        await tick()
        await write(b"two")

    client = Client()
    await client.get(body)
    headers = dict(client.sent[0]["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert b"content-length" not in headers
    assert client.bodies() == [b"one", b"two", b""]
    assert [message["more_body"] for message in client.sent[1:]] == [True, True, False]
    await tick()
    assert len(asyncio.all_tasks()) == 1


async def test_a_client_that_leaves_cuts_the_body_off_where_it_waits() -> None:
    ended: list[str] = []

    async def body(write: Write) -> None:
        try:
            await write(b"one")
            client.left.set()
            await asyncio.Event().wait()
        finally:
            ended.append("tidied up")

    client = Client()
    async with asyncio.timeout(PATIENCE):
        await client.get(body)
    assert client.bodies() == [b"one"]
    assert ended == ["tidied up"]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_cancel_by_someone_else_goes_on_up() -> None:
    async def body(_write: Write) -> None:
        await asyncio.Event().wait()

    client = Client()
    task = asyncio.create_task(client.get(body))
    await tick()
    client.left.set()
    task.cancel()
    await asyncio.wait([task], timeout=PATIENCE)
    assert task.cancelled()
    await tick()
    assert len(asyncio.all_tasks()) == 1


async def test_an_error_in_the_body_is_raised_and_nothing_stays_behind() -> None:
    async def body(_write: Write) -> None:
        raise ValueError("broke")

    client = Client()
    with pytest.raises(ValueError, match="broke"):
        await client.get(body)
    await tick()
    assert client.bodies() == []
    await tick()
    assert len(asyncio.all_tasks()) == 1


async def test_a_response_without_a_body_to_write_is_left_alone() -> None:
    client = Client()
    await write_body(client.scope, client.receive, client.send)
    assert client.sent == []
