"""How many deltas a second come through, beside the bare core doing the same work.

A reader that falls behind the server's recent events goes on from the log, where an item that
has ended stands for its deltas: `singly` is the share of deltas that it did get as such.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Final

from benchmarks.bench import RUN, Bench, readers
from benchmarks.report import Measure, at_least

SHAPES: Final = ((1, 5000), (20, 500), (100, 100))  # conversations and deltas of each
TARGETS: Final = {(20, 500): at_least(0.87)}


def run(bench: Bench) -> list[Measure]:
    """Raw core, server, raw core, server …, for each shape."""
    measures: list[Measure] = []
    for turns, deltas in SHAPES:
        rates: defaultdict[str, list[float]] = defaultdict(list)
        singly: list[float] = []
        for _ in range(bench.rounds):
            rates["core"].append(_core(bench, turns, deltas))
            rate, share = _server(bench, turns, deltas)
            rates["server"].append(rate)
            singly.append(share)
        pairs = zip(rates["server"], rates["core"], strict=True)
        ratios = [server / core for server, core in pairs]
        name = f"{turns} x {deltas:,}"
        measures += [Measure(f"{name} {who}", found, "deltas/s") for who, found in rates.items()]
        measures.append(Measure(f"{name} ratio", ratios, "", TARGETS.get((turns, deltas))))
        measures.append(Measure(f"{name} singly", singly, ""))
    return measures


def _core(bench: Bench, turns: int, deltas: int) -> float:
    found = bench.raw(turns, f"plan {deltas} 0")
    if found["deltas"] != turns * deltas:
        raise RuntimeError(f"{found['deltas']} of {turns * deltas} deltas came")
    return found["deltas"] / found["seconds"]


def _server(bench: Bench, turns: int, deltas: int) -> tuple[float, float]:
    """Deltas a second, and the share of them that came singly."""
    work = turns * deltas
    with bench.server() as server:
        conversations = server.conversations(turns)
        with readers(server, ["/events?after=latest"], ends=turns) as reader:
            began = time.monotonic_ns()
            server.send(conversations, f"plan {deltas} 0")
            found = reader.hear(RUN)
    return work / ((found["last"] - began) / 1e9), found["deltas"] / work
