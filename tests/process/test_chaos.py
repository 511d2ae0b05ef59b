"""Chaos: many conversations while server, core and keeper are killed and frozen, readers stall,
the model fails and the disk is full; after each round everything is as it should be.

The seed is printed; CHAOS_SEED=<n> plays the same choices again. CHAOS_ROUNDS makes it longer,
CHAOS_KILLS goes on until so many kills (`make soak`), CHAOS_RESULTS names a folder for the result.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.support.chaos import result
from tests.support.chaos.rounds import Rounds
from tests.support.chaos.stage import world_at
from tests.support.chaos.world import World

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "2"))
KILLS = int(os.environ.get("CHAOS_KILLS", "0"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.randrange(1, 10**6)
RESULTS = os.environ.get("CHAOS_RESULTS", "")
MOST = 25 * 60  # seconds of the long form


def play(world: World, rounds: Rounds) -> dict[str, list[float]]:
    """All rounds; the recovery times, which are read before the readers forget."""
    times: dict[str, list[float]] = {}
    began, seen = time.monotonic(), 0
    while _more(world, rounds, time.monotonic() - began):
        rounds.play()
        found = result.recoveries(world.blows[seen:], rounds.talks.everything)
        times = {kind: times.get(kind, []) + each for kind, each in found.items()}
        seen = len(world.blows)
        print(f"round {rounds.number}: {world.kills} kills", flush=True)
    return times


def _more(world: World, rounds: Rounds, seconds: float) -> bool:
    if KILLS:
        return world.kills < KILLS and seconds < MOST
    return rounds.number < ROUNDS


@pytest.mark.timeout(MOST + 300 if KILLS or ROUNDS > 5 else 400)
def test_whatever_dies_every_turn_ends_once_and_every_reader_is_right(tmp_path: Path) -> None:
    print(f"CHAOS_SEED={SEED}", flush=True)
    began = time.monotonic()
    with world_at(tmp_path, SEED) as world:
        rounds = Rounds(world)
        try:
            times = play(world, rounds)
        finally:
            world.address.url = None
            rounds.end()
        found = result.body(world, rounds, time.monotonic() - began, times)
        print(result.table(found))
        assert world.kills >= KILLS, f"only {world.kills} kills in {MOST} s"
        if RESULTS:
            print(result.write(Path(RESULTS), found))
