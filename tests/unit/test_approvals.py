"""The approvals of one conversation on a log of its own, with a core that only listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from codex_http_server.auth.callers import LOCAL
from codex_http_server.conversations.approvals import Deadlines
from codex_http_server.conversations.conversation import Conversation, Host
from codex_http_server.conversations.ledger import Ledger
from codex_http_server.engine import questions
from codex_http_server.engine.base import CoreState, Engine, Past, PastTurn, Question
from codex_http_server.engine.decisions import Given
from codex_http_server.errors import ApprovalEnded, CoreTimeout, CoreUnavailable
from codex_http_server.eventlog.sqlite import SqliteLog
from codex_http_server.events import Event, raw
from codex_http_server.records import ApprovalRecord, ConversationRecord
from tests.support import drafts

COMMAND = "item/commandExecution/requestApproval"
QUESTION = "item/tool/requestUserInput"
PATIENCE = 10.0


class Core:
    """A core that asks, is told answers, and repeats what waits when a thread is resumed."""

    def __init__(self) -> None:
        self.state = CoreState("ready", adopted=True)
        self.connected = True
        self.told: list[tuple[Any, Any]] = []
        self.repeats: Callable[[], None] = lambda: None

    def answer(self, request_id: Any, answer: Any) -> bool:
        if self.connected:
            self.told.append((request_id, answer))
        return self.connected

    async def kept_turns(self, thread_id: str, known: object) -> None:
        """It does not tell."""
        del thread_id, known

    async def wait_ready(self) -> None:
        if not self.connected:
            raise CoreUnavailable("The core is restarting.")

    async def resume_thread(self, thread_id: str) -> object:
        self.repeats()
        return object()

    async def read_past(self, *_: Any) -> Past:
        return Past([PastTurn("t", "inProgress", {"id": "t"}, [])], {})


class Talk:
    """A conversation with a running turn."""

    def __init__(self, folder: Path) -> None:
        self.events: list[Event] = []
        self.core = Core()
        self.tasks: list[asyncio.Task[None]] = []
        self.patience = 0.0
        self.log = SqliteLog(folder / "log.db", folder / "home", self.events.extend)
        self.log.open()
        self.record = ConversationRecord(id="c", thread_id=drafts.THREAD, working_directory="/")
        self.conversation = self.made(self.record)
        self.conversation.on_event(drafts.turn_started())
        self.conversation.on_event(drafts.item_started("i", "commandExecution"))

    def made(self, record: ConversationRecord) -> Conversation:
        host = SimpleNamespace(
            bind=lambda *_: None,
            ledger=Ledger(),
            patience=lambda _: self.patience,
            spawn=lambda work: self.tasks.append(asyncio.ensure_future(work)),
        )
        return Conversation(record, self.log, cast(Engine, self.core), cast(Host, host))

    def question(self, request_id: int = 0, method: str = COMMAND, **params: Any) -> Question:
        ids = {"threadId": drafts.THREAD, "turnId": "t", "itemId": "i"}
        return questions.question(request_id, method, raw(ids | params))

    def ask(self, request_id: int = 0, method: str = COMMAND, **params: Any) -> str:
        """Have the core ask; the approval's id."""
        self.conversation.approvals.ask(self.question(request_id, method, **params), "t")
        return str(self.conversation.approvals.view()[-1]["approval_id"])

    async def answer(self, approval_id: str, **given: Any) -> ApprovalRecord:
        answer = self.conversation.approvals.answer
        return await answer(approval_id, Given(**given), LOCAL)

    async def kinds(self) -> list[str]:
        await self.log.durable()
        return [e.type for e in self.events if e.type.startswith("approval/")]

    def lose_connection(self) -> None:
        self.core.connected = False
        self.conversation.unheard(in_doubt=False)

    async def reconnect(self) -> None:
        self.core.connected = True
        async with asyncio.timeout(PATIENCE):
            await self.conversation.thread.load()
            await asyncio.gather(*self.tasks)


@pytest.fixture
async def talk(tmp_path: Path) -> AsyncIterator[Talk]:
    made = Talk(tmp_path)
    yield made
    made.conversation.approvals.void("server_stopped")
    await asyncio.gather(*made.tasks)
    made.log.close()


ASKED, ENDED = "approval/requested", "approval/resolved"


async def test_a_question_is_asked_again_on_a_new_connection_and_answered_once(talk: Talk) -> None:
    approval_id = talk.ask(7)
    talk.lose_connection()
    with pytest.raises(CoreUnavailable):
        await talk.answer(approval_id, decision="accept")
    talk.core.repeats = lambda: talk.conversation.approvals.ask(talk.question(7), "t")
    await talk.reconnect()
    await talk.answer(approval_id, decision="accept")
    assert talk.core.told == [(7, {"decision": "accept"})]
    assert await talk.kinds() == [ASKED, ENDED]


async def test_what_is_not_asked_again_was_answered_elsewhere(talk: Talk) -> None:
    approval_id = talk.ask()
    talk.lose_connection()
    await talk.reconnect()
    with pytest.raises(ApprovalEnded) as caught:
        await talk.answer(approval_id, decision="accept")
    assert caught.value.extra["resolution"]["reason"] == "while_not_connected"
    assert await talk.kinds() == [ASKED, ENDED]
    assert talk.core.told == []


async def test_a_new_question_that_comes_too_early_waits_for_what_was_missed(talk: Talk) -> None:
    talk.lose_connection()
    talk.core.repeats = lambda: talk.conversation.approvals.ask(talk.question(8), "t")
    await talk.reconnect()
    await talk.log.durable()
    types = [e.type for e in talk.events]
    assert types.index("item/gap") < types.index(ASKED)
    assert len(talk.conversation.approvals) == 1


@pytest.mark.parametrize("restarted", [False, True])
async def test_an_answer_that_the_core_did_not_get_is_given_when_it_asks_again(
    talk: Talk, restarted: bool
) -> None:
    approval_id = talk.ask(7)
    talk.core.connected = False  # it goes just now: nobody has noticed
    talk.core.wait_ready = _nothing
    record = await talk.answer(approval_id, decision="accept")
    assert (record.state, talk.core.told) == ("answered", [])
    if restarted:
        talk.conversation = talk.made(talk.record)
        await talk.conversation.recover(in_doubt=False, on_event=lambda _: None)
    else:
        talk.lose_connection()
    talk.core.repeats = lambda: talk.conversation.approvals.ask(talk.question(7), "t")
    await talk.reconnect()
    assert talk.core.told == [(7, {"decision": "accept"})]
    ended = {"threadId": drafts.THREAD, "requestId": 7}
    talk.conversation.on_event(drafts.said("serverRequest/resolved", ended))
    assert await talk.kinds() == [ASKED, ENDED]
    kept = await talk.log.approval(approval_id)
    assert kept is not None
    assert kept.state == "ended"


async def test_an_answer_that_was_lost_on_its_way_is_given_again(talk: Talk) -> None:
    """It was sent, and the connection ended before the core said that it had it."""
    approval_id = talk.ask(7)
    await talk.answer(approval_id, decision="accept")
    talk.lose_connection()
    talk.core.repeats = lambda: talk.conversation.approvals.ask(talk.question(7), "t")
    await talk.reconnect()
    assert talk.core.told == [(7, {"decision": "accept"})] * 2
    assert await talk.kinds() == [ASKED, ENDED]


async def test_a_question_that_is_asked_in_each_of_two_tries_is_one(talk: Talk) -> None:
    talk.lose_connection()
    again = talk.core.read_past

    async def fails(*_: Any) -> Past:
        talk.core.read_past = again
        raise CoreTimeout("The core did not answer.")

    talk.core.read_past = fails
    talk.core.repeats = lambda: talk.conversation.approvals.ask(talk.question(8), "t")
    talk.core.connected = True
    with pytest.raises(CoreTimeout):
        await talk.conversation.thread.load()
    await talk.reconnect()
    assert len(talk.conversation.approvals) == 1
    assert await talk.kinds() == [ASKED]


@pytest.mark.parametrize("end", ["resolved", "turn"])
async def test_what_the_core_has_is_not_open_any_more(talk: Talk, end: str) -> None:
    approval_id = talk.ask(7)
    await talk.answer(approval_id, decision="accept")
    assert talk.conversation.approvals.in_doubt
    told = {"threadId": drafts.THREAD, "requestId": 7}
    resolved = drafts.said("serverRequest/resolved", told)
    talk.conversation.on_event(resolved if end == "resolved" else drafts.turn_completed())
    assert not talk.conversation.approvals.in_doubt
    await talk.log.durable()
    kept = await talk.log.approval(approval_id)
    assert kept is not None
    assert kept.state == "ended"
    assert await talk.kinds() == [ASKED, ENDED]


async def test_a_secret_reaches_the_core_and_nothing_else(talk: Talk, tmp_path: Path) -> None:
    pin = {"id": "pin", "question": "Your PIN?", "isSecret": True}
    approval_id = talk.ask(3, QUESTION, questions=[pin])
    await talk.answer(approval_id, answers={"pin": ["sesame-9471"]})
    assert talk.core.told == [(3, {"answers": {"pin": {"answers": ["sesame-9471"]}}})]
    await talk.log.durable()
    assert all(b"sesame" not in event.json() for event in talk.events)
    written = b"".join(each.read_bytes() for each in files(tmp_path))
    assert b"sesame" not in written
    assert b"Your PIN?" in written


async def test_a_secret_that_was_lost_with_the_server_is_declined(talk: Talk) -> None:
    approval_id = talk.ask(3, QUESTION, questions=[{"id": "pin", "isSecret": True}])
    talk.core.connected = False
    talk.core.wait_ready = _nothing
    await talk.answer(approval_id, answers={"pin": ["sesame"]})
    talk.conversation = talk.made(talk.record)
    await talk.conversation.recover(in_doubt=False, on_event=lambda _: None)
    question = talk.question(3, QUESTION)
    talk.core.repeats = lambda: talk.conversation.approvals.ask(question, "t")
    await talk.reconnect()
    assert talk.core.told == [(3, {"answers": {}})]


async def test_a_deadline_that_has_passed_counts_once_the_core_can_be_told(talk: Talk) -> None:
    talk.patience = 0.02
    talk.ask(7)
    talk.lose_connection()
    talk.core.repeats = lambda: talk.conversation.approvals.ask(talk.question(7), "t")
    async with asyncio.timeout(PATIENCE):
        await talk.reconnect()
        while talk.conversation.approvals:
            await talk.conversation.changed()
        await asyncio.gather(*talk.tasks)
    assert talk.core.told == [(7, {"decision": "decline"})]
    assert await talk.kinds() == [ASKED, ENDED]


async def test_a_question_that_nobody_knows_is_refused_at_once_and_seen(talk: Talk) -> None:
    talk.conversation.approvals.refuse(talk.question(9, "brand/new", wish="x"), "t")
    assert talk.core.told == [(9, None)]
    assert await talk.kinds() == [ASKED, ENDED]
    (found,) = await talk.log.approvals("c", None, 10, ended=True)
    assert (found.kind, found.state, found.decisions) == ("unknown", "ended", [])
    assert found.resolution is not None
    assert found.resolution.reason == "unknown_method"
    with pytest.raises(ApprovalEnded):
        await talk.answer(found.id, decision="accept")


async def test_the_same_question_in_two_turns_is_two(talk: Talk) -> None:
    first = talk.ask(0)
    other = questions.question(0, COMMAND, raw({"threadId": drafts.THREAD, "turnId": "u"}))
    talk.conversation.approvals.ask(other, "u")
    assert len(talk.conversation.approvals) == 2
    talk.conversation.on_event(drafts.turn_completed(status="interrupted"))
    (left,) = talk.conversation.approvals.view()
    assert left["approval_id"] != first
    assert talk.record.waiting == 1


@pytest.mark.parametrize(
    ("stated", "attended", "seconds"),
    [(None, True, 600.0), (None, False, 5.0), (0.0, False, 0.0), (7.0, True, 7.0)],
)
def test_how_long_an_approval_waits(stated: float | None, attended: bool, seconds: float) -> None:
    record = ConversationRecord(
        id="c", thread_id="t", working_directory="/", approval_deadline=stated
    )
    assert Deadlines(600.0, 5.0).of(record, attended=attended) == seconds


def files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()]


async def _nothing() -> None:
    """A core that looks ready."""
