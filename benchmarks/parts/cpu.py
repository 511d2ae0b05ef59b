"""What a delta costs the server process: CPU time of all its threads, none of its children."""

from __future__ import annotations

import time
from typing import Final

from benchmarks.bench import RUN, Bench, readers, streams
from benchmarks.report import Measure, at_most

BURST: Final = (20_000, 5_000)  # deltas, full and quick
CROWD: Final = 10  # readers in the burst that is compared to the one with a single reader
TURNS, RATE = 20, 50
SECONDS: Final = (8, 3)  # of the paced run that are measured
SETTLE: Final = 1.0  # seconds before that, for the turns to start


def run(bench: Bench) -> list[Measure]:
    """The bare client, bursts with one and with many readers, and a steady stream."""
    deltas = bench.size(*BURST)
    bare: list[float] = []
    burst: list[float] = []
    further: list[float] = []
    singly: list[float] = []
    paced: list[float] = []
    for _ in range(bench.rounds):
        bare.append(bench.raw(1, f"plan {deltas} 0")["cpu_us"])
        one, came = _burst(bench, deltas, 1)
        many, all_came = _burst(bench, deltas, CROWD)
        burst.append(one / deltas)
        further.append((many - one) / (all_came - came))
        singly.append(came / deltas)
        paced.append(_paced(bench))
    return [
        Measure("least client of the core, burst", bare, "µs"),
        Measure("burst, one reader", burst, "µs", at_most(20)),
        Measure("burst, each further reader", further, "µs", at_most(3)),
        Measure("burst, came singly", singly, ""),
        Measure("paced, one reader each", paced, "µs", at_most(110)),
    ]


def _burst(bench: Bench, deltas: int, crowd: int) -> tuple[float, int]:
    """CPU in µs for the whole burst, and the deltas that all readers got of it, one by one."""
    with bench.server() as server:
        conversations = server.conversations(1)
        with readers(server, streams(conversations, crowd), ends=crowd) as reader:
            before = server.cpu()
            server.send(conversations, f"plan {deltas} 0")
            came = reader.hear(RUN)["deltas"]
            return (server.cpu() - before) * 1e6, came


def _paced(bench: Bench) -> float:
    seconds = bench.size(*SECONDS)
    message = f"plan {int(seconds + 3 * SETTLE) * RATE} {RATE}"
    with bench.server() as server:
        conversations = server.conversations(TURNS)
        with readers(server, streams(conversations, 1), ends=TURNS) as reader:
            server.send(conversations, message)
            time.sleep(SETTLE)
            before, sent = server.cpu(), bench.sent()
            time.sleep(seconds)
            after, reached = server.cpu(), bench.sent()
            reader.hear(RUN)
    return (after - before) / (reached - sent) * 1e6
