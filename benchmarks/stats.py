"""Numbers out of samples. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

WARM_UP: Final = 1_000_000_000  # nanoseconds after the first delta that do not count
SENT: Final = re.compile(rb'"delta":"t(\d+)')  # the provider's clock in a delta's text

Delays = dict[str, float]


def percentile(samples: Sequence[float], share: float) -> float:
    """The sample below which `share` of all lie."""
    return sorted(samples)[min(len(samples) - 1, int(len(samples) * share))]


def delays(heard: Iterable[tuple[int, bytes]]) -> Delays:
    """How long deltas were on their way, in ms, from (time of arrival, bytes); warm-up left out."""
    pairs = [(int(sent), at) for at, data in heard for sent in SENT.findall(data)]
    start = min((sent for sent, _ in pairs), default=0) + WARM_UP
    found = [(at - sent) / 1e6 for sent, at in pairs if sent >= start]
    if not found:
        raise ValueError("no delta came after the warm-up")
    return {"p50": percentile(found, 0.5), "p99": percentile(found, 0.99), "count": len(found)}
