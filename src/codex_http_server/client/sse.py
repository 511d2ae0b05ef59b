"""Server-Sent Events, read: bytes in, frames out. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from codex_http_server.client.errors import ProtocolError

FRAME_MOST: Final = 128 * 1024 * 1024  # bytes: the server's largest event is far below


@dataclass(frozen=True, slots=True)
class Frame:
    """What came between two blank lines, if it had data."""

    id: str | None
    data: str


class Parser:
    """Collects lines into frames, wherever the chunks were cut. One for each connection."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._id: str | None = None
        self.retry: float | None = None  # seconds, as the server wishes
        self.comments = 0  # signs of life; each good stream begins with one

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """The frames that this chunk completes. Raises `ProtocolError` for one without end."""
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            line = bytes(self._line) + chunk[start:end]
            self._line.clear()
            start = end + 1
            frame = self._take(line.removesuffix(b"\r"))
            if frame is not None:
                yield frame
        self._line += chunk[start:]
        if len(self._line) + self._size > FRAME_MOST:
            raise ProtocolError(f"One event has more than {FRAME_MOST} bytes.")

    def _take(self, line: bytes) -> Frame | None:
        if not line:
            return self._end()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._data.append(value)
                self._size += len(value)
            case b"id":
                self._id = value.decode()
            case b"retry" if value.isdigit():
                self.retry = int(value) / 1000
            case b"":
                self.comments += 1
            case _:
                pass  # a field that we do not know
        return None

    def _end(self) -> Frame | None:
        data, identity = self._data, self._id
        self._data, self._id, self._size = [], None, 0
        return Frame(identity, b"\n".join(data).decode()) if data else None
