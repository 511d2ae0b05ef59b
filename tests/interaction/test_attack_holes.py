"""Each attack can find a hole: on a server that does all that is wrong it says so.

And each is content with one that refuses all. An attack that can't fail would show nothing.
"""

from __future__ import annotations

import pytest

from codex_http_server.testing.attack.attacks import Attack
from codex_http_server.testing.attack.peers import other_user
from codex_http_server.testing.attack.runner import CannotStart, run
from codex_http_server.testing.attack.stage import Held, Limits, Stage
from codex_http_server.testing.attack.suite import ATTACKS
from codex_http_server.testing.attack.target import target
from tests.support.openserver import open_server, shut_server

READER = Held(frozenset({"read"}), "cht_reader")
DRIVER = Held(frozenset({"read", "drive"}), "cht_driver")
QUICK = Limits(head=1.0, body=1.0, flood=150)
# It asks whether a right opens what it is for: what refuses all is its broken server.
OPENS = "every route with its scope"


def name(attack: Attack) -> str:
    return f"{attack.subject}: {attack.name}"


def stage(url: str, attack: Attack) -> Stage:
    """A stage on which every attack has all that it needs."""
    who = "caller" if "caller" in attack.who else "nobody"
    return Stage(target(url), who, (READER, DRIVER), DRIVER.secret, limits=QUICK)


def skip_as(attack: Attack) -> None:
    if attack.name == "another user" and other_user() is None:
        pytest.skip("only root can be another user")


@pytest.mark.parametrize("attack", ATTACKS, ids=name)
async def test_an_attack_finds_the_hole_of_an_open_server(attack: Attack) -> None:
    skip_as(attack)
    server = shut_server if attack.name == OPENS else open_server
    async with server() as url:
        verdict = await attack.run(stage(url, attack))
    assert verdict.state == "broken", verdict
    assert verdict.why


@pytest.mark.parametrize("attack", ATTACKS, ids=name)
async def test_an_attack_is_content_with_a_server_that_refuses_all(attack: Attack) -> None:
    skip_as(attack)
    server = open_server if attack.name == OPENS else shut_server
    async with server() as url:
        there = stage(url, attack)
        there.who = "nobody" if attack.name != OPENS else "caller"
        verdict = await attack.run(there)
    if verdict.state != "skipped":
        assert verdict.state == "held", verdict
    else:
        assert "ticket" in verdict.why, "only what needs an answer is not tried here"


async def test_what_an_attack_has_left_is_found_afterwards() -> None:
    async with open_server() as url:
        outcome = await run(Stage(target(url), tokens=(DRIVER,)), ())
    verdicts = {each.name: each.verdict for each in outcome.findings}
    assert verdicts["still answers"].state == "held"
    assert verdicts["left nothing"].state == "broken"


async def test_nobody_who_is_let_in_is_a_hole_by_itself() -> None:
    attacks = [each for each in ATTACKS if each.subject == "scopes"]
    async with open_server() as url:
        outcome = await run(Stage(target(url), "nobody"), attacks)
    found = {each.name: each.verdict.state for each in outcome.findings}
    assert found["every route of nobody"] == "broken"


async def test_a_caller_who_is_refused_proves_nothing() -> None:
    async with shut_server() as url:
        with pytest.raises(CannotStart, match="answered 403 scope_required: give it a token"):
            await run(Stage(target(url)), ATTACKS)
