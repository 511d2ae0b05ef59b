"""Frames out of bytes, against the serializer of `websockets`."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from codex_http_server.engine.frames import Frames

LIMIT = 100_000
PLAIN = (Opcode.TEXT, Opcode.BINARY)
Seen = list[tuple[str, bytes]]


def wire(opcode: Opcode, data: bytes, **fields: Any) -> bytes:
    """A frame as a server sends it."""
    return Frame(opcode, data, **fields).serialize(mask=False)


def cut(*reads: bytes, limit: int = LIMIT, go_on: bool = True) -> Seen:
    """What is handed on for these reads."""
    seen: Seen = []

    def other(frame: bytes) -> bool:
        seen.append(("other", frame))
        return go_on

    frames = Frames(lambda message: seen.append(("message", message)), other, limit)
    for read in reads:
        frames.feed(read)
    return seen


MIXED = [
    wire(Opcode.TEXT, b"{}"),
    wire(Opcode.PING, b"are you there"),
    wire(Opcode.BINARY, b"x" * 126),
    wire(Opcode.TEXT, b"frag", fin=False),
    wire(Opcode.PONG, b""),
    wire(Opcode.CONT, b"ment"),
    wire(Opcode.TEXT, b""),
    wire(Opcode.TEXT, b"y" * 65_536),
    wire(Opcode.CLOSE, b"\x03\xe8"),
]
EXPECTED: Seen = [
    ("message", b"{}"),
    ("other", MIXED[1]),
    ("message", b"x" * 126),
    ("other", MIXED[3]),
    ("other", MIXED[4]),
    ("other", MIXED[5]),
    ("message", b""),
    ("message", b"y" * 65_536),
    ("other", MIXED[8]),
]


def test_plain_messages_are_cut_out_and_all_else_is_handed_on_in_order() -> None:
    assert cut(b"".join(MIXED)) == EXPECTED


def test_a_read_may_end_at_any_byte() -> None:
    whole = b"".join(MIXED)
    for at in [*range(400), *range(len(whole) - 400, len(whole))]:
        assert cut(whole[:at], whole[at:]) == EXPECTED, at


def test_reads_of_one_byte_are_put_together() -> None:
    whole = b"".join(MIXED)
    assert cut(*(whole[at : at + 1] for at in range(len(whole)))) == EXPECTED


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PLAIN), st.integers(0, 70_000)), max_size=8),
    st.lists(st.integers(500, 90_000), min_size=1, max_size=6),  # each byte by itself: above
)
def test_what_websockets_writes_is_read(sent: list[tuple[Opcode, int]], steps: list[int]) -> None:
    whole = b"".join(wire(opcode, b"z" * size) for opcode, size in sent)
    reads: list[bytes] = []
    for step in itertools.cycle(steps):
        if not whole:
            break
        reads.append(whole[:step])
        whole = whole[step:]
    assert cut(*reads) == [("message", b"z" * size) for _, size in sent]


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536])
def test_every_form_of_a_length_is_read(length: int) -> None:
    assert cut(wire(Opcode.TEXT, b"m" * length) * 2) == [("message", b"m" * length)] * 2


def test_a_whole_message_among_fragments_is_not_taken_for_plain() -> None:
    begun, whole = wire(Opcode.TEXT, b"a", fin=False), wire(Opcode.TEXT, b"b")
    assert cut(begun + whole) == [("other", begun), ("other", whole)]


@pytest.mark.parametrize("bit", [0x10, 0x20, 0x40])
def test_a_frame_with_a_reserved_bit_is_not_plain(bit: int) -> None:
    frame = bytes([0x81 | bit]) + wire(Opcode.TEXT, b"a")[1:]
    assert cut(frame) == [("other", frame)]


@pytest.mark.parametrize("size", [3, 200, 70_000])
def test_a_masked_frame_is_handed_on_at_its_head_and_ends_it_all(size: int) -> None:
    masked = Frame(Opcode.TEXT, b"a" * size).serialize(mask=True)
    assert cut(masked[:2], masked[2:], MIXED[0]) == [("other", masked[:2])]


def test_a_length_past_the_limit_is_handed_on_without_its_payload() -> None:
    assert cut(wire(Opcode.TEXT, b"a" * LIMIT)) == [("message", b"a" * LIMIT)]
    large = wire(Opcode.TEXT, b"a" * (LIMIT + 1))[:10]
    assert cut(large, MIXED[0]) == [("other", large)]


def test_after_a_no_nothing_more_is_handed_on() -> None:
    close = wire(Opcode.CLOSE, b"")
    assert cut(close + MIXED[0], MIXED[0], go_on=False) == [("other", close)]
