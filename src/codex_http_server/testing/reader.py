"""A reader of an event stream for tests: collects what comes, and waits for what should.

Runs in a thread of its own. Owns its connection; knows nothing of what the events mean, but
holds them to the reader's rule: seqs only rise.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

PATIENCE: Final = 20.0  # seconds for anything that a test waits for

Event = dict[str, Any]
Test = Callable[[Event], bool]


class Reader:
    """One GET (or POST, with a body) of an event stream. Use with `with`."""

    def __init__(
        self,
        url: str,
        path: str,
        *,
        last_event_id: str | None = None,
        body: Event | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.events: list[Event] = []
        self.ids: list[str | None] = []
        self.comments = 0
        self.ended = False
        self.status = 0
        self.lines: list[str] = []
        self._grew = threading.Condition()
        self._connection = _connection(url)
        sent = {"Accept": "text/event-stream", **(headers or {})}
        if last_event_id is not None:
            sent["Last-Event-ID"] = last_event_id
        if body is None:
            self._connection.request("GET", path, headers=sent)
        else:
            sent["Content-Type"] = "application/json"
            self._connection.request("POST", path, json.dumps(body), sent)
        self._thread = threading.Thread(target=self._run, name=f"reader {path}", daemon=True)
        self._thread.start()
        if "after=latest" in path:
            self._wait_open()

    def _wait_open(self) -> None:
        """Wait until the server has said where `latest` is: what a test does next is on another
        connection, and would else overtake this one (looking up who calls takes a while)."""
        with self._grew:
            if not self._grew.wait_for(lambda: self.status or self.ended, PATIENCE):
                raise AssertionError(f"the stream did not open in {PATIENCE:g} s")

    def _run(self) -> None:
        try:
            answer = self._connection.getresponse()
            with self._grew:
                self.status = answer.status
                self._grew.notify_all()
            for event_id, data in self._frames(answer):
                with self._grew:
                    self.events.append(json.loads(data))
                    self.ids.append(event_id)
                    self._grew.notify_all()
        except (OSError, HTTPException, ValueError, AttributeError):
            pass  # cut off, by us or by the server: what came stays
        with self._grew:
            self.ended = True
            self._grew.notify_all()

    def _frames(self, answer: HTTPResponse) -> Iterator[tuple[str | None, str]]:
        event_id: str | None = None
        data: str | None = None
        for raw in answer:
            line = raw.decode().rstrip("\n")
            self.lines.append(line)
            if line.startswith("id: "):
                event_id = line[4:]
            elif line.startswith("data: "):
                data = line[6:]
            elif line.startswith(":"):
                with self._grew:
                    self.comments += 1
                    self._grew.notify_all()
            elif not line and data is not None:
                yield event_id, data
                event_id, data = None, None

    def wait(self, test: Test, timeout: float = PATIENCE, start: int = 0) -> Event:
        """The first event from index `start` on that passes. Fails loudly when time is up."""
        end = time.monotonic() + timeout
        index = start
        with self._grew:
            while True:
                for event in self.events[index:]:
                    if test(event):
                        return event
                index = len(self.events)
                left = end - time.monotonic()
                if left <= 0 or (self.ended and index == len(self.events)):
                    raise AssertionError(
                        f"no such event in {timeout:g} s; stream ended: {self.ended}; got:\n"
                        + "\n".join(short(event) for event in self.events[-40:])
                    )
                self._grew.wait(left)

    def wait_type(self, kind: str, **fields: Any) -> Event:
        """The first event of a type, with these envelope fields."""
        return self.wait(
            lambda e: e["type"] == kind and all(e.get(k) == v for k, v in fields.items())
        )

    def wait_end(self, timeout: float = PATIENCE) -> None:
        """Wait until the stream has ended."""
        with self._grew:
            if not self._grew.wait_for(lambda: self.ended, timeout):
                raise AssertionError(f"the stream did not end in {timeout:g} s")

    def wait_comments(self, count: int, timeout: float = PATIENCE) -> None:
        """Wait until `count` comments have come."""
        with self._grew:
            if not self._grew.wait_for(lambda: self.comments >= count, timeout):
                raise AssertionError(f"{self.comments} comments in {timeout:g} s")

    @property
    def seqs(self) -> list[int]:
        """The seqs that came, in order."""
        return [event["seq"] for event in self.events if "seq" in event]

    def close(self) -> None:
        """Cut the connection."""
        if self._connection.sock is not None:
            with contextlib.suppress(OSError):  # it may have ended already
                self._connection.sock.shutdown(2)
        self._thread.join(PATIENCE)
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _UnixConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE * 3)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connection(url: str) -> HTTPConnection:
    if url.startswith("unix:"):
        return _UnixConnection(url.removeprefix("unix:"))
    return HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE * 3)


def short(event: Event) -> str:
    """An event on one line, for a failing test."""
    fields = ("seq", "type", "turn_id", "item_id", "item_type", "status", "synthetic", "text")
    return " ".join(f"{k}={event[k]}" for k in fields if event.get(k) is not None)[:200]
