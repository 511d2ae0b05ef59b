"""Pages of one long conversation: items both ways, items of a turn, turns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks.bench import Bench
from benchmarks.calls import DEADLINE, get_on
from benchmarks.report import Measure, at_most
from benchmarks.sites import Server, Site
from benchmarks.stats import percentile
from benchmarks.stored import write_events

EVENTS: Final = (16_700, 3_400)  # full and quick: ten to a turn, three of them ends of items
LIMIT: Final = 100  # entries on a page
TARGET: Final = at_most(20)
MOST: Final = 60  # pages read in one direction

Page = dict[str, Any]
Next = Callable[[Page], str | None]  # what a page's follower is asked with


def run(bench: Bench) -> list[Measure]:
    """Written once; walked through on one connection in each round."""
    with bench.site() as site:
        conversation = asyncio.run(write_events(site, bench.size(*EVENTS)))
        rounds = [_round(site, f"/conversations/{conversation}") for _ in range(bench.rounds)]
    return [
        Measure(f"{name} p95", [percentile(each[name], 0.95) for each in rounds], "ms", TARGET)
        for name in rounds[0]
    ]


def _round(site: Site, there: str) -> dict[str, list[float]]:
    with Server(site) as server:
        server.wait_ready()
        connection = HTTPConnection(urlsplit(server.url).netloc, timeout=DEADLINE)
        try:
            return _walks(connection, there)
        finally:
            connection.close()


def _walks(connection: HTTPConnection, there: str) -> dict[str, list[float]]:
    turns = get_on(connection, f"{there}/turns?limit={LIMIT}")["data"]
    each = iter([f"turn={turn['turn_id']}" for turn in turns[:MOST]])
    return {
        f"{LIMIT} items back": _walk(connection, f"{there}/items", _back("items")),
        f"{LIMIT} items forth": _walk(connection, f"{there}/items", _forth, "after=0"),
        f"{LIMIT} turns back": _walk(connection, f"{there}/turns", _back("turns")),
        "items of a turn": _walk(connection, f"{there}/items", lambda _: next(each, None)),
    }


def _back(kind: str) -> Next:
    return lambda page: f"before={page['data'][0]['seq']}" if page[f"{kind}_before"] else None


def _forth(page: Page) -> str | None:
    return f"after={page['data'][-1]['seq']}" if page["items_after"] else None


def _walk(
    connection: HTTPConnection, path: str, follow: Next, query: str | None = ""
) -> list[float]:
    """Milliseconds for each page, answer read and decoded."""
    taken: list[float] = []
    while query is not None and len(taken) < MOST:
        began = time.monotonic()
        page = get_on(connection, f"{path}?limit={LIMIT}&{query}")
        taken.append((time.monotonic() - began) * 1000)
        query = follow(page)
    return taken
