"""Resident memory: at rest, for each idle reader, for each conversation; the core's beside it."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Final

from benchmarks.bench import RUN, Bench, readers
from benchmarks.report import Measure, at_most
from benchmarks.sites import Server

REST: Final = 2.0  # seconds for a server that just started to come to rest
READERS: Final = 500
CONVERSATIONS: Final = 100
DELTAS: Final = 20  # of the one turn of each conversation
MB: Final = 1e6
KB: Final = 1e3

Found = defaultdict[str, list[float]]


def run(bench: Bench) -> list[Measure]:
    """One server with idle readers and one with conversations, each round."""
    found: Found = defaultdict(list)
    for _ in range(bench.rounds):
        with bench.server() as server:
            _idle(server, found)
        with bench.server() as server:
            _busy(server, found)
    return [
        Measure("server at rest", found["rest"], "MB", at_most(75)),
        Measure("each idle reader", found["reader"], "KB", at_most(20)),
        Measure("each conversation", found["conversation"], "KB"),
        Measure("keeper at rest", found["keeper"], "MB", at_most(12)),
        Measure("core at rest", found["core"], "MB"),
        Measure("core, each conversation", found["core conversation"], "KB"),
    ]


def _idle(server: Server, found: Found) -> None:
    time.sleep(REST)
    rest = server.rss()
    found["rest"].append(rest / MB)
    found["core"].append(server.core().memory_info().rss / MB)
    found["keeper"].append(server.keeper().memory_info().rss / MB)
    with readers(server, ["/events?after=latest"] * READERS):
        found["reader"].append((server.rss() - rest) / READERS / KB)


def _busy(server: Server, found: Found) -> None:
    _turns(server, 1)  # what is loaded with the first turn is not a conversation's
    rest, core = server.rss(), server.core().memory_info().rss
    _turns(server, CONVERSATIONS)
    grown = server.core().memory_info().rss - core
    found["conversation"].append((server.rss() - rest) / CONVERSATIONS / KB)
    found["core conversation"].append(grown / CONVERSATIONS / KB)


def _turns(server: Server, count: int) -> None:
    conversations = server.conversations(count)
    with readers(server, ["/events?after=latest"], ends=count) as reader:
        server.send(conversations, f"plan {DELTAS} 0")
        reader.hear(RUN)
