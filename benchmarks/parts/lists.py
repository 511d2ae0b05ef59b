"""A page of the list of conversations, with many of them."""

from __future__ import annotations

import asyncio
import time
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks.bench import Bench
from benchmarks.calls import DEADLINE, get_on
from benchmarks.report import Measure, at_most
from benchmarks.sites import Server, Site
from benchmarks.stats import percentile
from benchmarks.stored import write_conversations

CONVERSATIONS: Final = (10_000, 2_000)  # full and quick
PAGE: Final = 50
PAGES: Final = 200  # read in each round, from the newest on and round again


def run(bench: Bench) -> list[Measure]:
    """Written once; paged through on one connection in each round."""
    with bench.site() as site:
        asyncio.run(write_conversations(site, bench.size(*CONVERSATIONS)))
        rounds = [_round(site) for _ in range(bench.rounds)]
    return [
        Measure("page of 50 p50", [percentile(each, 0.5) for each in rounds], "ms", at_most(20)),
        Measure("page of 50 p95", [percentile(each, 0.95) for each in rounds], "ms", at_most(20)),
    ]


def _round(site: Site) -> list[float]:
    with Server(site) as server:
        server.wait_ready()
        connection = HTTPConnection(urlsplit(server.url).netloc, timeout=DEADLINE)
        try:
            return _pages(connection)
        finally:
            connection.close()


def _pages(connection: HTTPConnection) -> list[float]:
    taken: list[float] = []
    cursor: Any = None
    for _ in range(PAGES):
        path = f"/conversations?limit={PAGE}" + (f"&cursor={cursor}" if cursor else "")
        began = time.monotonic()
        cursor = get_on(connection, path)["next_cursor"]
        taken.append((time.monotonic() - began) * 1000)
    return taken
