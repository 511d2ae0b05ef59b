"""A log with much in it, written straight, as a server of earlier days would have left it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.sites import Site
from codex_http_server.clock import new_id, now_ms
from codex_http_server.eventlog.sqlite import SqliteLog
from codex_http_server.events import Draft, raw
from codex_http_server.records import ConversationRecord

SAID: Final = "What a model says in one message is seldom longer than a few of these lines. " * 4
TOKEN: Final = "token "
DELTA: Final = "item/agentMessage/delta"
BATCH: Final = 500  # events or conversations in one commit


@contextmanager
def opened(site: Site) -> Iterator[SqliteLog]:
    """The log of a site that no server runs on. Inside a running event loop only."""
    log = SqliteLog(database(site), site.home.resolve(), lambda _: None)
    log.core_version = "0.163.0"
    log.open()
    try:
        yield log
    finally:
        log.close()


def database(site: Site) -> Path:
    """Where the log of a site is."""
    return site.root / "data" / "log.db"


def record(site: Site, number: int) -> ConversationRecord:
    """A conversation that has ended."""
    now = now_ms()
    return ConversationRecord(
        id=new_id(),
        thread_id=new_id(),
        working_directory=str(site.project),
        title=f"Conversation {number}",
        preview=SAID[:120],
        resolved_model="gpt-5.5",
        resolved_approval="on-request",
        resolved_sandbox={"type": "workspaceWrite", "writableRoots": [], "networkAccess": False},
        created_ms=now,
        updated_ms=now,
    )


def turn(number: int) -> list[Draft]:
    """The events of a turn that stay: ten, with three items."""
    turn_id = new_id()
    items = [draft for item in range(3) for draft in _item(turn_id, f"msg_{number}_{item}")]
    usage = {"turnId": turn_id, "tokenUsage": {"total": {"totalTokens": 1000}, "last": {}}}
    started = {"turn": {"id": turn_id, "status": "inProgress", "items": []}}
    ended = {"turn": {"id": turn_id, "status": "completed", "items": []}}
    return [
        _draft("turn/started", started, turn_id, status="inProgress"),
        *items,
        _draft("turn/diff/updated", {"turnId": turn_id, "diff": SAID}, turn_id),
        _draft("thread/tokenUsage/updated", usage, turn_id),
        _draft("turn/completed", ended, turn_id, status="completed"),
    ]


def _item(turn_id: str, item_id: str) -> list[Draft]:
    item = {"type": "agentMessage", "id": item_id, "text": "", "phase": None}
    named: dict[str, Any] = {"item_id": item_id, "item_type": "agentMessage"}
    started = {"threadId": turn_id, "turnId": turn_id, "item": item}
    ended = started | {"item": item | {"text": SAID}}
    return [
        _draft("item/started", started, turn_id, **named),
        _draft("item/completed", ended, turn_id, **named),
    ]


def _draft(kind: str, data: object, turn_id: str, **fields: Any) -> Draft:
    return Draft(kind, raw(data), now_ms(), turn_id, **fields)


async def write_events(site: Site, count: int) -> str:
    """A conversation with that many events; its id."""
    with opened(site) as log:
        one = record(site, 0)
        log.append(one.id, (), (one,))
        for start in range(0, count, BATCH):
            for number in range(start, min(start + BATCH, count), 10):
                log.append(one.id, turn(number))
            await log.durable()
    return one.id


async def write_answer(site: Site, deltas: int) -> float:
    """One long message, streamed and ended; the bytes that each of its deltas left in the log."""
    with opened(site) as log:
        one = record(site, 0)
        log.append(one.id, (), (one,))
        await log.durable()
        before = in_use(site)
        turn_id, item = new_id(), {"type": "agentMessage", "id": "msg_1", "text": ""}
        started, *_, ended = _item(turn_id, "msg_1")
        log.append(one.id, (started,))
        for start in range(0, deltas, BATCH):
            for _ in range(start, min(start + BATCH, deltas)):
                data = {"threadId": one.thread_id, "turnId": turn_id, "itemId": "msg_1"}
                said = _draft(DELTA, data | {"delta": TOKEN}, turn_id, item_id="msg_1", text=TOKEN)
                log.append(one.id, (said,))
            await log.durable()
        whole = {"threadId": one.thread_id, "turnId": turn_id, "item": item}
        ended.data = raw(whole | {"item": item | {"text": TOKEN * deltas}})
        log.append(one.id, (ended,))
        await log.durable()
        if len(await log.read(one.id, 0, 9)) != 2:
            raise RuntimeError("the deltas were not folded")
        return (in_use(site) - before) / deltas


def in_use(site: Site) -> int:
    """Bytes of a log that hold something; pages that are free are used again."""
    with sqlite3.connect(database(site)) as file:
        pages, free, size = (
            file.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
    file.close()
    return (pages - free) * size


async def write_conversations(site: Site, count: int) -> None:
    """That many conversations without events."""
    with opened(site) as log:
        for start in range(0, count, BATCH):
            for number in range(start, min(start + BATCH, count)):
                one = record(site, number)
                log.append(one.id, (), (one,))
            await log.durable()
            await asyncio.sleep(0.001)  # ids are in order by the millisecond
