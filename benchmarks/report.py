"""What was measured: as values, as a table, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

WIDTHS: Final = (40, 12, 8, 12, 5)


@dataclass(frozen=True)
class Target:
    """What a value should be: at most or at least `limit`."""

    limit: float
    least: bool = False

    def met(self, value: float) -> bool:
        """Whether the value is within it."""
        return value >= self.limit if self.least else value <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.least else '≤'} {number(self.limit)}"


def at_most(limit: float) -> Target:
    """A value that should be small."""
    return Target(limit)


def at_least(limit: float) -> Target:
    """A value that should be large."""
    return Target(limit, least=True)


@dataclass(frozen=True)
class Measure:
    """One row: what the rounds gave, and their median."""

    name: str
    rounds: Sequence[float]
    unit: str
    target: Target | None = None

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return median(self.rounds)

    @property
    def verdict(self) -> str:
        """Whether it is as it should be, as a word for the table."""
        if self.target is None:
            return ""
        return "yes" if self.target.met(self.value) else "NO"

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        found: dict[str, Any] = {"name": self.name, "value": self.value, "unit": self.unit}
        if self.target is not None:
            found |= {"target": str(self.target), "met": self.target.met(self.value)}
        return found | {"rounds": list(self.rounds)}


@dataclass(frozen=True)
class Part:
    """The outcome of one part."""

    name: str
    load: tuple[float, float, float]
    seconds: float
    measures: list[Measure] = field(default_factory=list[Measure])
    error: str | None = None

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "load_before": self.load,
            "seconds": round(self.seconds, 1),
            "error": self.error,
            "measures": [each.plain() for each in self.measures],
        }


def number(value: float) -> str:
    """Three digits that matter, thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _line(cells: Iterable[str]) -> str:
    name, *rest = (cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True))
    return " ".join([name, *(cell.strip().rjust(len(cell)) for cell in rest)]).rstrip()


def head() -> str:
    """The first line of the table."""
    return _line(("measure", "median", "unit", "target", "met"))


def table(part: Part) -> str:
    """The lines of one part."""
    load = " ".join(f"{each:.2f}" for each in part.load)
    lines = [f"— {part.name} ({part.seconds:.0f} s; load before {load})"]
    for each in part.measures:
        target = "" if each.target is None else str(each.target)
        lines.append(_line((each.name, number(each.value), each.unit, target, each.verdict)))
    return "\n".join(lines + ([f"FAILED: {part.error}"] if part.error else []))


def write(folder: Path, machine: dict[str, Any], parts: Sequence[Part]) -> None:
    """Write the JSON."""
    folder.mkdir(exist_ok=True)
    parted = [part.name for part in parts] if machine["partial"] else []
    form = parted + (["quick"] if machine["quick"] else [])
    path = folder / ("-".join([machine["date"][:10], machine["commit"], *form]) + ".json")
    body = machine | {"parts": [part.plain() for part in parts]}
    path.write_text(json.dumps(body, indent=1) + "\n")
