"""Where the frames of a WebSocket begin and end (RFC 6455, section 5.2). Sans-I/O.

For bytes that are passed on as they are: holds no more than the head of a frame, and looks at
nothing but its length and whether it is a close.
"""

from __future__ import annotations

from typing import Final

MEDIUM, LONG, MASKED = 126, 127, 0x80  # second byte: how the length is written, and masked
MASK_BYTES: Final = 4
OPCODE, CLOSE, PING = 0x0F, 0x8, 0x9
WHOLE: Final = 0x80  # first byte: this frame is all of its message


class FrameTooLarge(Exception):
    """A frame announces more bytes than may be."""


class Bounds:
    """Counts the frames that pass in one direction. `limit`: bytes that one may carry."""

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._head = b""
        self._left = 0  # bytes of the frame that is passing
        self.closed = False  # a close has begun to pass: nothing may follow it

    @property
    def between(self) -> bool:
        """Whether no frame is half passed, so that one of ours may stand here."""
        return not self._head and not self._left

    def feed(self, data: bytes) -> None:
        """Count what passes. Raises `FrameTooLarge` before the frame's payload has passed."""
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
            else:
                at = self._begin(data, at)

    def _begin(self, data: bytes, at: int) -> int:
        """Read on in the head of a frame; where its payload begins, or the data ends."""
        wanted = _head_size(self._head + data[at : at + 2])
        while len(self._head) < wanted and at < len(data):
            step = min(wanted - len(self._head), len(data) - at)
            self._head += data[at : at + step]
            at += step
            wanted = _head_size(self._head)
        if len(self._head) < wanted:
            return at
        self._left, self._head, head = _length(self._head), b"", self._head
        self.closed = self.closed or head[0] & OPCODE == CLOSE
        if self._limit is not None and self._left > self._limit:
            raise FrameTooLarge
        return at


def _head_size(head: bytes) -> int:
    """How long a head is that begins so."""
    if len(head) < 2:
        return 2
    code = head[1] & ~MASKED
    length = {MEDIUM: 2, LONG: 8}.get(code, 0)
    return 2 + length + (MASK_BYTES if head[1] & MASKED else 0)


def _length(head: bytes) -> int:
    code = head[1] & ~MASKED
    size = {MEDIUM: 2, LONG: 8}.get(code, 0)
    return int.from_bytes(head[2 : 2 + size]) if size else code


def close_frame(code: int, reason: str) -> bytes:
    """A close as a server sends it. `reason`: at most 123 bytes."""
    return _control(CLOSE, code.to_bytes(2) + reason.encode())


def ping_frame() -> bytes:
    """A ping as a server sends it."""
    return _control(PING, b"")


def _control(opcode: int, payload: bytes) -> bytes:
    assert len(payload) < MEDIUM
    return bytes((WHOLE | opcode, len(payload))) + payload
