"""Readers that live as long as the test: they come back by themselves and keep what they saw."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from http.client import HTTPConnection
from typing import Final
from urllib.parse import urlsplit

from codex_http_server.testing.reader import Event
from tests.support.chaos.wire import BROKEN, Address, connect

RETRY: Final = 0.05  # seconds before the next try to connect
POLL: Final = 3  # seconds of a long poll
SMALL: Final = 4096  # bytes that a stalled socket takes in


class Watcher(ABC):
    """A client that reads in a thread of its own, always on from the last event that it has."""

    def __init__(self, address: Address, path: str, after: str = "") -> None:
        self.events: list[Event] = []
        self.times: list[float] = []
        self.faults: list[str] = []
        self.path = path
        self.last = after
        self._address = address
        self._connection: HTTPConnection | None = None
        self._held_until = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watcher {path}", daemon=True)
        self._thread.start()

    @abstractmethod
    def _read(self, connection: HTTPConnection) -> None:
        """Read what one connection gives."""

    def _run(self) -> None:
        while not self._over.is_set():
            url = self._address.url
            if url is not None:
                self._visit(url)
            self._over.wait(RETRY)

    def _visit(self, url: str) -> None:
        self._connection = connection = connect(url)
        try:
            with contextlib.suppress(*BROKEN, AttributeError):  # cut off, by us or by a kill
                self._read(connection)
        finally:
            connection.close()

    def _take(self, event: Event) -> None:
        if event["type"] == "feed/reset":
            self.faults.append(f"feed/reset after {self.last}: {event['data']}")
        self.events.append(event)
        self.times.append(time.monotonic())

    def _pass(self) -> None:
        """Stand still while held."""
        while (left := self._held_until - time.monotonic()) > 0 and not self._over.is_set():
            self._over.wait(left)

    def hold(self, seconds: float) -> None:
        """Read nothing for a while."""
        self._held_until = time.monotonic() + seconds

    def cut(self) -> None:
        """Drop the connection; the watcher comes back by itself."""
        line = self._connection.sock if self._connection is not None else None
        if line is not None:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def has(self, seq: int) -> bool:
        """Whether it has come as far as this seq."""
        return int(self.last or 0) >= seq

    def forget(self, conversations: Iterable[str]) -> None:
        """Drop the events of conversations that are judged for good. Only when all is quiet."""
        gone = set(conversations)
        pairs = list(zip(self.events, self.times, strict=True))
        kept = [(e, at) for e, at in pairs if e.get("conversation_id") not in gone]
        self.events, self.times = [e for e, _ in kept], [at for _, at in kept]

    def end(self) -> None:
        """End it."""
        self._over.set()
        self.cut()
        self._thread.join(20)
        assert not self._thread.is_alive(), f"{self.path}: the watcher does not end"


class Stream(Watcher):
    """Reads Server-Sent Events and resumes by the id of the last frame."""

    def _read(self, connection: HTTPConnection) -> None:
        headers = {"Accept": "text/event-stream"}
        if self.last:
            headers["Last-Event-ID"] = self.last
        connection.request("GET", self.path, headers=headers)
        answer = connection.getresponse()
        if answer.status != 200:
            self.faults.append(f"{answer.status}: {answer.read()[:500]!r}")
            return
        for event_id, data in self._frames(answer):
            self._take(json.loads(data))
            self.last = event_id or self.last

    def _frames(self, answer: Iterable[bytes]) -> Iterator[tuple[str, str]]:
        event_id = data = ""
        for raw in answer:
            self._pass()
            if self._over.is_set():
                return
            line = raw.decode().rstrip("\n")
            if line.startswith("id: "):
                event_id = line[4:]
            elif line.startswith("data: "):
                data = line[6:]
            elif not line and data:
                yield event_id, data
                event_id = data = ""


class Poller(Watcher):
    """Reads pages, waiting for each: `?after=N&wait=…`."""

    def _read(self, connection: HTTPConnection) -> None:
        while not self._over.is_set():
            self._pass()
            connection.request("GET", f"{self.path}?after={self.last or 0}&wait={POLL}&limit=100")
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                self.faults.append(f"{answer.status}: {body[:500]!r}")
                return
            page = json.loads(body)
            for event in page["data"]:
                self._take(event)
            self.last = str(page["next_after"])


class Stalled:
    """A stream that was opened and is never read."""

    def __init__(self, url: str, path: str) -> None:
        netloc = urlsplit(url).netloc
        host, port = netloc.rsplit(":", 1)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        self._socket.settimeout(2)
        head = f"GET {path} HTTP/1.1\r\nHost: {netloc}\r\nAccept: text/event-stream\r\n\r\n"
        with contextlib.suppress(OSError):
            self._socket.connect((host, int(port)))
            self._socket.sendall(head.encode())

    def end(self) -> None:
        """Close it."""
        self._socket.close()
