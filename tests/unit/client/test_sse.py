"""Event streams are read the same wherever their bytes are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_http_server.client import sse
from codex_http_server.client.errors import ProtocolError
from codex_http_server.client.sse import Frame, Parser

STREAM = (
    "retry: 500\n: codex-http-server\n\n"
    'id: 7\ndata: {"a":"ü"}\n\n'
    ": still here\n\n"
    "data: one\ndata:two\r\nother: x\n\r\n"
    "id: 9\n\n"
    "data: \n\n"
).encode()
FRAMES = [Frame("7", '{"a":"ü"}'), Frame(None, "one\ntwo"), Frame(None, "")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_wherever_it_is_cut(cuts: list[int]) -> None:
    parser, edges = Parser(), [0, *sorted(cuts), len(STREAM)]
    found = [
        frame
        for start, end in itertools.pairwise(edges)
        for frame in parser.feed(STREAM[start:end])
    ]
    assert found == FRAMES
    assert (parser.retry, parser.comments) == (0.5, 2)


def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "FRAME_MOST", 100)
    parser = Parser()
    assert list(parser.feed(b"data: " + b"x" * 60)) == []
    with pytest.raises(ProtocolError):
        list(parser.feed(b"x" * 60))
    lines = Parser()
    with pytest.raises(ProtocolError):
        list(lines.feed(b"data: xxxxxxxxxx\n" * 20))
