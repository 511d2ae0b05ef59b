"""kill -9 of the core, and of the server, in mid-stream: how soon a reader hears on."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Final

from benchmarks.bench import Bench
from benchmarks.report import Measure, at_most
from benchmarks.sites import Server, Site
from codex_http_server.testing.reader import Event, Reader

MESSAGE: Final = "plan 3000 100"  # half a minute of deltas, of which the first few are awaited
HEARD: Final = 20  # deltas before the blow

Found = defaultdict[str, list[float]]


def run(bench: Bench) -> list[Measure]:
    """Both blows, each on a fresh home."""
    found: Found = defaultdict(list)
    for _ in range(bench.rounds):
        with bench.server() as server:
            _core_killed(server, found)
        with bench.site() as site:
            _server_killed(site, found)
    target = at_most(1.5)
    return [
        Measure("core killed: next event", found["core event"], "s", target),
        Measure("core killed: core ready", found["core ready"], "s", target),
        Measure("server killed: next event", found["server event"], "s", target),
        Measure("server killed: core ready", found["server ready"], "s", target),
    ]


def _core_killed(server: Server, found: Found) -> None:
    (conversation,) = server.conversations(1)
    path = f"/conversations/{conversation}/events"
    with Reader(server.url, path) as reader:
        server.send([conversation], MESSAGE)
        heard = _hear_deltas(reader)
        server.core().kill()
        killed = time.monotonic()
        reader.wait(lambda e: e.get("synthetic") == "core_lost", start=heard)
        found["core event"].append(time.monotonic() - killed)
        reader.wait(_ready, start=heard)
        found["core ready"].append(time.monotonic() - killed)
    server.core()


def _server_killed(site: Site, found: Found) -> None:
    with Server(site) as server:
        server.wait_ready()
        (conversation,) = server.conversations(1)
        path = f"/conversations/{conversation}/events"
        with Reader(server.url, path) as reader:
            server.send([conversation], MESSAGE)
            _hear_deltas(reader)
            server.kill()
            killed = time.monotonic()
            reader.wait_end()
        _resume(site, path, reader.seqs[-1], killed, found)


def _resume(site: Site, path: str, seq: int, killed: float, found: Found) -> None:
    with Server(site) as server:
        server.wait_listening()
        with Reader(server.url, path, last_event_id=str(seq)) as reader:
            reader.wait(lambda e: e.get("seq", 0) > seq)
            found["server event"].append(time.monotonic() - killed)
        server.wait_ready()
        found["server ready"].append(time.monotonic() - killed)


def _hear_deltas(reader: Reader) -> int:
    """Wait for the stream to run; how many events had come."""
    seen = 0
    for _ in range(HEARD):
        event = reader.wait(lambda e: e["type"] == "item/agentMessage/delta", start=seen)
        seen = reader.events.index(event) + 1
    return len(reader.events)


def _ready(event: Event) -> bool:
    return event["type"] == "core/state" and event["data"]["state"] == "ready"
