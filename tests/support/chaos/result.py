"""What a run of the chaos test found: a table, and a file for the long form."""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import describe
from tests.support.chaos.rounds import Rounds
from tests.support.chaos.watchers import Watcher
from tests.support.chaos.world import KILLS, Blow, World


def recoveries(blows: list[Blow], reader: Watcher) -> dict[str, list[float]]:
    """Seconds from a kill to the first event of the next server, or to the next ready core.

    Without the time that a killed server was left dead, and only where nothing else was done
    in between.
    """
    found: dict[str, list[float]] = {kind: [] for kind in KILLS}
    heard = list(zip(reader.times, reader.events, strict=True))
    ends = [*(blow.at for blow in blows[1:]), time.monotonic()]  # what is done next
    for blow, end in zip(blows, ends, strict=True):
        if blow.kind in found:
            fits = [
                at for at, event in heard
                if blow.at + blow.idle < at < end and _counts(event, blow.kind)
            ]  # fmt: skip
            found[blow.kind] += [fits[0] - blow.at - blow.idle] if fits else []
    return found


def _counts(event: dict[str, Any], kind: str) -> bool:
    ready = event["type"] == "core/state" and event["status"] == "ready"
    return ready or kind == "kill server"


def body(world: World, rounds: Rounds, seconds: float, times: dict[str, list[float]]) -> Any:
    """The result."""
    about = describe(["soak"]) | {"command": ["make", "soak"]}
    return about | {
        "seed": world.seed,
        "failures": 0,
        "seconds": round(seconds),
        "rounds": rounds.number,
        "kills": world.kills,
        "disturbances": dict(sorted(world.counts.items())),
        "messages refused for a while": {str(k): v for k, v in world.office.refused.items()},
        "fates of messages": dict(rounds.fates),
        "answers of the model": dict(world.model.kinds),
        **rounds.totals,
        "server rss max, MB": round(world.rss / 1e6),
        "seconds from kill to": {
            ("first event" if kind == "kill server" else "ready core") + f" ({kind})": {
                "count": len(each), "p50": round(median(each), 3), "max": round(max(each), 3),
            }
            for kind, each in times.items() if each
        },
    }  # fmt: skip


def table(found: Any) -> str:
    """The result in lines."""
    lines: list[str] = []
    for name, value in found.items():
        shown = json.dumps(value) if isinstance(value, dict) else value
        lines.append(f"{name:32} {shown}")
    return "\n".join(lines)


def write(folder: Path, found: Any) -> Path:
    """Write the file; its path."""
    path = folder / f"soak-{found['date'][:10]}-{found['commit']}.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    return path
