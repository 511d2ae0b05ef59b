"""Events → Server-Sent Event frames. Sans-I/O.

No `event:` line, so that a browser's plain `onmessage` gets everything. The JSON is rendered
once per event and shared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from codex_http_server.errors import BadCursor
from codex_http_server.events import Event

OPENING: Final = b"retry: 500\n: codex-http-server\n\n"
COMMENT: Final = b": still here\n\n"


def conversation_frames(events: Iterable[Event]) -> bytes:
    """Frames whose id is the conversation's seq, joined for one send."""
    return b"".join(b"id: %d\ndata: %b\n\n" % (event.seq, _lines(event.json())) for event in events)


def all_frames(events: Iterable[Event]) -> bytes:
    """Frames whose id is the position in the whole log."""
    return b"".join(
        b"id: %b\ndata: %b\n\n" % (event.cursor().encode(), _lines(event.json()))
        for event in events
    )


def bare_frame(json: bytes) -> bytes:
    """A frame without an id: the reader's Last-Event-ID stays where it was."""
    return b"data: %b\n\n" % _lines(json)


def _lines(json: bytes) -> bytes:
    """A core could put line breaks between its tokens; each line needs its own `data:`."""
    if b"\n" not in json and b"\r" not in json:
        return json
    return b"\ndata: ".join(json.splitlines())


def page(events: Sequence[Event], first: bytes | None = None) -> bytes:
    """The events as a JSON array."""
    parts = [event.json() for event in events]
    return b"[%b]" % b",".join([first, *parts] if first is not None else parts)


def cursor_number(text: str) -> int:
    """A conversation's cursor. Raises `BadCursor` for anything but a whole number from 0."""
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise BadCursor(f"{text[:80]!r} is not a seq: a whole number from 0, or latest.")
    return int(text)


def cursor_position(text: str) -> tuple[str, int]:
    """A cursor of the whole log: the log's tag and the number. Raises `BadCursor`."""
    tag, dash, number = text.rpartition("-")
    if not tag or not dash or not (number.isascii() and number.isdigit()) or len(number) > 18:
        raise BadCursor(f"{text[:80]!r} is not a position of this server.")
    return tag, int(number)
