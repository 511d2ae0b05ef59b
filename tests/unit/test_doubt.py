"""A message of which nobody knows whether the core has it, and two who look for it at once: what
the first finds, and what is done then, holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from codex_http_server import events
from codex_http_server.conversations.conversation import Conversation, Host
from codex_http_server.conversations.ledger import Ledger
from codex_http_server.conversations.messages import Messages
from codex_http_server.engine.base import CoreState, Engine
from codex_http_server.eventlog.sqlite import SqliteLog
from codex_http_server.events import Event
from codex_http_server.records import ConversationRecord, SubmitRecord
from tests.support import drafts


class Asked:
    """A core that answers where a message is when it is told to, in the order of the questions."""

    state = CoreState("ready")

    def __init__(self) -> None:
        self.answers: list[asyncio.Future[str | None]] = []
        self.both_asked = asyncio.Event()

    async def find_message(self, *_: Any) -> str | None:
        self.answers.append(asyncio.get_running_loop().create_future())
        if len(self.answers) > 1:
            self.both_asked.set()
        return await self.answers[-1]


class Doubt:
    """A conversation with one message in doubt, for which two are looking."""

    def __init__(self, folder: Path) -> None:
        self.events: list[Event] = []
        self.core = Asked()
        self.log = SqliteLog(folder / "log.db", folder / "home", self.events.extend)
        talk = ConversationRecord(id="c", thread_id=drafts.THREAD, working_directory="/")
        host = SimpleNamespace(
            bind=lambda *_: None, ledger=Ledger(), login=None, accepting=False, holds_back=False
        )
        conversation = Conversation(talk, self.log, cast(Engine, self.core), cast(Host, host))
        conversation.thread.loaded = True
        self.messages = Messages(conversation)
        self.record = SubmitRecord(
            id="m", conversation_id="c", key="k", body_hash="h", state="starting", message=[]
        )
        self.messages.queue.restore([self.record])
        self.log.open()
        self.looks = [asyncio.create_task(self.messages.make_sure("m")) for _ in range(2)]

    async def answer(self, number: int, turn_id: str | None) -> None:
        """Answer one of the two, and let who asked go on."""
        await self.core.both_asked.wait()
        self.core.answers[number].set_result(turn_id)
        await self.looks[number]

    async def reasons(self) -> list[str]:
        """Of the changes of the queue."""
        await self.log.durable()
        told = [event.json() for event in self.events if event.type == events.QUEUE_CHANGED]
        return [each.split(b'"reason":"')[1].split(b'"')[0].decode() for each in told]


@pytest.fixture
async def doubt(tmp_path: Path) -> AsyncIterator[Doubt]:
    made = Doubt(tmp_path)
    yield made
    made.log.close()


async def test_what_was_taken_back_meanwhile_stays_so(doubt: Doubt) -> None:
    await doubt.answer(0, None)
    await doubt.messages.queue.remove("m")
    await doubt.answer(1, None)
    assert (doubt.record.state, len(doubt.messages.queue)) == ("removed", 0)
    assert await doubt.reasons() == ["restored", "removed"]
    assert await doubt.log.waiting("c") == []


async def test_what_was_found_is_told_once(doubt: Doubt) -> None:
    await doubt.answer(0, "t")
    await doubt.answer(1, "t")
    assert (doubt.record.state, doubt.record.turn_id) == ("started", "t")
    assert await doubt.reasons() == ["started"]


async def test_what_is_sent_meanwhile_waits_no_more(doubt: Doubt) -> None:
    await doubt.answer(0, None)
    doubt.messages.queue.take(doubt.record)
    doubt.record.state = "starting"
    await doubt.answer(1, None)
    assert doubt.record.state == "starting"
    assert await doubt.reasons() == ["restored"]


async def test_all_that_waits_is_taken_back_but_what_the_core_has(doubt: Doubt) -> None:
    clearing = asyncio.create_task(doubt.messages.clear())
    await doubt.answer(0, "t")
    await doubt.answer(1, "t")
    doubt.core.answers[2].set_result("t")
    assert await clearing == 0
    assert doubt.record.state == "started"
