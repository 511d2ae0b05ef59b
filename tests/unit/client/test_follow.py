"""Reading on through lost connections, step by step, without any."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_http_server.client.attempts import Contact
from codex_http_server.client.calls import message
from codex_http_server.client.errors import ConnectionLost
from codex_http_server.client.follow import (
    Ask,
    Deliver,
    Follow,
    FollowConversation,
    FollowTurn,
    Open,
    Wait,
)
from codex_http_server.client.types import Event, Reset

OPENING = b"retry: 500\n: codex-http-server\n\n"


def contact() -> Contact:
    made = Contact(30.0)
    made.met = True
    return made


def event(seq: int | None, kind: str = "x", **fields: Any) -> bytes:
    found = {"type": kind, "data": {}, **fields} | ({} if seq is None else {"seq": seq})
    head = b"" if seq is None else b"id: %d\n" % seq
    return head + b"data: " + json.dumps(found).encode() + b"\n\n"


def drain(follow: Follow) -> list[Event | Reset]:
    """What it hands out before it wants something."""
    found: list[Event | Reset] = []
    while isinstance(step := follow.step(), Deliver):
        found.append(step.item)
    return found


def opened(follow: Follow) -> Open:
    """Open the stream; what it was asked with."""
    step = follow.step()
    while isinstance(step, Wait):
        step = follow.step()
    assert isinstance(step, Open)
    follow.opened()
    follow.fed(OPENING)
    return step


def seqs(found: list[Event | Reset]) -> list[int | None]:
    return [each.seq for each in found]


def conversation(after: int = 0) -> FollowConversation:
    return FollowConversation("c", after, "log", contact())


def test_it_asks_where_latest_is_before_it_opens() -> None:
    follow = FollowConversation("c", "latest", None, contact())
    step = follow.step()
    assert isinstance(step, Ask)
    assert step.call.query() == {"after": "latest", "limit": "1"}
    follow.answered({"head": 41, "log_id": "log", "data": []})
    asked = opened(follow).call
    assert (asked.headers["Last-Event-ID"], asked.query()) == ("41", {"log": "log"})
    assert follow.seq == 41


def test_it_goes_on_after_the_last_event_that_came_whole() -> None:
    follow = conversation(after=3)
    assert opened(follow).call.headers["Last-Event-ID"] == "3"
    follow.fed(event(4) + event(5)[:-1])
    assert seqs(drain(follow)) == [4]
    follow.lost(httpx.ReadError("cut"))
    waits = follow.step()
    assert isinstance(waits, Wait)
    assert waits.seconds >= 0.5  # as the server wished
    assert opened(follow).call.headers["Last-Event-ID"] == "4"


def test_what_came_before_the_cut_is_handed_out_before_the_next_try() -> None:
    follow = conversation()
    opened(follow)
    follow.fed(event(1) + event(2))
    follow.lost(httpx.ReadError("cut"))
    assert seqs(drain(follow)) == [1, 2]
    assert opened(follow).call.headers["Last-Event-ID"] == "2"


@given(st.lists(st.integers(0, 400), max_size=10), st.data())
def test_each_event_once_in_order_however_the_line_breaks(cuts: list[int], data: Any) -> None:
    """A server that sends from where it is asked, over lines that break after so many bytes."""
    log = list(range(2, 60, 3))
    follow, found = conversation(), list[Event | Reset]()
    for cut in [*cuts, 10**6]:
        after = int(opened(follow).call.headers["Last-Event-ID"])
        overlap = data.draw(st.integers(0, 2))  # even if it sent some again
        sent = b"".join(event(seq) for seq in log if seq > after - 3 * overlap)[:cut]
        follow.fed(sent)
        found += drain(follow)
        follow.lost(httpx.ReadError("cut"))
    assert seqs(found) == log


def test_frames_outside_the_log_are_told_once() -> None:
    follow = conversation()
    state = event(None, "core/state", data={"state": "ready"})
    opened(follow)
    follow.fed(state + event(None, "heartbeat") + event(1))
    follow.ended()
    found = drain(follow)
    opened(follow)
    follow.fed(state + event(None, "core/state", data={"state": "restarting"}))
    found += drain(follow)
    assert [(e.type, e.seq) for e in found if isinstance(e, Event)] == [
        ("core/state", None),
        ("x", 1),
        ("core/state", None),
    ]


def test_a_reset_takes_the_snapshot_and_what_comes_after_it() -> None:
    follow = conversation(after=90)
    opened(follow)
    reset = event(None, "feed/reset", data={"reason": "ahead", "head": 5, "log_id": "new"})
    follow.fed(reset + event(6) + event(7) + event(8))
    step = follow.step()
    assert isinstance(step, Ask)
    follow.lost(httpx.ReadError("cut"))  # meanwhile
    follow.answered({"seq": 7, "log_id": "new", "items": []})
    found = drain(follow)
    assert found[0] == Reset("ahead", 7, "new", {"seq": 7, "log_id": "new", "items": []})
    assert seqs(found) == [7, 8]
    asked = opened(follow).call
    assert (asked.headers["Last-Event-ID"], asked.query()) == ("8", {"log": "new"})


def test_it_ends_with_the_conversation() -> None:
    follow = conversation()
    opened(follow)
    follow.fed(event(1) + event(None, "conversation/deleted") + event(2))
    assert len(drain(follow)) == 2
    assert follow.step() == "end"


def turn() -> FollowTurn:
    return FollowTurn("c", message("c", "hi", {}, "key"), contact())


def test_a_turn_is_posted_again_until_it_has_begun_and_then_read() -> None:
    follow = turn()
    for _ in range(2):
        asked = opened(follow).call
        assert (asked.method, asked.headers["Idempotency-Key"]) == ("POST", "key")
        follow.lost(httpx.ReadError("cut"))
    opened(follow)
    follow.fed(event(5, turn_id="t"))
    assert seqs(drain(follow)) == [5]
    follow.lost(httpx.ReadError("cut"))
    asked = opened(follow).call
    assert (asked.method, asked.headers["Last-Event-ID"]) == ("GET", "5")
    follow.fed(event(6, turn_id="other") + event(7, turn_id="t"))
    follow.fed(event(8, "turn/completed", turn_id="t", status="completed") + event(9, turn_id="u"))
    assert seqs(drain(follow)) == [7, 8]
    assert (follow.step(), follow.outcome, follow.turn_id) == ("end", "completed", "t")


def test_a_message_that_never_got_a_turn() -> None:
    follow = turn()
    opened(follow)
    follow.fed(event(None, "message/removed"))
    assert len(drain(follow)) == 1
    assert (follow.step(), follow.outcome) == ("end", "removed")


def test_a_turn_whose_log_is_gone() -> None:
    follow = turn()
    opened(follow)
    follow.fed(event(5, turn_id="t"))
    drain(follow)
    follow.fed(event(None, "feed/reset", data={"reason": "ahead"}))
    with pytest.raises(ConnectionLost):
        follow.step()
