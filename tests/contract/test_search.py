"""The full-text index of the log: exact when asked, nothing in it twice, nothing left behind."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from codex_http_server.clock import new_id, now_ms
from codex_http_server.errors import SearchUnavailable
from codex_http_server.eventlog.base import SearchFilter, SearchHit
from codex_http_server.eventlog.search import index, query
from codex_http_server.eventlog.search.text import KINDS, Kind
from codex_http_server.eventlog.sqlite import SqliteLog
from codex_http_server.events import Draft, Event, raw
from codex_http_server.records import ConversationRecord, RevertRecord
from tests.support import drafts

SAID: tuple[Kind, ...] = ("title", "preview", "message", "answer")


def opened(folder: Path) -> SqliteLog:
    log = SqliteLog(folder / "log.db", folder, lambda _: None)
    log.open()
    return log


def record(uid: str, **fields: Any) -> ConversationRecord:
    made = {"thread_id": f"thread-{uid}", "working_directory": "/", "created_ms": now_ms()}
    return ConversationRecord(id=uid, **(made | fields))


def begin(log: SqliteLog, **fields: Any) -> str:
    uid = new_id()
    log.append(uid, (), (record(uid, **fields),))
    return uid


def say(log: SqliteLog, uid: str, text: str, item: str = "i", turn: str = "t") -> int:
    """An answer of the agent; its seq."""
    (event,) = log.append(uid, [drafts.item_completed(item, turn=turn, text=text)])
    return event.seq


def ask(log: SqliteLog, uid: str, text: str, item: str = "u", turn: str = "t") -> None:
    content = [{"type": "text", "text": text}]
    log.append(uid, [drafts.item_completed(item, "userMessage", turn=turn, content=content)])


async def find(
    log: SqliteLog,
    text: str,
    *,
    prefix: bool = False,
    kinds: tuple[Kind, ...] = SAID,
    **where: object,
) -> list[SearchHit]:
    words = tuple(query.parse(text, prefix=prefix))
    wanted = SearchFilter(words, kinds, **where)  # pyright: ignore[reportArgumentType]
    async with asyncio.timeout(20):  # one search looks at what is new for a bounded time
        while not (found := await log.search(wanted, None, 100)).complete:
            pass
    return found.hits


def rows(folder: Path) -> list[tuple[int, int, int | None]]:
    look = sqlite3.connect(folder / "log.db")
    docs = look.execute("SELECT id, conv, position FROM search_doc ORDER BY id").fetchall()
    words = look.execute("SELECT rowid FROM search_text ORDER BY rowid").fetchall()
    look.close()
    assert [each[0] for each in docs] == [each[0] for each in words]
    return docs


def left(folder: Path, word: str) -> list[str]:
    files = [path for path in folder.iterdir() if path.is_file()]
    return [path.name for path in files if word.encode() in path.read_bytes()]


async def test_what_was_appended_is_found_at_once(tmp_path: Path) -> None:
    log = opened(tmp_path)
    uid = begin(log, title="Garden walls")
    ask(log, uid, "please build a wall")
    for number in range(50):
        seq = say(log, uid, f"brick {number} laid", item=f"i{number}")
        (hit,) = await find(log, f'"brick {number}"')
        assert (hit.seq, hit.kind, hit.item_id) == (seq, "answer", f"i{number}")
        assert hit.record.id == uid
    assert [hit.kind for hit in await find(log, "wall*")] == ["title", "message"]
    assert len(await find(log, "brick")) == 50
    log.close()


async def test_nothing_is_in_it_twice_however_often_it_ends(tmp_path: Path) -> None:
    uid = None
    for life in range(6):
        log = opened(tmp_path)
        uid = uid or begin(log, title="one")
        for number in range(20):
            say(log, uid, f"word{life} n{number}", item=f"i{life}-{number}")
        if life % 2:
            await find(log, "word")
        log.close()
    log = opened(tmp_path)
    for life in range(6):
        assert len(await find(log, f"word{life}")) == 20
    log.close()
    found = rows(tmp_path)
    assert len(found) == 121
    assert len({position for _, _, position in found}) == 121


async def test_titles_are_followed_and_a_preview_goes_when_its_history_is_told(
    tmp_path: Path,
) -> None:
    log = opened(tmp_path)
    here = record(new_id(), title="first name", preview="hello kangaroo", untold=True)
    log.append(here.id, (), (here,))
    assert [hit.kind for hit in await find(log, "kangaroo")] == ["preview"]
    here.title, here.untold = "second name", False
    ask(log, here.id, "hello kangaroo")
    log.append(here.id, (), (here,))
    assert [hit.kind for hit in await find(log, "kangaroo")] == ["message"]
    assert await find(log, "first") == []
    assert [hit.record.title for hit in await find(log, "second name")] == ["second name"]
    log.close()
    assert len(rows(tmp_path)) == 2


async def test_a_title_may_change_often_before_anybody_asks(tmp_path: Path) -> None:
    log = opened(tmp_path)
    here = record(new_id())
    for number in range(5):
        here.title = f"name{number} walrus"
        log.append(here.id, (), (here,))
        await log.durable()
    assert [hit.record.title for hit in await find(log, "walrus")] == ["name4 walrus"]
    assert await find(log, "name3") == []
    log.close()


async def test_what_was_taken_back_is_not_found(tmp_path: Path) -> None:
    log = opened(tmp_path)
    uid = begin(log)
    say(log, uid, "walrus one", turn="t1")
    say(log, uid, "walrus two", turn="t2")
    assert len(await find(log, "walrus")) == 2
    reverted = Draft("conversation/reverted", raw({}), now_ms())
    log.append(uid, [reverted], [RevertRecord(conversation_id=uid, turn_id="t2", first="t2")])
    assert [hit.turn_id for hit in await find(log, "walrus")] == ["t1"]
    log.close()


async def test_what_was_broken_off_is_found_unless_it_came_again(tmp_path: Path) -> None:
    log = opened(tmp_path)
    uid = begin(log)
    for reason in ("retried", "interrupted"):
        body = {"item": {"id": reason, "type": "agentMessage", "text": f"walrus {reason}"}}
        log.append(
            uid,
            [
                Draft(
                    "item/discarded", raw(body), now_ms(), "t", reason, "agentMessage",
                    status="discarded", synthetic=reason,
                )
            ],
        )  # fmt: skip
    (hit,) = await find(log, "walrus")
    assert (hit.item_id, hit.status) == ("interrupted", "discarded")
    log.close()


async def test_a_deleted_conversation_leaves_no_word_in_the_index(tmp_path: Path) -> None:
    log = opened(tmp_path)
    gone, stays = begin(log, title="walrus house"), begin(log, title="pelican house")
    for number in range(300):  # many pages, merged more than once
        say(log, gone, f"walrus {number} " * 20, item=f"g{number}")
        say(log, stays, f"pelican {number} " * 20, item=f"s{number}")
        if number % 25 == 0:
            await find(log, "walrus")
    assert len(await find(log, "walrus")) == 100
    told = Draft("conversation/deleted", raw({"conversation_id": gone}), now_ms())
    assert await log.erase(gone, f"thread-{gone}", told)
    assert left(tmp_path, "walrus") == []
    assert await find(log, "walrus") == []
    assert len(await find(log, '"pelican 7 pelican"')) == 1
    assert [hit.record.id for hit in await find(log, "house")] == [stays]
    log.close()
    assert len(rows(tmp_path)) == 301


async def test_a_kill_in_the_middle_of_a_deletion_leaves_nothing_after_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(tmp_path)
    gone = begin(log, title="walrus house")
    for number in range(100):
        say(log, gone, f"walrus {number} " * 20, item=f"g{number}")
    await find(log, "walrus")
    monkeypatch.setattr("codex_http_server.eventlog.sqlite.CLEANING", 0.0)
    told = Draft("conversation/deleted", raw({"conversation_id": gone}), now_ms())
    assert not await log.erase(gone, f"thread-{gone}", told)
    log.close()
    assert left(tmp_path, "walrus")
    log = opened(tmp_path)
    assert await find(log, "walrus") == []
    assert await log._steps.cleaned(10)  # no port shows this
    log.close()
    assert left(tmp_path, "walrus") == []


async def test_filters(tmp_path: Path) -> None:
    log = opened(tmp_path)
    here = begin(log, working_directory="/here")
    away = begin(log, working_directory="/away", archived=True)
    for uid in (here, away):
        say(log, uid, "walrus")
        body = {"command": "grep walrus", "aggregatedOutput": "found a walrus"}
        log.append(uid, [drafts.item_completed("c", "commandExecution", **body)])
        changes = [{"path": "/src/walrus.py", "kind": {"type": "add"}, "diff": "x"}]
        log.append(uid, [drafts.item_completed("f", "fileChange", changes=changes)])

    async def places(**where: Any) -> list[str]:
        return [hit.record.id for hit in await find(log, "walrus", **where)]

    assert await places() == [away, here]
    assert await places(archived=False) == [here]
    assert await places(archived=True) == [away]
    assert await places(working_directory="/here") == [here]
    assert await places(conversations=(away,)) == [away]
    assert [hit.kind for hit in await find(log, "walrus", kinds=KINDS, archived=True)] == [
        "file",
        "command",
        "answer",
    ]
    (hit,) = await find(log, '"a walrus"', kinds=KINDS, archived=True)
    assert hit.kind == "output"
    log.close()


async def test_pages_are_stable_while_more_is_said(tmp_path: Path) -> None:
    log = opened(tmp_path)
    uid = begin(log, title="walrus")
    seqs = [say(log, uid, f"walrus {number}", item=f"i{number}") for number in range(25)]
    wanted = SearchFilter(tuple(query.parse("walrus", prefix=False)), SAID)
    seen: list[int | None] = []
    before = None
    while page := (await log.search(wanted, before, 4)).hits:
        before = page[-1].id
        seen += [hit.seq for hit in page]
        say(log, uid, "walrus again", item=f"more{len(seen)}")
    assert seen == [None, *reversed(seqs)]
    log.close()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cafe", ["Un café à Zürich"]),
        ("ZURICH", ["Un café à Zürich"]),
        ("検索", ["日本語の検索です"]),
        ("本語の検", ["日本語の検索です"]),
        ("日語", []),
        ("검색", ["검색을 합니다"]),
        ("ไทย", ["ภาษาไทยง่าย"]),
        ("🚀", ["go🚀now"]),
        ("now", ["go🚀now"]),
        ("my_function", ["call my_function(x)"]),
        ("function", ["call my_function(x)"]),
        ("foo.bar", ["in foo.bar.baz"]),
        ('"bar baz"', ["in foo.bar.baz"]),
        ("bar foo", ["in foo.bar.baz"]),
        ('"bar foo"', []),
        ("fo*", ["in foo.bar.baz"]),
        ("fo", []),
        ("->", []),
    ],
)
async def test_words(tmp_path: Path, text: str, found: list[str]) -> None:
    log = opened(tmp_path)
    uid = begin(log)
    every = ["Un café à Zürich", "日本語の検索です", "검색을 합니다", "ภาษาไทยง่าย", "go🚀now"]
    for number, each in enumerate([*every, "call my_function(x)", "in foo.bar.baz"]):
        say(log, uid, each, item=f"i{number}")
    hits = await find(log, text)
    assert [hit.snippet.text for hit in hits] == found
    for hit in hits:
        assert all(0 <= a < b <= len(hit.snippet.text) for a, b in hit.snippet.found)
    log.close()


# --- old logs, faults -------------------------------------------------------------------------


async def test_an_old_log_is_put_in_by_small_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(tmp_path)
    uid = begin(log, title="old")
    for number in range(500):
        say(log, uid, f"walrus {number}", item=f"i{number}")
    log.close()
    look = sqlite3.connect(tmp_path / "log.db")
    look.execute(index.DISTRUST)
    look.commit()
    look.close()
    monkeypatch.setattr(index, "STEP", 0.0)  # one row in each
    log = opened(tmp_path)
    assert len(await find(log, "walrus")) == 100
    log.close()
    assert len(rows(tmp_path)) == 501


async def test_a_damaged_index_is_made_anew(tmp_path: Path) -> None:
    log = opened(tmp_path)
    uid = begin(log)
    for number in range(200):
        say(log, uid, f"walrus number{number}", item=f"i{number}")
    assert len(await find(log, "walrus")) == 100
    log.close()
    look = sqlite3.connect(tmp_path / "log.db")
    look.execute("UPDATE search_text_data SET block = x'00' WHERE id > 10")
    look.commit()
    look.close()
    log = opened(tmp_path)
    with pytest.raises(SearchUnavailable):
        await find(log, "walrus")
    assert len(await find(log, "walrus")) == 100
    say(log, uid, "pelican")
    assert len(await find(log, "pelican")) == 1
    assert log.failure is None
    log.close()


async def test_without_full_text_search_all_else_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_CREATE", "CREATE VIRTUAL TABLE search_text USING fts77(x)")
    log = opened(tmp_path)
    uid = begin(log, title="here")
    say(log, uid, "walrus")
    with pytest.raises(SearchUnavailable, match="fts77"):
        await find(log, "walrus")
    told = Draft("conversation/deleted", raw({"conversation_id": uid}), now_ms())
    assert await log.erase(uid, f"thread-{uid}", told)
    assert left(tmp_path, "walrus") == []
    assert log.failure is None
    log.close()


async def test_a_step_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "STEP", 0.0)  # as many steps as there are rows
    log = opened(tmp_path)
    uid = begin(log)
    for number in range(300):
        say(log, uid, f"walrus {number} " * 50, item=f"i{number}")
    search = asyncio.ensure_future(find(log, "walrus"))
    seen = 0
    while not search.done():
        log.append(uid, [drafts.delta("x", "more")])
        await log.durable()
        seen += 1
    assert len(await search) == 100
    assert seen > 100
    log.close()


async def test_a_search_ends_while_others_go_on_talking(tmp_path: Path) -> None:
    def answered(events: list[Event]) -> None:
        for event in events:
            if talking and event.item_type == "agentMessage":
                say(log, uid, "walrus", item=f"i{event.seq}")

    log = SqliteLog(tmp_path / "log.db", tmp_path, answered)
    log.open()
    uid, talking = begin(log), True
    say(log, uid, "walrus")
    for _ in range(20):
        assert len(await find(log, "walrus"))  # it looks itself whether that was complete
    talking = False
    log.close()
