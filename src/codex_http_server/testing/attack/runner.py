"""Runs the attacks: those that harm nobody side by side, the others one by one, then looks around.

Owns the order and the time. What has no verdict when the time is up is broken: a server that does
not answer has not stood.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from codex_http_server.testing.attack.attacks import Attack, Verdict, broken, held, hole, skipped
from codex_http_server.testing.attack.stage import QUICK, Spent, Stage, refuses
from codex_http_server.testing.attack.wire import Unreachable

WITHIN: Final = 60.0  # seconds for a whole run
SIDE_BY_SIDE: Final = 6  # attacks at once
PAGES_MOST: Final = 20  # pages of events that are looked through
AFTERMATH: Final = "aftermath"


class CannotStart(Exception):
    """The attacks would show nothing: the server is not there, or does not take the honest way."""

    def __init__(self, detail: str, *, reached: bool = True) -> None:
        super().__init__(detail)
        self.reached = reached


@dataclass(frozen=True)
class Finding:
    """An attack and what came of it."""

    subject: str
    name: str
    gain: str
    verdict: Verdict
    seconds: float


@dataclass
class Outcome:
    """All findings of a run."""

    stage: Stage
    findings: list[Finding] = field(default_factory=list[Finding])
    seconds: float = 0.0

    def count(self, state: str) -> int:
        """How many ended so."""
        return sum(each.verdict.state == state for each in self.findings)


async def run(stage: Stage, attacks: Sequence[Attack], within: float = WITHIN) -> Outcome:
    """Run those attacks that suit the sender. Raises `CannotStart`."""
    start = time.monotonic()
    outcome = Outcome(stage)
    try:
        honest = await _look_first(stage)
    except Unreachable as error:
        if not (error.denied and stage.who == "nobody"):
            detail = f"No server can be reached at {stage.target.url}: {error}."
            raise CannotStart(f"{detail} Another: --base-url.", reached=False) from None
        outcome.findings.append(Finding("peers", "connection", "All of it.", held(_DENIED), 0))
        return outcome
    before = await _head(stage)
    chosen = [each for each in attacks if stage.who in each.who]
    await _all(outcome, chosen, within)
    outcome.findings += await _look_around(stage, honest, before)
    outcome.seconds = time.monotonic() - start
    return outcome


async def _all(outcome: Outcome, attacks: Sequence[Attack], within: float) -> None:
    """Run them, in time; the findings are in the order of the attacks."""
    try:
        async with asyncio.timeout(within):
            await _together(outcome, [each for each in attacks if not each.alone])
            for each in attacks:
                if each.alone:
                    await _one(outcome, each)
    except TimeoutError:
        pass
    done = {(each.subject, each.name): each for each in outcome.findings}
    late = broken(f"no verdict when the time of the run ({within:g} s) was up")
    outcome.findings[:] = [
        done.get((each.subject, each.name), _finding(each, late, 0)) for each in attacks
    ]


async def _together(outcome: Outcome, attacks: Sequence[Attack]) -> None:
    room = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(each: Attack) -> None:
        async with room:
            await _one(outcome, each)

    async with asyncio.TaskGroup() as group:
        for each in attacks:
            group.create_task(one(each))


async def _one(outcome: Outcome, each: Attack) -> None:
    start = time.monotonic()
    if each.pages and outcome.stage.target.path:
        outcome.findings.append(_finding(each, skipped("no page reaches a Unix socket"), 0))
        return
    try:
        verdict = await each.run(outcome.stage)
    except* Unreachable as group:
        reason = group.exceptions[0]
        verdict = broken(f"the server can't be reached any more: {reason}")
    except* Spent:
        verdict = broken("the attacks had no connections left for it")
    outcome.findings.append(_finding(each, verdict, time.monotonic() - start))


def _finding(each: Attack, verdict: Verdict, seconds: float) -> Finding:
    return Finding(each.subject, each.name, each.gain, verdict, seconds)


# --- before and after -------------------------------------------------------------------------


_DENIED: Final = "this process may not even open a connection"


async def _look_first(stage: Stage) -> int:
    """Whether the server takes this sender for what it says it is; the status of the honest
    request. Raises `Unreachable`, `CannotStart`."""
    answer = await stage.ask(stage.probe())
    stage.public = answer.status == 401  # a token is asked for: others may see what is public
    if stage.who == "caller" and refuses(answer) and stage.tokens:
        stage.token = stage.driver
        answer = await stage.ask(stage.probe())
    broke = answer.status <= 0 or answer.status >= 500
    if stage.who == "caller" and (broke or refuses(answer)):
        raise CannotStart(
            f"The honest request of this sender was answered {answer}: give it a token with the"
            " scopes read and drive (--tokens), or attack --as nobody."
        )
    return answer.status


async def _head(stage: Stage) -> str:
    """The place in the log at which the attacks begin; empty where it can't be read."""
    if stage.who == "nobody":
        return ""
    head = (await stage.ask(stage.get("/events?after=latest&limit=1"))).json.get("head")
    return head if isinstance(head, str) else ""


async def _look_around(stage: Stage, honest: int, before: str) -> list[Finding]:
    """After all attacks: does it serve, and is there anything of them in its data?"""
    checks = [("still answers", "A server that is down.", _answers(stage, honest))]
    if stage.who == "caller":
        checks.append(("left nothing", "Something that was done.", _left_nothing(stage, before)))
    findings: list[Finding] = []
    for name, gain, check in checks:
        start = time.monotonic()
        try:
            verdict = await check
        except (Unreachable, Spent) as error:
            verdict = broken(f"the server can't be reached any more: {error}")
        findings.append(Finding(AFTERMATH, name, gain, verdict, time.monotonic() - start))
    return findings


async def _answers(stage: Stage, honest: int) -> Verdict:
    for request in (stage.get("/health"), stage.probe()):
        answer = await stage.ask(request, QUICK)
        fits = answer.good if request.startswith(b"GET") else answer.status == honest
        if not (fits or (stage.who == "nobody" and refuses(answer))):
            return broken(f"an honest request got {answer}", hole("afterwards", request, answer))
    return held(f"within {QUICK:g} s")


async def _left_nothing(stage: Stage, before: str) -> Verdict:
    """The attacks' own word must not be in a conversation, nor in an event since they began."""
    found = await stage.ask(stage.get("/conversations?limit=200"))
    if stage.marker.encode() in found.body:
        return broken("there is a conversation that an attack has made")
    after = before
    for _ in range(PAGES_MOST):
        page = await stage.ask(stage.get(f"/events?after={after}"))
        if stage.marker.encode() in page.body:
            return broken("there is an event that an attack has made")
        if not cast("list[Any]", page.json.get("data")):
            break
        after = str(page.json.get("next_after"))
    return held()
