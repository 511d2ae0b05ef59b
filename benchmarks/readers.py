"""Readers of event streams, all in one process of their own, as cheap as Python can be.

Opens the streams of the job and says `open` once all have begun; then what it counted, when
`ends` ends of turns or `events` events have come in all; with `timed` also how long deltas
took. With neither it only holds the streams. Ends when its stdin closes.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from typing import Final
from urllib.parse import urlsplit

from benchmarks.lines import Words, say
from benchmarks.stats import delays

EVENT: Final = b'{"seq":'
DELTA: Final = b'"type":"item/agentMessage/delta"'
TURN_END: Final = b'"type":"turn/completed"'
BEGUN: Final = b": codex-http-server\n\n"
AT_ONCE: Final = 1 << 18  # bytes
OPEN: Final = 30.0  # seconds for a stream to begin


class Stream:
    """One stream. Counts in what of it is whole lines."""

    def __init__(self, url: str, path: str) -> None:
        address = urlsplit(url)
        self.socket = socket.create_connection((address.hostname, address.port), OPEN)
        head = f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAccept: text/event-stream\r\n\r\n"
        self.socket.sendall(head.encode())
        self._rest = b""
        self.events = self.deltas = self.ends = self.size = self.last = 0

    def wait_begun(self) -> bytes:
        """Wait for the comment that a stream starts with; what came behind it."""
        data = b""
        while BEGUN not in data:
            data += self.receive()
        self.socket.setblocking(False)
        return self.take(data)

    def receive(self) -> bytes:
        """What is there. EOFError at the end of the stream."""
        data = self.socket.recv(AT_ONCE)
        self.last = time.monotonic_ns()
        if not data:
            raise EOFError("a stream ended")
        return data

    def take(self, data: bytes) -> bytes:
        """Count; the lines that are whole now."""
        self.size += len(data)
        end = data.rfind(b"\n") + 1
        whole = self._rest + data[:end]
        if not end:
            self._rest += data
            return b""
        self._rest = data[end:]
        self.events += whole.count(EVENT)
        self.deltas += whole.count(DELTA)
        self.ends += whole.count(TURN_END)
        return whole


class Crowd:
    """All streams of this process."""

    def __init__(self, job: Words) -> None:
        self._streams = [Stream(job["url"], path) for path in job["paths"]]
        self._ends, self._events, self._timed = job["ends"], job["events"], job["timed"]
        self._heard: list[tuple[int, bytes]] = []
        self._came = self._came_ends = 0
        self._waiting = selectors.DefaultSelector()

    def run(self) -> None:
        """Read until all has come; then hold the streams until stdin closes."""
        for stream in self._streams:
            stream.wait_begun()
            self._waiting.register(stream.socket, selectors.EVENT_READ, stream)
        self._waiting.register(sys.stdin, selectors.EVENT_READ)
        say(open=len(self._streams))
        told = not self._ends and not self._events
        while self._read():
            if not told and self._complete():
                told = True
                say(**self._result())

    def _read(self) -> bool:
        for key, _ in self._waiting.select():
            stream = key.data
            if stream is None:
                return False
            whole = stream.take(stream.receive())
            self._came += whole.count(EVENT)
            self._came_ends += whole.count(TURN_END)
            if self._timed:
                self._heard.append((stream.last, whole))
        return True

    def _complete(self) -> bool:
        return self._came_ends >= self._ends and self._came >= self._events

    def _result(self) -> Words:
        return {
            "deltas": sum(stream.deltas for stream in self._streams),
            "events": sum(stream.events for stream in self._streams),
            "bytes": sum(stream.size for stream in self._streams),
            "last": max(stream.last for stream in self._streams),
            "delays": delays(self._heard) if self._timed else {},
        }


if __name__ == "__main__":
    Crowd(json.loads(sys.argv[1])).run()
