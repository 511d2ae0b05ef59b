"""A conversation that could not catch up yet: what the core says meanwhile waits its turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from codex_http_server.conversations.conversation import Conversation, Host
from codex_http_server.conversations.ledger import Ledger
from codex_http_server.engine.base import CoreState, Engine, Past, PastItem, PastTurn
from codex_http_server.errors import CoreTimeout
from codex_http_server.eventlog.sqlite import SqliteLog
from codex_http_server.events import Event
from codex_http_server.records import ConversationRecord
from tests.support import drafts


class SlowCore:
    """A core that was taken over and does not answer the first question about its past."""

    state = CoreState("ready", adopted=True)

    def __init__(self) -> None:
        self.asked = 0

    async def kept_turns(self, thread_id: str, known: object) -> None:
        """It does not tell."""
        del thread_id, known

    async def resume_thread(self, thread_id: str) -> object:
        return object()

    async def read_past(self, *_: Any) -> Past:
        self.asked += 1
        if self.asked == 1:
            raise CoreTimeout("The core did not answer.")
        items = [
            PastItem(i, "agentMessage", None, {"id": i, "type": "agentMessage", "text": i}, 1)
            for i in ("one", "two")
        ]
        return Past([PastTurn("t", "completed", {"id": "t"}, items)], {})


class Behind:
    """A conversation with an open item, on a log of its own."""

    def __init__(self, folder: Path) -> None:
        self.events: list[Event] = []
        self.log = SqliteLog(folder / "log.db", folder / "home", self.events.extend)
        self.log.open()
        record = ConversationRecord(id="c", thread_id=drafts.THREAD, working_directory="/")
        host = cast(Host, SimpleNamespace(bind=lambda *_: None, ledger=Ledger()))
        self.conversation = Conversation(record, self.log, cast(Engine, SlowCore()), host)

    def say(self, *said: Any) -> None:
        for draft in said:
            self.conversation.on_event(draft)

    async def told(self) -> list[tuple[str, str | None]]:
        await self.log.durable()
        return [(event.type, event.item_id) for event in self.events]


@pytest.fixture
async def behind(tmp_path: Path) -> AsyncIterator[Behind]:
    made = Behind(tmp_path)
    yield made
    made.log.close()


ENDED = [("item/completed", "one"), ("item/completed", "two"), ("turn/completed", None)]


async def test_an_end_that_comes_between_two_tries_does_not_hide_what_was_missed(
    behind: Behind,
) -> None:
    conversation = behind.conversation
    behind.say(drafts.turn_started(), drafts.item_started("one"))
    await behind.log.durable()
    conversation.thread.unheard(in_doubt=False)
    with pytest.raises(CoreTimeout):
        await conversation.thread.load()
    behind.say(drafts.item_started("two"), drafts.item_completed("two", text="two"))
    behind.say(drafts.turn_completed())
    await conversation.thread.load()
    ends = [each for each in await behind.told() if "completed" in each[0] or "disc" in each[0]]
    assert ends == ENDED


async def test_what_was_held_when_the_core_is_lost_is_told_by_its_history_alone(
    behind: Behind,
) -> None:
    conversation = behind.conversation
    behind.say(drafts.turn_started("s"), drafts.item_started("zero", turn="s"))
    await behind.log.durable()
    conversation.thread.unheard(in_doubt=False)
    with pytest.raises(CoreTimeout):
        await conversation.thread.load()
    behind.say(drafts.item_started("two"), drafts.item_completed("two", text="two"))
    behind.say(drafts.turn_completed())  # of a turn whose start was missed
    conversation.thread.unheard(in_doubt=False)
    await conversation.thread.load()
    told = [each for each in await behind.told() if each[0] == "turn/completed"]
    assert len(told) == 1
    assert [each for each in await behind.told() if each[0] == "item/completed"] == ENDED[:2]
