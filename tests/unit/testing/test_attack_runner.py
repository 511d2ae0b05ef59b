"""A run ends in time, whatever the server does, and what has no verdict did not hold."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from codex_http_server.testing.attack.attacks import Attack, Verdict, attack, held
from codex_http_server.testing.attack.runner import CannotStart, run
from codex_http_server.testing.attack.stage import LINES_MOST, Spent, Stage
from codex_http_server.testing.attack.target import target
from codex_http_server.testing.attack.wire import Unreachable
from tests.support.openserver import open_server, shut_server

GAIN = "Nothing."


@attack(GAIN)
async def never_ends(stage: Stage) -> Verdict:
    await asyncio.Event().wait()
    return held()


@attack(GAIN)
async def ends(stage: Stage) -> Verdict:
    return held()


@attack(GAIN, who=("caller",))
async def for_callers(stage: Stage) -> Verdict:
    return held()


@attack(GAIN, alone=True)
async def alone(stage: Stage) -> Verdict:
    return held()


@attack(GAIN)
async def loses_the_server(stage: Stage) -> Verdict:
    raise Unreachable(ConnectionRefusedError(111, "Connection refused"))


@attack(GAIN)
async def spends_all(stage: Stage) -> Verdict:
    raise Spent


async def verdicts(*attacks: Attack, within: float = 20) -> dict[str, Verdict]:
    """What comes of these on a server that refuses all."""
    async with shut_server() as url:
        outcome = await run(Stage(target(url), "nobody"), attacks, within)
    return {each.name: each.verdict for each in outcome.findings}


async def test_what_has_no_verdict_in_time_is_broken() -> None:
    start = time.monotonic()
    found = await verdicts(never_ends, ends, alone, within=1)
    assert time.monotonic() - start < 6
    assert found["ends"] == held()
    for name in ("never ends", "alone"):
        assert found[name].state == "broken"
        assert "time of the run (1 s) was up" in found[name].why
    assert found["still answers"].state == "held"


async def test_findings_are_in_the_order_of_the_suite() -> None:
    found = await verdicts(alone, ends)
    assert list(found) == ["alone", "ends", "still answers"]


async def test_nobody_is_not_sent_on_what_suits_callers() -> None:
    assert "for callers" not in await verdicts(for_callers)


async def test_a_server_that_is_gone_and_connections_that_are_spent_are_broken() -> None:
    found = await verdicts(loses_the_server, spends_all)
    assert (
        found["loses the server"].why == "the server can't be reached any more: Connection refused"
    )
    assert found["spends all"].state == "broken"


async def test_a_run_has_a_bounded_number_of_connections() -> None:
    async with open_server() as url:
        stage = Stage(target(url), lines=LINES_MOST - 1)
        async with await stage.line():
            with pytest.raises(Spent):
                await stage.line()


async def test_a_server_that_is_not_there_is_told_from_one_that_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(CannotStart) as failure:
        await run(Stage(target(f"http://127.0.0.1:{port}")), ())
    assert not failure.value.reached
    assert f":{port}: Connection refused. Another: --base-url." in str(failure.value)
