"""Where frames begin and end, however their bytes arrive."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode

from codex_http_server.engine.bounds import Bounds, FrameTooLarge, close_frame, ping_frame

DATA = st.tuples(
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT]),
    st.sampled_from([0, 1, 125, 126, 127, 65535, 65536]),
    st.booleans(),
)
CONTROL = st.tuples(st.just(Opcode.PING), st.integers(0, 125), st.just(True))


@given(
    st.lists(DATA | CONTROL, min_size=1, max_size=4),
    st.booleans(),
    st.lists(st.integers(0, 4 * 65550)),
)
def test_every_end_of_a_frame_is_seen_and_nothing_else(
    kinds: list[tuple[Opcode, int, bool]], masked: bool, cuts: list[int]
) -> None:
    made = [Frame(kind, b"\x88" * size, fin).serialize(mask=masked) for kind, size, fin in kinds]
    data = b"".join(made)
    ends = {sum(map(len, made[:count])) for count in range(len(made) + 1)}
    places = sorted({0, len(data), *ends, *(cut for cut in cuts if cut < len(data))})
    bounds = Bounds()
    for start, stop in pairwise(places):
        bounds.feed(data[start:stop])
        assert bounds.between == (stop in ends)
    whole = Bounds()
    whole.feed(data)
    assert whole.between
    assert not whole.closed


@pytest.mark.parametrize("size", [126, 65536, 1 << 40])
def test_a_frame_that_is_too_large_is_known_by_its_head(size: int) -> None:
    length = (
        bytes((0xFE,)) + size.to_bytes(2) if size < 65536 else bytes((0xFF,)) + size.to_bytes(8)
    )
    head = b"\x81" + length + b"mask"
    Bounds(size).feed(head)
    bounds = Bounds(size - 1)
    for each in head[:-1]:
        bounds.feed(bytes((each,)))
    with pytest.raises(FrameTooLarge):
        bounds.feed(head[-1:])


def test_a_close_is_seen_and_ours_are_as_others_make_them() -> None:
    made = close_frame(1012, "Join again.")
    assert made == Frame(Opcode.CLOSE, Close(1012, "Join again.").serialize()).serialize(mask=False)
    assert ping_frame() == Frame(Opcode.PING, b"").serialize(mask=False)
    bounds = Bounds()
    bounds.feed(ping_frame())
    assert not bounds.closed
    bounds.feed(made)
    assert bounds.closed
    assert bounds.between
