"""The model, in a process of its own so that its work is not counted as anyone's.

A message `plan DELTAS RATE` is answered with that many deltas: with rate 0 in one write of
bytes rendered before, else RATE a second, each carrying the time of its sending. Says its URL
on stdout; `sent` on stdin is answered with the deltas sent so far. Runs until stdin closes.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import time
from functools import cache
from typing import Final, cast

import uvloop

from benchmarks.lines import say
from codex_http_server.testing.answers import Text
from codex_http_server.testing.requests import decode
from codex_http_server.testing.responses import frames

PLAN: Final = re.compile(r"plan (\d+) (\d+)")
TOKEN: Final = "token "
TAG: Final = "bench_tag"
STREAM: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
MODELS: Final = b'{"object":"list","data":[],"models":[]}'
SPREAD: Final = 0.618  # of a period between the beats of two conversations, so that none align


def rendered(parts: list[str]) -> list[bytes]:
    """A whole response: its start, one frame for each part, its end."""
    return [part for part in frames([Text(parts)], TAG) if isinstance(part, bytes)]


@cache
def burst(deltas: int) -> bytes:
    """A response of `deltas` equal deltas."""
    return b"".join(rendered([TOKEN] * deltas))


def plan_of(body: bytes) -> tuple[int, int]:
    """Deltas and rate that the user's last message asks for."""
    found = PLAN.search(decode({}, body).user_text)
    return (int(found[1]), int(found[2])) if found else (1, 0)


class Model:
    """What all connections share."""

    def __init__(self) -> None:
        self.sent = 0
        self._numbers = itertools.count()

    def next(self) -> tuple[bytes, float]:
        """A tag of its own for a response, and its place within a beat."""
        number = next(self._numbers)
        return b"%09d" % number, number * SPREAD % 1


class Caller(asyncio.Protocol):
    """One connection, which asks once."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._got = b""
        self._gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._out = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._gone = True

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, whole, body = self._got.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if whole and len(body) >= (int(length[1]) if length else 0):
            self._got = b""
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if not head.startswith(b"POST /v1/responses"):
            kind = b"HTTP/1.1 200 OK" if b"/v1/models" in head[:30] else b"HTTP/1.1 404 Not Found"
            size = b"content-length: %d\r\n" % len(MODELS)
            self._out.write(
                kind + b"\r\ncontent-type: application/json\r\n" + size + b"\r\n" + MODELS
            )
            return
        deltas, rate = plan_of(body)
        tag, place = self._model.next()
        self._out.write(STREAM)
        if rate:
            Paced(self, self._model, deltas, 1 / rate, tag).begin(place)
        else:
            self._model.sent += deltas
            self.finish(burst(deltas).replace(TAG.encode(), tag))

    def write(self, data: bytes) -> bool:
        """Send; False once the caller has left."""
        if not self._gone:
            self._out.write(data)
        return not self._gone

    def finish(self, data: bytes) -> None:
        """Send the last bytes."""
        self._out.write(data)
        self._out.close()


class Paced:
    """A response at a steady rate."""

    def __init__(
        self, caller: Caller, model: Model, deltas: int, period: float, tag: bytes
    ) -> None:
        self._caller, self._model = caller, model
        self._left, self._period, self._tag = deltas, period, tag
        self._loop = asyncio.get_running_loop()
        self._said: list[str] = []
        start, added, delta, *_ = self._tagged(["@"])
        self._before, self._after = delta.split(b"@")
        self._opening = start + added

    def _tagged(self, parts: list[str]) -> list[bytes]:
        return [part.replace(TAG.encode(), self._tag) for part in rendered(parts)]

    def begin(self, place: float) -> None:
        """Send the start and set the beat."""
        self._caller.write(self._opening)
        self._due = self._loop.time() + place * self._period
        self._loop.call_at(self._due, self._beat)

    def _beat(self) -> None:
        if not self._left:
            self._caller.finish(b"".join(self._tagged(self._said)[-2:]))
            return
        text = f"t{time.monotonic_ns()} "
        self._said.append(text)
        self._left -= 1
        self._model.sent += 1
        self._due += self._period
        if self._caller.write(self._before + text.encode() + self._after):
            self._loop.call_at(self._due, self._beat)


async def main() -> None:
    """Listen until stdin closes."""
    model, closed = Model(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def told() -> None:
        if os.read(0, 4096):
            say(sent=model.sent)
        else:
            loop.remove_reader(0)
            closed.set()

    server = await loop.create_server(lambda: Caller(model), "127.0.0.1", 0, backlog=256)
    loop.add_reader(0, told)
    say(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    await closed.wait()


if __name__ == "__main__":
    uvloop.run(main())
