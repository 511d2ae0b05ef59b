"""Bytes of a WebSocket server → frames (RFC 6455, section 5.2). Sans-I/O, the hot path.

Cuts out the plain ones by hand: whole, unmasked text and binary messages, which is all that
the core sends in a burst (0.5 µs each; 2.6 µs through the generators of `websockets`, measured).
Any other frame is handed on as it came, for `websockets` to judge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

WHOLE: Final = (0x81, 0x82)  # first byte of a text or binary message in a single frame
FINAL: Final = 0x80  # in the first byte: the last frame of its message
CONTROL: Final = 0x08  # in the first byte: close, ping or pong, which may come between
SHORT, MEDIUM, MASK = 125, 126, 0x80  # second byte: a length, how it is written, masked


class Frames:
    """Cuts a stream of bytes into frames. Holds what is not whole yet, at most one frame.

    `on_message` gets the payload of a plain message, at most `limit` bytes. `on_other` gets the
    bytes of any other frame and says whether to go on; of one that is masked or too long it
    gets what is there, at once. Neither may raise.
    """

    def __init__(
        self, on_message: Callable[[bytes], None], on_other: Callable[[bytes], bool], limit: int
    ) -> None:
        self._on_message = on_message
        self._on_other = on_other
        self._limit = limit
        self._held: list[bytes] = []
        self._size = 0
        self._needed = 0
        self._in_fragments = False
        self._ended = False

    def feed(self, data: bytes) -> None:
        """Take what was read. What follows an `on_other` that said no is dropped."""
        if self._held:
            self._held.append(data)
            self._size += len(data)
            if self._size < self._needed:  # joined when it is whole, not at every read
                return
            data = b"".join(self._held)
            self._held.clear()
        done = self._cut(data)
        if done < len(data) and not self._ended:
            self._held.append(data[done:])
            self._size = len(data) - done

    def _cut(self, data: bytes) -> int:
        """Hand on the frames that are whole; where the rest begins."""
        at, end = 0, len(data)
        while end - at >= 2 and not self._ended:
            first, length = data[at], data[at + 1]
            start = at + 2
            if length > SHORT:
                start, length = self._long(data, at, length)
                if self._ended:
                    return end
            stop = start + length
            if stop > end:
                self._needed = stop - at
                return at
            if first in WHOLE and not self._in_fragments:
                self._on_message(data[start:stop])
            else:
                self._other(first, data[at:stop])
            at = stop
        self._needed = 2
        return at

    def _long(self, data: bytes, at: int, code: int) -> tuple[int, int]:
        """Where the payload begins and its length, if the second byte does not hold it. A head
        that is not whole yet has a length of 0 behind the bytes that are there."""
        if code & MASK:
            return self._refuse(data, at)
        start = at + (4 if code == MEDIUM else 10)
        if start > len(data):
            return start, 0
        length = int.from_bytes(data[at + 2 : start])
        return self._refuse(data, at) if length > self._limit else (start, length)

    def _refuse(self, data: bytes, at: int) -> tuple[int, int]:
        self._ended = True
        self._on_other(data[at:])
        return len(data), 0

    def _other(self, first: int, frame: bytes) -> None:
        self._ended = not self._on_other(frame)
        if not first & CONTROL:
            self._in_fragments = not first & FINAL
