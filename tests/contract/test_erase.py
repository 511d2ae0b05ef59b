"""A conversation that is erased leaves no text in the files of the log."""

from __future__ import annotations

import asyncio
from pathlib import Path

from codex_http_server.clock import new_id, now_ms
from codex_http_server.eventlog.base import ConversationFilter
from codex_http_server.eventlog.sqlite import SqliteLog
from codex_http_server.events import Draft, Event, raw
from codex_http_server.records import ConversationRecord, SubmitRecord
from tests.support import drafts

ROUNDS = 40


def opened(folder: Path) -> SqliteLog:
    seen: list[Event] = []
    log = SqliteLog(folder / "log.db", folder, seen.extend)
    log.open()
    return log


def record(uid: str) -> ConversationRecord:
    return ConversationRecord(id=uid, thread_id=f"thread-{uid}", working_directory="/")


def deleted(uid: str) -> Draft:
    return Draft("conversation/deleted", raw({"conversation_id": uid}), now_ms())


def left(folder: Path, word: str) -> list[str]:
    files = [path for path in folder.iterdir() if path.is_file()]
    return [path.name for path in files if word.encode() in path.read_bytes()]


async def turn(log: SqliteLog, uid: str, word: str, number: int) -> None:
    """Folded deltas, a finished text of more than a page now and then, and a message."""
    item, text = f"i{number}", f"{word} " * (5 + number * 20)
    log.append(
        uid, [drafts.turn_started(f"t{number}"), drafts.item_started(item, turn=f"t{number}")]
    )
    for piece in text.split(" "):
        log.append(uid, [drafts.delta(item, f"{piece} ", turn=f"t{number}")])
        if number % 7 == 0:
            await log.durable()
    log.append(uid, [drafts.item_completed(item, turn=f"t{number}", text=text)])
    message = [{"type": "text", "text": word}]
    submit = SubmitRecord(
        id=new_id(), conversation_id=uid, key=None, body_hash="", state="ended", message=message
    )
    log.append(uid, [drafts.turn_completed(f"t{number}")], [submit])


async def test_nothing_of_it_is_left_and_the_other_keeps_all(tmp_path: Path) -> None:
    log = opened(tmp_path)
    gone, stays = new_id(), new_id()
    for uid in (gone, stays):
        log.append(uid, (), (record(uid),))
    for number in range(ROUNDS):  # side by side, so that they share pages
        await asyncio.gather(turn(log, gone, "walrus", number), turn(log, stays, "pelican", number))
    await log.durable()
    before = await log.read(stays, 0, 100_000)
    assert left(tmp_path, "walrus")
    head = log.last_appended(gone)
    assert await log.erase(gone, f"thread-{gone}", deleted(gone))
    assert not left(tmp_path, "walrus")
    assert await log.read(stays, 0, 100_000) == before
    assert [event.seq for event in await log.read(gone, 0, 10)] == [head + 1]
    assert await log.conversation(gone) is None
    found = await log.conversations(ConversationFilter(), None, 10)
    assert [each.id for each in found] == [stays]
    log.close()


async def test_events_of_its_agents_go_with_it(tmp_path: Path) -> None:
    log = opened(tmp_path)
    gone, stays = new_id(), new_id()
    for uid, agent in ((gone, "agent-a"), (stays, "agent-b")):
        log.append(uid, (), (record(uid),))
        thread = {"id": agent, "parentThreadId": f"thread-{uid}"}
        log.append(None, [Draft("thread/started", raw({"thread": thread}), now_ms())])
        said = {"threadId": agent, "delta": f"by {agent}"}
        log.append(None, [Draft("item/agentMessage/delta", raw(said), now_ms())])
    await log.durable()
    await log.erase(gone, f"thread-{gone}", deleted(gone))
    assert not left(tmp_path, "agent-a")
    kept = [event.type for event in await log.read_all(0, 10)]
    assert kept == ["thread/started", "item/agentMessage/delta", "conversation/deleted"]
    log.close()


async def test_what_is_appended_to_it_afterwards_is_dropped(tmp_path: Path) -> None:
    log = opened(tmp_path)
    gone = new_id()
    log.append(gone, [drafts.turn_started()], (record(gone),))
    await log.erase(gone, f"thread-{gone}", deleted(gone))
    assert log.append(gone, [drafts.turn_completed()], (record(gone),)) == []
    log.close()
    log = opened(tmp_path)
    assert log.append(gone, [drafts.turn_completed()]) == []
    fresh = new_id()
    (event,) = log.append(fresh, [drafts.turn_started()], (record(fresh),))
    await log.durable()
    found = await log.read_all(0, 10)
    assert [(each.conversation_id, each.type) for each in found] == [
        (gone, "conversation/deleted"),
        (fresh, "turn/started"),
    ]
    assert event.seq == 1
    log.close()
