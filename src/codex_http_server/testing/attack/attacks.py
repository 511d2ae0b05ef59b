"""What an attack is, and what comes of one. Values only."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from codex_http_server.testing.attack.answers import Answer

if TYPE_CHECKING:
    from codex_http_server.testing.attack.stage import Stage

SECRET: Final = re.compile(r"(?i:(?<=authorization: ))(?:(?!\\[rn]).)+|\bch[tscp]_[\w-]+")
SHOWN: Final = 400  # characters of a request in a report
HOLES_MOST: Final = 8  # of one attack in a report

State = Literal["held", "broken", "skipped"]
Who = Literal["caller", "nobody"]
Run = Callable[["Stage"], Awaitable["Verdict"]]


@dataclass(frozen=True)
class Hole:
    """A request that should have been refused, and what the server said."""

    case: str
    request: str
    answer: str


@dataclass(frozen=True)
class Verdict:
    """What came of an attack. `why` is one sentence or less."""

    state: State
    why: str = ""
    holes: tuple[Hole, ...] = ()


def held(why: str = "") -> Verdict:
    """The server stood."""
    return Verdict("held", why)


def broken(why: str, *holes: Hole) -> Verdict:
    """The attack got what it wanted."""
    return Verdict("broken", why, holes[:HOLES_MOST])


def skipped(why: str) -> Verdict:
    """Nothing was tried, because …"""
    return Verdict("skipped", why)


def hole(case: str, request: bytes | str, answer: Answer | str) -> Hole:
    """A hole as a report shows it: without what stood in Authorization, and cut."""
    text = request if isinstance(request, str) else repr(request)[2:-1]
    text = SECRET.sub("[secret]", text)
    short = text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(request):,} bytes)"
    return Hole(case, short, str(answer))


def judged(holes: list[Hole], tried: int) -> Verdict:
    """Broken if one of the `tried` requests found a hole."""
    if not holes:
        return held()
    names = ", ".join(each.case for each in holes[:3]) + (", …" if len(holes) > 3 else "")
    return broken(f"{len(holes)} of {tried} got through: {names}", *holes)


def worst(*verdicts: Verdict) -> Verdict:
    """One verdict on several parts: broken if one is, held if one is, else skipped."""
    for state in ("broken", "held"):
        found = [each for each in verdicts if each.state == state]
        if found:
            why = "; ".join(dict.fromkeys(each.why for each in found if each.why))
            holes = dict.fromkeys(hole for each in found for hole in each.holes)
            return Verdict(state, why, tuple(holes)[:HOLES_MOST])
    return verdicts[0]


@dataclass(frozen=True)
class Attack:
    """One attack. `gain`: what an attacker would have of it. `alone`: it takes so much of the
    server that others would be judged wrongly beside it. `who`: the senders that it suits."""

    subject: str
    name: str
    gain: str
    run: Run
    alone: bool
    who: frozenset[Who]
    pages: bool = False


BOTH: Final[tuple[Who, ...]] = ("caller", "nobody")


def attack(
    gain: str, *, alone: bool = False, who: tuple[Who, ...] = BOTH, pages: bool = False
) -> Callable[[Run], Attack]:
    """Make an attack of a function: its name and its file are the attack's name and subject."""

    def make(run: Run) -> Attack:
        subject = run.__module__.rpartition(".")[2]
        name = run.__name__.replace("_", " ")
        return Attack(subject, name, gain, run, alone, frozenset(who), pages)

    return make
