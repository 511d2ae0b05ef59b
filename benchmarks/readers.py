"""Readers of event streams, all in one process of their own, as cheap as Python can be.

Opens the streams of the job, says `open` once all have begun, then what it counted when
`until` ends of turns have come in all; with `timed` also how long deltas took. With `until` 0
it holds the streams. Ends when its stdin closes.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from benchmarks.lines import Words, say
from benchmarks.stats import delays

DELTA: Final = b'"type":"item/agentMessage/delta"'
TURN_END: Final = b'"type":"turn/completed"'
AT_ONCE: Final = 1 << 18  # bytes
OPEN: Final = 30.0  # seconds for a stream to begin


class Stream:
    """One stream: what of it is whole lines is counted."""

    def __init__(self, url: str, path: str, timed: bool) -> None:
        address = urlsplit(url)
        self.socket = socket.create_connection((address.hostname, address.port), OPEN)
        head = f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAccept: text/event-stream\r\n\r\n"
        self.socket.sendall(head.encode())
        self._rest = b""
        self._timed = timed
        self._heard: list[tuple[int, bytes]] = []
        self.deltas = self.frames = self.ends = self.size = self.last = 0

    def wait_begun(self) -> None:
        """Wait for the comment that every stream starts with."""
        while b"\n: " not in self._rest:
            self.read()
        self._heard.clear()
        self.socket.setblocking(False)

    def read(self) -> None:
        """Take what is there. EOFError at the end of the stream."""
        data = self.socket.recv(AT_ONCE)
        self.last = time.monotonic_ns()
        if not data:
            raise EOFError("a stream ended")
        if self._timed:
            self._heard.append((self.last, data))
            self.ends += data.count(TURN_END)
            self._rest = data if not self.frames else b""
        else:
            self._count(data)

    def _count(self, data: bytes) -> None:
        self.size += len(data)
        end = data.rfind(b"\n") + 1
        whole = self._rest + data[:end]
        self._rest = data[end:] if end else whole + data
        if end:
            self.deltas += whole.count(DELTA)
            self.frames += whole.count(b"\nid: ")
            self.ends += whole.count(TURN_END)

    def heard(self) -> Iterator[tuple[int, bytes]]:
        """Times and whole lines."""
        rest = b""
        for at, data in self._heard:
            end = data.rfind(b"\n") + 1
            yield at, rest + data[:end]
            rest = data[end:] if end else rest + data
