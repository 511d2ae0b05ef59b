"""What every part is given: the model, the number of rounds, and servers and cores to measure."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.lines import Helper, Words
from benchmarks.sites import Server, Site, fresh

RUN: Final = 120.0  # seconds for any one measurement


@dataclass(frozen=True)
class Bench:
    """One run of the benchmarks. All of it asks the same provider process."""

    provider: Helper
    model: str
    rounds: int
    quick: bool

    def size(self, full: int, quick: int) -> int:
        """How much of something, in the full and in the short form."""
        return quick if self.quick else full

    @contextmanager
    def site(self) -> Generator[Site]:
        """Fresh folders on the model."""
        with fresh(self.model) as site:
            yield site

    @contextmanager
    def server(self) -> Generator[Server]:
        """A server on fresh folders, its core ready."""
        with self.site() as site, Server(site) as server:
            yield server.wait_ready()

    def sent(self) -> int:
        """Deltas that the model has sent so far."""
        return self.provider.ask("sent")["sent"]

    def raw(self, turns: int, message: str, *, timed: bool = False) -> Words:
        """The same work by the bare core: what its least client counted."""
        with self.site() as site:
            job: dict[str, Any] = {
                "root": str(site.root),
                "home": str(site.home),
                "project": str(site.project),
                "environment": site.environment(),
                "turns": turns,
                "message": message,
                "timed": timed,
                "timeout": RUN,
            }
            with Helper("raw", **job) as client:
                return client.hear(RUN)


@contextmanager
def readers(
    server: Server, paths: Sequence[str], *, ends: int = 0, events: int = 0, timed: bool = False
) -> Generator[Helper]:
    """Streams that have begun. `hear` gives their count once all that was named has come."""
    job = {"paths": list(paths), "ends": ends, "events": events, "timed": timed}
    with Helper("readers", url=server.url, **job) as crowd:
        crowd.hear(RUN)
        yield crowd


def streams(conversations: Sequence[str], each: int) -> list[str]:
    """`each` streams of every conversation, only what comes."""
    paths = [f"/conversations/{one}/events?after=latest" for one in conversations]
    return paths * each
