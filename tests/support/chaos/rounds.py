"""Rounds: disturb for a while, let all come to rest, judge, stop, and look at what is left."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial
from typing import Any, Final

from codex_http_server.testing.reader import Event, short
from tests.support.chaos import acts, verdict
from tests.support.chaos.stage import check_nothing_left
from tests.support.chaos.talks import Talk, Talks
from tests.support.chaos.wire import call, pause
from tests.support.chaos.world import World
from tests.support.commands import until

TALKS: Final = 6  # conversations at a time
FRESH: Final = 2  # of them new in each round
QUIET: Final = 90.0  # seconds for all turns to end; a core that failed often rests for 20
CAUGHT_UP: Final = 20.0  # seconds for readers to have all


class Rounds:
    """The course of the test."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.talks = Talks(world)
        self.number = 0
        self.totals: Counter[str] = Counter()
        self.fates: Counter[str] = Counter()
        self._judged = 0  # letters
        self._position = ""

    def play(self) -> None:
        """One round. Raises an `AssertionError` that tells all, at the first violation."""
        self.number += 1
        self.world.story = [f"round {self.number}"]
        try:
            self._disturb()
            self._settle()
            self._judge()
            self.world.stop()
            check_nothing_left(self.world)
        except Exception as error:
            print(self.world.report(error), flush=True)
            raise AssertionError(f"CHAOS_SEED={self.world.seed}, round {self.number}") from error

    def end(self) -> None:
        """End the clients."""
        self.talks.end()

    # --- one round ----------------------------------------------------------------------------

    def _disturb(self) -> None:
        dice = random.Random(f"{self.world.seed}/round {self.number}")
        self.world.start()
        self.talks.renew(TALKS, FRESH if self.number > 1 else TALKS)
        self.talks.forget()
        for number in range(dice.randrange(20, 36)):
            act = acts.choose(dice)
            pause(dice.choice([0.0, 0.05, 0.1, 0.3, 0.6]))
            self.world.tell(act.__name__)
            act(self.world, self.talks, random.Random(f"{dice.random()}/{number}"))

    def _settle(self) -> None:
        """Wait until every message has its answer, nothing runs and every reader is here."""
        self.world.tell("settle")
        self.world.disk.free()
        self.world.office.wait()
        self.world.measure()
        for talk in self.talks.all:
            self._wait_quiet(talk)

    def _wait_quiet(self, talk: Talk) -> None:
        try:
            until(lambda: self._looks_quiet(talk), "the conversation is quiet", QUIET)
        except AssertionError as error:
            state = self.talks.snapshot(talk)
            raise AssertionError(f"{error}: {state}") from error

    def _looks_quiet(self, talk: Talk) -> bool:
        if self.talks.is_quiet(talk):
            return True
        pause(0.1)
        return False

    def _judge(self) -> None:
        self.world.tell("judge")
        server = self.world.server
        assert server is not None
        everything = self.talks.everything
        fresh = self._everything(server.url)
        _reach(everything, lambda: place(everything) >= place_of(fresh), "everything")
        verdict.check_everything(everything, fresh)
        assert not self.world.model.faults, self.world.model.faults
        folder = self.world.site.home / "sessions"
        kept = "".join(path.read_text() for path in folder.rglob("*.jsonl"))
        letters = self.world.office.letters[self._judged :]
        for talk in self.talks.all:
            log = server.events(talk.id)
            for _, reader in talk.readers:
                _reach(reader, partial(reader.has, log[-1]["seq"]), reader.path)
            self._one(talk, log, [x for x in letters if x.conversation == talk.id], kept)
        self._judged = len(self.world.office.letters)
        self._count(fresh)

    def _one(self, talk: Talk, log: list[Event], letters: list[Any], kept: str) -> None:
        try:
            verdict.judge(talk, log, self.talks.everything, self.world.model, kept)
            address = self.world.address.url or ""
            self.fates += verdict.check_letters(address, letters, log)
        except AssertionError as error:
            around = "\n".join(short(event) for event in log[-150:])
            raise AssertionError(f"{talk.id}: {error}\n--- its log:\n{around}") from error
        self.totals["readers checked"] += len(talk.readers) + 1

    def _everything(self, url: str) -> list[Event]:
        """All events since the last verdict, by pages."""
        found: list[Event] = []
        while True:
            after = f"&after={self._position}" if self._position else ""
            status, page = call(url, "GET", f"/events?limit=2000{after}")
            assert status == 200, page
            found += page["data"]
            self._position = page["next_after"]
            if not page["data"] or page["next_after"] == page["head"]:
                return found

    def _count(self, fresh: list[Event]) -> None:
        self.totals["events in the log"] += len(fresh)
        for event in fresh:
            self.totals["turns"] += event["type"] == "turn/completed"
            self.totals["items"] += event["type"] in ("item/completed", "item/discarded")
            self.totals["gaps"] += event["type"] == "item/gap"
            self.totals["told from history"] += event.get("synthetic") == "history"


def place(reader: Any) -> int:
    """How far the stream of everything has come."""
    return place_of([event for event in reader.events[-20:] if "position" in event])


def place_of(events: list[Event]) -> int:
    """The position of the last event."""
    return verdict.place(events[-1]) if events else 0


def _reach(reader: Any, test: Any, what: str) -> None:
    until(test, f"{what}: the reader has all (last {reader.last}, {reader.faults})", CAUGHT_UP)
