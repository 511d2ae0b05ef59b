"""`python -m benchmarks`: run the parts, print a table, write a JSON file."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from benchmarks import machine, report
from benchmarks.bench import Bench
from benchmarks.lines import ROOT, Helper
from benchmarks.parts import (
    chat,
    cpu,
    latency,
    lists,
    memory,
    pages,
    recovery,
    replay,
    stalled,
    start,
    throughput,
)
from benchmarks.report import Measure, Part

RESULTS: Final = ROOT / "benchmarks" / "results"
ROUNDS: Final = 3
PART: Final = 300  # seconds for one part, then it is given up
PARTS: Final[dict[str, Callable[[Bench], list[Measure]]]] = {
    "throughput": throughput.run,
    "latency": latency.run,
    "cpu": cpu.run,
    "memory": memory.run,
    "start": start.run,
    "recovery": recovery.run,
    "replay": replay.run,
    "list": lists.run,
    "pages": pages.run,
    "stalled": stalled.run,
    "chat": chat.run,
}


def arguments(given: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, help="this part; repeatable")
    parser.add_argument("--quick", action="store_true", help="one round, less of everything")
    parser.add_argument("--rounds", type=int, help=f"rounds of each part (default {ROUNDS})")
    parser.add_argument("--no-file", action="store_true", help="write no JSON")
    return parser.parse_args(given)


def measured(name: str, bench: Bench) -> Part:
    """One part. What goes wrong in it is told, and the next one runs."""
    load, began = os.getloadavg(), time.monotonic()
    measures: list[Measure] = []
    error = None
    try:
        with _deadline():
            measures = PARTS[name](bench)
    except Exception as problem:  # noqa: BLE001
        traceback.print_exc()
        error = repr(problem)
    return Part(name, load, time.monotonic() - began, measures, error)


@contextmanager
def _deadline() -> Generator[None]:
    """Give up after `PART` seconds, wherever that is."""

    def over(*_: object) -> None:
        raise TimeoutError(f"not done after {PART} s")

    signal.signal(signal.SIGALRM, over)
    signal.alarm(PART)
    try:
        yield
    finally:
        signal.alarm(0)


def main(given: list[str]) -> int:
    """Run; 1 if a part failed. A target that is not met is no failure."""
    options = arguments(given)
    rounds = options.rounds or (1 if options.quick else ROUNDS)
    form = {"rounds": rounds, "quick": options.quick, "partial": bool(options.only)}
    about = machine.describe(given) | form
    print(f"{about['commit']}{' (changed)' if about['changed'] else ''}, {about['cpus']} CPUs")
    print(report.head(), flush=True)
    parts: list[Part] = []
    with Helper("provider") as provider:
        bench = Bench(provider, provider.hear(10)["url"], rounds, options.quick)
        for name in options.only or PARTS:
            parts.append(measured(name, bench))
            print(report.table(parts[-1]), flush=True)
    if not options.no_file:
        report.write(RESULTS, about, parts)
    return 1 if any(part.error for part in parts) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
