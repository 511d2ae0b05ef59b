"""Which core is used: every setting against everything that may be there."""

from __future__ import annotations

from itertools import product

import pytest

from codex_http_server.engine.choice import Choice, Mode, Presence, choose
from codex_http_server.engine.meeting import unspoken

UNFIT: tuple[Presence, ...] = ("none", "mute", "strange", "foreign")
ALL: tuple[Presence, ...] = ("healthy", *UNFIT)
MODES: tuple[Mode, ...] = ("auto", "own", "join")


@pytest.mark.parametrize("mode", ["auto", "join"])
@pytest.mark.parametrize("known", [True, False])
def test_a_healthy_daemon_is_joined(mode: Mode, known: bool) -> None:
    assert choose(mode, left=False, daemon="healthy", known=known) == "join"


@pytest.mark.parametrize(("daemon", "known"), list(product(ALL, [True, False])))
def test_own_never_joins_and_never_waits(daemon: Presence, known: bool) -> None:
    assert choose("own", left=False, daemon=daemon, known=known) == "own"
    assert choose("own", left=True, daemon=daemon, known=known) == "adopt"


@pytest.mark.parametrize("daemon", UNFIT)
def test_join_starts_none(daemon: Presence) -> None:
    assert choose("join", left=False, daemon=daemon, known=False) == "refuse"


@pytest.mark.parametrize("daemon", UNFIT)
def test_auto_starts_one_where_none_can_be_joined(daemon: Presence) -> None:
    assert choose("auto", left=False, daemon=daemon, known=False) == "own"


def test_auto_starts_none_beside_the_daemon_that_our_turns_may_be_in() -> None:
    assert choose("auto", left=False, daemon="mute", known=True) == "refuse"


@pytest.mark.parametrize(
    ("mode", "daemon", "wanted"),
    [
        ("auto", "none", "adopt"),
        ("auto", "mute", "adopt"),
        ("auto", "healthy", "adopt_until_quiet"),
        ("join", "none", "adopt_until_quiet"),
        ("join", "healthy", "adopt_until_quiet"),
    ],
)
def test_a_core_of_ours_that_was_left_comes_first(
    mode: Mode, daemon: Presence, wanted: Choice
) -> None:
    assert choose(mode, left=True, daemon=daemon, known=False) == wanted


@pytest.mark.parametrize(("mode", "daemon", "known"), list(product(MODES, ALL, [True, False])))
def test_none_is_started_while_one_of_ours_is_left(
    mode: Mode, daemon: Presence, known: bool
) -> None:
    assert choose(mode, left=True, daemon=daemon, known=known) in ("adopt", "adopt_until_quiet")


@pytest.mark.parametrize("version", ["0.163.0", "0.163.7", "0.163.0-alpha.1"])
def test_versions_of_the_tested_series_are_spoken(version: str) -> None:
    assert unspoken(version, "0.163.0") is None


@pytest.mark.parametrize(
    "version", ["0.162.9", "0.16.0", "1.163.0", "0.1630.0", "of an unknown one"]
)
def test_other_versions_are_refused_in_words(version: str) -> None:
    said = unspoken(version, "0.163.0")
    assert said is not None
    assert version in said
    assert "0.163" in said
