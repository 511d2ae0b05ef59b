"""What readers that never read do to those that do: the latency of the fast, the memory."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final
from urllib.parse import urlsplit

from benchmarks.bench import RUN, Bench, readers, streams
from benchmarks.readers import BEGUN
from benchmarks.report import Measure, at_most
from benchmarks.sites import Server

TURNS: Final = 10
READERS: Final = 5  # fast ones of each conversation
STALLED: Final = 50
RATE: Final = 50  # deltas a second in each conversation
SECONDS: Final = (10, 4)  # of a round, full and quick
BURST: Final = "plan 2000 0"  # 0.8 MB for each stream
WINDOW: Final = 4096  # bytes that a stalled socket takes in
OPEN: Final = 30.0  # seconds for a stream to begin
MB: Final = 1e6

Found = defaultdict[str, list[float]]


def run(bench: Bench) -> list[Measure]:
    """Without and with stalled readers, in turns."""
    message = f"plan {bench.size(*SECONDS) * RATE} {RATE}"
    found: Found = defaultdict(list)
    for _ in range(bench.rounds):
        _measure(bench, message, 0, found)
        _measure(bench, message, STALLED, found)
    pairs = zip(found[f"p99, {STALLED}"], found["p99, 0"], strict=True)
    grown = zip(found[f"grown, {STALLED}"], found["grown, 0"], strict=True)
    return [
        Measure("50 fast readers p99", found["p99, 0"], "ms"),
        Measure("50 fast beside 50 stalled p99", found[f"p99, {STALLED}"], "ms"),
        Measure("ratio", [beside / alone for beside, alone in pairs], "", at_most(2)),
        Measure("server grows without stalled", found["grown, 0"], "MB"),
        Measure("server grows by the 50 stalled", [more - less for more, less in grown], "MB"),
    ]


def _measure(bench: Bench, message: str, count: int, found: Found) -> None:
    with bench.server() as server:
        conversations = server.conversations(TURNS)
        rest = server.rss()
        paths = streams(conversations, READERS)
        with stalled(server, paths[:count]):
            _fill(server, conversations)
            with readers(server, paths, ends=len(paths), timed=True) as fast:
                server.send(conversations, message)
                found[f"p99, {count}"].append(fast.hear(RUN)["delays"]["p99"])
                found[f"grown, {count}"].append((server.rss() - rest) / MB)


@contextmanager
def stalled(server: Server, paths: Sequence[str]) -> Generator[None]:
    """Streams that begin, and are not read from then on."""
    with ExitStack() as held:
        for path in paths:
            held.enter_context(_begun(server.url, path))
        yield


def _fill(server: Server, conversations: Sequence[str]) -> None:
    """Turns with more bytes than the sockets of stalled readers take."""
    with readers(server, ["/events?after=latest"], ends=TURNS) as one:
        server.send(conversations, BURST)
        one.hear(RUN)


def _begun(url: str, path: str) -> socket.socket:
    address = urlsplit(url)
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
    line.settimeout(OPEN)
    line.connect((address.hostname, address.port))
    head = f"GET {path} HTTP/1.1\r\nAccept: text/event-stream\r\n"
    line.sendall(f"{head}Host: {address.netloc}\r\n\r\n".encode())
    heard = b""
    while BEGUN not in heard:
        heard += line.recv(1)
    return line
