"""Events as Server-Sent Event frames."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_http_server.api import sse
from codex_http_server.errors import BadCursor
from codex_http_server.events import Event, raw, transient


def event(seq: int = 1, data: bytes = b"{}", **fields: Any) -> Event:
    blank = dict.fromkeys(("turn_id", "item_id", "item_type", "text", "status", "synthetic"))
    values: dict[str, Any] = blank | {"type": "x", "at_ms": 0, "core": "1", "log_tag": "tag"}
    values |= {"conversation_id": "c", "position": 10 + seq, "data": msgspec.Raw(data)} | fields
    return Event(seq=seq, **values)


def parsed(stream: bytes) -> list[dict[str, str]]:
    """The frames as a client reads them (WHATWG HTML, 9.2.6), without those that have no data."""
    frames: list[dict[str, str]] = []
    lines = stream.decode().replace("\r\n", "\n").replace("\r", "\n")
    for block in lines.split("\n\n"):
        frame: dict[str, str] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            frame[name] = f"{frame[name]}\n{value}" if name in frame else value
        if "data" in frame:
            frames.append(frame)
    return frames


def test_a_conversation_s_frame_has_its_seq_as_id_and_no_event_line() -> None:
    first, second = event(1), event(7)
    assert sse.conversation_frames([first, second]) == (
        b"id: 1\ndata: " + first.json() + b"\n\nid: 7\ndata: " + second.json() + b"\n\n"
    )


def test_a_frame_of_everything_has_its_position_as_id() -> None:
    one = event(3, conversation_id=None)
    assert sse.all_frames([one]) == b"id: tag-13\ndata: " + one.json() + b"\n\n"
    assert sse.cursor_position("tag-13") == ("tag", 13)


def test_a_bare_frame_has_no_id() -> None:
    json = transient("core/state", {"state": "ready"}, at_ms=0)
    assert parsed(sse.bare_frame(json)) == [{"data": json.decode()}]


def test_the_opening_sets_the_pause_and_a_comment_says_nothing() -> None:
    assert sse.OPENING.startswith(b"retry: 500\n")
    assert sse.OPENING.endswith(b"\n\n")
    assert parsed(sse.OPENING + sse.COMMENT) == []


def test_no_events_make_no_bytes() -> None:
    assert sse.conversation_frames([]) == sse.all_frames([]) == b""
    assert sse.page([]) == b"[]"


def test_a_page_is_a_json_array_with_a_first_element_if_there_is_one() -> None:
    page = msgspec.json.decode(sse.page([event(1), event(2)]))
    assert [each["seq"] for each in page] == [1, 2]
    assert msgspec.json.decode(sse.page([event(1)], b'{"first":1}'))[0] == {"first": 1}
    assert msgspec.json.decode(sse.page([], b'{"first":1}')) == [{"first": 1}]


def test_an_event_is_rendered_once_and_its_data_is_the_core_s_bytes() -> None:
    one = event(1, b'{ "a" : 1e400 }', text="Hé\n\u2028", status="completed", policy=raw({}))
    assert one.json() is one.json()
    assert b'"data":{ "a" : 1e400 }' in one.json()


def test_the_envelope_leaves_away_what_is_not_there_but_never_its_ids() -> None:
    shown = msgspec.json.decode(event(1).json())
    assert list(shown) == [
        *("seq", "position", "conversation_id", "turn_id", "item_id"),
        *("type", "at", "core", "data"),
    ]
    assert shown["turn_id"] is shown["item_id"] is None


@given(st.lists(st.text(), max_size=5))
def test_any_text_comes_through_a_stream_as_it_was(texts: list[str]) -> None:
    events = [event(n, bytes(raw({"x": text})), text=text) for n, text in enumerate(texts, 1)]
    frames = parsed(sse.OPENING + sse.conversation_frames(events) + sse.COMMENT)
    assert [frame["id"] for frame in frames] == [str(each.seq) for each in events]
    bodies = [msgspec.json.decode(frame["data"]) for frame in frames]
    assert [(body["text"], body["data"]["x"]) for body in bodies] == [(t, t) for t in texts]


@pytest.mark.parametrize("data", [b'{\n "a": 1\n}', b'{"a":\r\n1}', b'{"a":\n\n1}'])
def test_data_with_line_breaks_between_its_tokens_comes_through(data: bytes) -> None:
    (frame,) = parsed(sse.conversation_frames([event(1, data)]))
    assert msgspec.json.decode(frame["data"])["data"] == {"a": 1}


@pytest.mark.parametrize("text", ["0", "42", "9" * 18])
def test_a_whole_number_is_a_cursor(text: str) -> None:
    assert sse.cursor_number(text) == int(text)
    assert sse.cursor_position(f"abc-{text}") == ("abc", int(text))


@pytest.mark.parametrize(
    "text", ["", " 1", "+1", "1.0", "1e3", "0x1", "x", "\u0661", "\u00b2", "9" * 19, "1\n"]
)
def test_anything_else_is_no_cursor(text: str) -> None:
    with pytest.raises(BadCursor):
        sse.cursor_number(text)
    with pytest.raises(BadCursor):
        sse.cursor_position(f"abc-{text}")


def test_a_number_below_0_is_no_cursor() -> None:
    with pytest.raises(BadCursor):
        sse.cursor_number("-1")
    assert sse.cursor_position("abc--1") == ("abc-", 1)  # the tag of no log


@pytest.mark.parametrize("text", ["42", "", "-", "abc", "abc-"])
def test_a_position_needs_a_tag_and_a_number(text: str) -> None:
    with pytest.raises(BadCursor, match="not a position"):
        sse.cursor_position(text)


def test_a_long_bad_cursor_does_not_fill_the_screen() -> None:
    with pytest.raises(BadCursor) as error:
        sse.cursor_number("x" * 10_000)
    assert len(error.value.detail) < 200
