"""How long a delta is on its way from the model to the client, beside the bare core."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from benchmarks.bench import RUN, Bench, readers, streams
from benchmarks.report import Measure, at_most
from benchmarks.stats import Delays

TURNS: Final = 20
RATE: Final = 50  # deltas a second in each conversation
SECONDS: Final = (8, 3)  # of a round, full and quick
CROWDS: Final = (1, 10)  # readers of each conversation
TARGETS: Final = {"p50": at_most(0.5), "p99": at_most(5.0)}


def run(bench: Bench) -> list[Measure]:
    """Raw core, server with few and with many readers, raw core …"""
    message = f"plan {bench.size(*SECONDS) * RATE} {RATE}"
    found: defaultdict[str, list[Delays]] = defaultdict(list)
    for _ in range(bench.rounds):
        found["core"].append(bench.raw(TURNS, message, timed=True)["delays"])
        for crowd in CROWDS:
            found[_name(crowd)].append(_server(bench, message, crowd))
    measures = [
        Measure(f"{who} {share}", [each[share] for each in delays], "ms")
        for who, delays in found.items()
        for share in TARGETS
    ]
    return measures + [_added(found, _name(crowd), share) for crowd in CROWDS for share in TARGETS]


def _name(crowd: int) -> str:
    return f"server, {crowd} reader{'s' if crowd > 1 else ''}"


def _added(found: dict[str, list[Delays]], who: str, share: str) -> Measure:
    pairs = zip(found[who], found["core"], strict=True)
    added = [server[share] - core[share] for server, core in pairs]
    return Measure(f"added by {who} {share}", added, "ms", TARGETS[share])


def _server(bench: Bench, message: str, crowd: int) -> Delays:
    with bench.server() as server:
        conversations = server.conversations(TURNS)
        paths = streams(conversations, crowd)
        with readers(server, paths, ends=len(paths), timed=True) as reader:
            server.send(conversations, message)
            return reader.hear(RUN)["delays"]
