"""Events that stay, read again: out of the log, and through HTTP as a stream."""

from __future__ import annotations

import asyncio
import time

from benchmarks.bench import RUN, Bench, readers
from benchmarks.report import Measure, at_least, at_most
from benchmarks.sites import Server, Site
from benchmarks.stored import database, opened, write_answer, write_events
from codex_http_server.conversations.feed import PAGE

EVENTS = (100_000, 20_000)  # full and quick
ANSWER = (5_000, 1_000)  # deltas


def run(bench: Bench) -> list[Measure]:
    """Written once, read in each round."""
    count = bench.size(*EVENTS)
    with bench.site() as site:
        began = time.monotonic()
        conversation = asyncio.run(write_events(site, count))
        written = count / (time.monotonic() - began)
        size = database(site).stat().st_size / count
        pages: list[float] = []
        streamed: list[float] = []
        for _ in range(bench.rounds):
            pages.append(asyncio.run(_pages(site, conversation, count)))
            streamed.append(_stream(site, conversation, count))
    with bench.site() as site:
        folded = asyncio.run(write_answer(site, bench.size(*ANSWER)))
    return [
        Measure("out of the log", pages, "events/s", at_least(200_000)),
        Measure("through HTTP", streamed, "events/s", at_least(50_000)),
        Measure("written into the log", [written], "events/s"),
        Measure("in the log", [size], "B/event"),
        Measure("in the log, deltas of an ended answer", [folded], "B/event", at_most(30)),
    ]


async def _pages(site: Site, conversation: str, count: int) -> float:
    """As the feed reads: page after page, nothing rendered."""
    with opened(site) as log:
        began, seen, after = time.monotonic(), 0, 0
        while page := await log.read(conversation, after, PAGE):
            seen, after = seen + len(page), page[-1].seq
        seconds = time.monotonic() - began
    if seen != count:
        raise RuntimeError(f"{seen} of {count} events were read")
    return count / seconds


def _stream(site: Site, conversation: str, count: int) -> float:
    with Server(site) as server:
        server.wait_ready()
        began = time.monotonic_ns()
        with readers(server, [f"/conversations/{conversation}/events"], events=count) as reader:
            found = reader.hear(RUN)
    return count / ((found["last"] - began) / 1e9)
