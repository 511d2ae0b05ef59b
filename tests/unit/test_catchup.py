"""What the log missed is told from what the core keeps: once, whole, and in order."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_http_server import events
from codex_http_server.conversations.catchup import missed
from codex_http_server.engine.base import Past, PastItem, PastTurn
from codex_http_server.events import Draft
from codex_http_server.state import Open
from tests.support import drafts
from tests.support.drafts import NOW, THREAD

ENDS = (events.ITEM_COMPLETED, events.ITEM_DISCARDED)


class Story:
    """A log that heard the core up to a moment, then not, then again, as `Conversation` does."""

    def __init__(self, heard: list[Draft]) -> None:
        self.open = Open()
        self.log: list[Draft] = []
        self.take(heard)

    def take(self, said: list[Draft]) -> None:
        for draft in said:
            self.append(self.open.admit(draft))

    def append(self, added: list[Draft]) -> None:
        for draft in added:
            self.open.apply(draft)
        self.log += added

    def catch_up(self, past: Past, *, adopted: bool = True) -> None:
        known = {d.turn_id or "" for d in self.log if d.type == events.TURN_STARTED}
        ended: dict[str, list[str]] = {}
        for draft in self.log:
            if draft.type in ENDS:
                ended.setdefault(draft.turn_id or "", []).append(draft.item_id or "")
        open_items = {item.item_id for item in self.open.items.values()}
        self.take(missed(past, THREAD, known, ended, open_items, adopted=adopted, at_ms=NOW))
        alive = {turn.id for turn in past.turns if turn.status == "inProgress"}
        self.append(self.open.after_gap(past.running, alive, adopted, NOW))

    def check(self) -> None:
        """Whatever started has one end, and nothing else has one."""
        turns = Counter(d.turn_id for d in self.log if d.type == events.TURN_COMPLETED)
        assert set(turns.values()) <= {1}
        ends = Counter((d.turn_id, d.item_id) for d in self.log if d.type in ENDS)
        assert set(ends.values()) <= {1}
        started = [(d.turn_id, d.item_id) for d in self.log if d.type == events.ITEM_STARTED]
        assert len(started) == len(set(started))
        left = set(started) - set(ends)
        assert left == {(turn, item) for turn, item in self.open.items}

    def texts(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for draft in self.log:
            if draft.type == events.ITEM_COMPLETED and draft.item_type == "agentMessage":
                found[draft.item_id or ""] = msgspec.json.decode(draft.data)["item"]["text"]
        return found


def past_of(said: list[Draft]) -> Past:
    """What a core keeps of what it has said so far: turns, finished items, running commands."""
    turns: dict[str, PastTurn] = {}
    running: dict[str, dict[str, Any]] = {}
    for draft in said:
        body: dict[str, Any] = msgspec.json.decode(draft.data)
        turn_id, item_id = draft.turn_id or "", draft.item_id or ""
        match draft.type:
            case events.TURN_STARTED | events.TURN_COMPLETED:
                items = turns[turn_id].items if turn_id in turns else []
                turns[turn_id] = PastTurn(turn_id, draft.status or "", body["turn"], items)
            case events.ITEM_STARTED if draft.item_type == "commandExecution":
                running[item_id] = body["item"]
            case events.ITEM_COMPLETED:
                running.pop(item_id, None)
                item = PastItem(item_id, draft.item_type, draft.status, body["item"], NOW)
                turns[turn_id].items.append(item)
            case _:
                pass
    return Past(list(turns.values()), running)


def session(kinds: list[str], status: str) -> list[Draft]:
    """All that a core says of one turn with these items, and of the one before it."""
    said = [drafts.turn_started("t0"), drafts.item_started("bg", "commandExecution", "t0")]
    said += [drafts.turn_completed("t0"), drafts.turn_started()]
    for number, kind in enumerate(kinds):
        item = f"i{number}"
        said.append(drafts.item_started(item, kind, text=""))
        if kind == "agentMessage":
            said += [drafts.delta(item, part) for part in ("a", "b", "c")]
            said.append(drafts.item_completed(item, kind, text="abc"))
        else:
            said += [drafts.item_completed(item, kind)]
    said.append(drafts.turn_completed(status=status))
    said.append(drafts.item_completed("bg", "commandExecution", "t0"))
    return said


def short(story: Story, since: int) -> list[tuple[str, str | None, str | None]]:
    return [(d.type, d.item_id or d.turn_id, d.synthetic) for d in story.log[since:]]


@settings(max_examples=400)
@given(
    st.lists(st.sampled_from(["agentMessage", "reasoning", "commandExecution"]), max_size=4),
    st.sampled_from(["completed", "failed", "interrupted"]),
    st.data(),
)
def test_wherever_it_was_cut_off_all_is_told_once(
    kinds: list[str], status: str, data: st.DataObject
) -> None:
    said = session(kinds, status)
    cut = data.draw(st.integers(0, len(said)), "heard until")
    back = data.draw(st.integers(cut, len(said)), "heard again from")
    read = data.draw(st.integers(back, len(said)), "its history was read at")
    story = Story(said[:cut])
    story.catch_up(past_of(said[:read]))
    story.take(said[back:])
    story.check()
    assert not story.open.turns
    assert set(story.texts().values()) <= {"abc"}
    assert len(story.texts()) == kinds.count("agentMessage")


@given(
    st.lists(st.sampled_from(["agentMessage", "commandExecution"]), max_size=4),
    st.data(),
)
def test_after_a_dead_core_nothing_stays_open_and_what_it_finished_is_there(
    kinds: list[str], data: st.DataObject
) -> None:
    said = session(kinds, "completed")
    cut = data.draw(st.integers(0, len(said)), "heard until")
    died = data.draw(st.integers(cut, len(said)), "died at")
    story = Story(said[:cut])
    past = past_of(said[:died])
    dead = [
        msgspec.structs.replace(t, status="interrupted") if t.status == "inProgress" else t
        for t in past.turns
    ]
    story.catch_up(Past(dead, {}), adopted=False)
    story.check()
    assert not story.open
    finished = {d.item_id for d in said[:died] if d.type == events.ITEM_COMPLETED}
    assert finished == {d.item_id for d in story.log if d.type == events.ITEM_COMPLETED}


def test_an_open_message_goes_on_with_a_gap() -> None:
    said = session(["agentMessage"], "completed")
    story = Story(said[:6])  # up to its first delta
    had = len(story.log)
    story.catch_up(past_of(said[:8]))
    assert short(story, had) == [("item/gap", "bg", None), ("item/gap", "i0", None)]


def test_a_message_first_heard_of_by_a_delta_gets_a_start_and_a_gap() -> None:
    said = session(["agentMessage"], "completed")
    story = Story(said[:4])  # the turn has begun
    story.catch_up(past_of(said[:6]))
    had = len(story.log)
    story.take(said[6:7])
    assert short(story, had) == [
        ("item/started", "i0", "history"),
        ("item/gap", "i0", None),
        ("item/agentMessage/delta", "i0", None),
    ]


def test_a_message_that_was_retried_meanwhile_ends_when_the_next_one_begins() -> None:
    said = session(["agentMessage", "agentMessage"], "completed")
    story = Story(said[:6])
    lost = past_of(said[:6])
    story.catch_up(lost)
    story.take([drafts.item_started("again")])
    assert short(story, -2) == [
        ("item/discarded", "i0", "retried"),
        ("item/started", "again", None),
    ]
