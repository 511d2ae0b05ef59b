"""Limits: what is over, until when, for whom; and what a new day changes."""

from __future__ import annotations

import pytest

from codex_http_server.clock import rfc3339
from codex_http_server.conversations.ledger import Ledger
from codex_http_server.conversations.quota import DAY, Over, day_of, passed, quotas, reached
from codex_http_server.errors import QuotaExceeded, SettingsError
from codex_http_server.events import Draft
from codex_http_server.records import Spent, Tokens
from codex_http_server.settings import resolve
from codex_http_server.usage import Meter
from tests.support.drafts import said, turn_completed, turn_started

NOON = day_of(1_700_000_000_000) + DAY // 2
MINUTE = 60_000


class Clock:
    def __init__(self, now: int = NOON) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def words(*given: str) -> tuple[str, ...]:
    flags = {"quota": list(given)} if given else {}
    return resolve(flags, {}, read_file=False).quota


# --- the setting ----------------------------------------------------------------------------


def test_quotas_are_read_as_they_are_written() -> None:
    found = quotas(words("day.tokens=5000000", "conversation.turns=200,token.minutes=1.5"))
    assert [(q.name, q.limit) for q in found] == [
        ("day.tokens", 5_000_000),
        ("conversation.turns", 200),
        ("token.minutes", 1.5),
    ]
    assert words("Day.Tokens = 5_000") == ("day.tokens=5000",)
    assert words() == ()


@pytest.mark.parametrize(
    "word",
    ["day", "day.tokens", "day.tokens=", "day.tokens=0", "day.turns=1.5", "week.turns=1",
     "day.money=1", "day.tokens=-1", "day.tokens=1e9", "day.turns=1,day.turns=2"],
)  # fmt: skip
def test_what_is_no_quota_stops_the_start(word: str) -> None:
    with pytest.raises(SettingsError, match="--quota"):
        words(word)


# --- arithmetic -----------------------------------------------------------------------------


def spent(turns: int = 0, minutes: float = 0, tokens: int = 0) -> Spent:
    return Spent(turns, int(minutes * MINUTE), Tokens(total=tokens))


@pytest.mark.parametrize(
    ("word", "below", "at", "above"),
    [
        ("day.turns=2", spent(1), spent(2), spent(3)),
        ("day.minutes=0.5", spent(minutes=0.4), spent(minutes=0.5), spent(minutes=0.6)),
        ("day.tokens=100", spent(tokens=99), spent(tokens=100), spent(tokens=101)),
    ],
)
def test_at_the_limit_nothing_new_begins_and_past_it_what_runs_ends(
    word: str, below: Spent, at: Spent, above: Spent
) -> None:
    limits = quotas([word])
    assert reached(limits, lambda _: below) is None
    assert reached(limits, lambda _: at) is not None
    assert passed(limits, lambda _: at) is None
    ends = passed(limits, lambda _: above)
    assert (ends is None) is word.startswith("day.turns")  # turns never end a turn


def test_the_first_of_several_is_named() -> None:
    limits = quotas(["day.turns=9", "token.turns=1", "conversation.turns=1"])
    over = reached(limits, lambda _: spent(1))
    assert over is not None
    assert over.quota.name == "token.turns"


def test_what_begins_anew_says_when() -> None:
    (quota,) = quotas(["day.tokens=100"])
    error = Over(quota, 120).error(NOON)
    assert error.retry_after == DAY // 2 // 1000
    assert error.extra == {
        "quota": "day.tokens",
        "limit": 100,
        "used": 120,
        "resets_at": rfc3339(day_of(NOON) + DAY),
    }
    assert Over(quota, 120).error(day_of(NOON) + DAY - 1).retry_after == 1
    (quota,) = quotas(["conversation.minutes=1.5"])
    error = Over(quota, 1.503333).error(NOON)
    assert (error.retry_after, error.extra["resets_at"], error.extra["used"]) == (None, None, 1.5)


# --- the ledger -----------------------------------------------------------------------------


def ledger(*given: str, now: int = NOON) -> tuple[Ledger, Clock]:
    clock = Clock(now)
    return Ledger(quotas(given), clock), clock


def report(total: int, turn: str) -> Draft:
    counts = {"totalTokens": total}
    return said("thread/tokenUsage/updated", {"turnId": turn, "tokenUsage": {"total": counts}})


def run(
    of: Ledger, meter: Meter, turn: str, at_ms: int, total: int = 0, *, who: str = "local"
) -> None:
    """A turn that takes one minute."""
    meter.began(turn, who)
    of.note(meter, [turn_started(turn, at_ms - MINUTE)])
    of.note(meter, [report(total, turn)])
    of.note(meter, [turn_completed(turn, at_ms=at_ms)])


def refusal(of: Ledger, meter: Meter, caller: str = "local") -> str | None:
    try:
        of.check(meter, caller)
    except QuotaExceeded as error:
        return str(error.extra["quota"])
    return None


def test_a_conversation_counts_over_its_life() -> None:
    of, clock = ledger("conversation.turns=2")
    one, two = Meter("one"), Meter("two")
    run(of, one, "a", clock.now)
    clock.now += 3 * DAY
    assert refusal(of, one) is None
    run(of, one, "b", clock.now)
    assert refusal(of, one) == "conversation.turns"
    clock.now += DAY
    assert refusal(of, one) == "conversation.turns"
    assert refusal(of, two) is None


def test_each_caller_has_a_day_of_its_own() -> None:
    of, clock = ledger("token.tokens=100")
    meter = Meter("c")
    run(of, meter, "a", clock.now, 100, who="token:one")
    assert refusal(of, meter, "token:one") == "token.tokens"
    assert refusal(of, meter, "token:two") is None
    clock.now += DAY
    assert refusal(of, meter, "token:one") is None


def test_a_day_ends_at_midnight_utc() -> None:
    midnight = day_of(NOON) + DAY
    of, clock = ledger("day.minutes=1", now=midnight - MINUTE)
    meter = Meter("c")
    run(of, meter, "a", clock.now)
    assert refusal(of, meter) == "day.minutes"
    clock.now = midnight - 1
    assert refusal(of, meter) == "day.minutes"
    clock.now = midnight
    assert refusal(of, meter) is None
    assert of.total().turns == 1


def test_a_turn_counts_on_the_day_on_which_it_ends() -> None:
    midnight = day_of(NOON) + DAY
    of, clock = ledger("day.turns=1", now=midnight - 1)
    meter = Meter("c")
    meter.began("a", "local")
    of.note(meter, [turn_started("a", clock.now)])
    assert refusal(of, meter) == "day.turns"
    clock.now = midnight + 1
    assert refusal(of, meter) == "day.turns"  # it runs today
    of.note(meter, [turn_completed("a", at_ms=clock.now)])
    assert refusal(of, meter) == "day.turns"
    assert of.today()["local"].turns == 1


def test_a_turn_of_yesterday_that_is_told_today_is_yesterdays() -> None:
    of, clock = ledger("day.turns=1")
    run(of, Meter("c"), "a", clock.now)
    clock.now += DAY
    run(of, Meter("d"), "b", clock.now - DAY)
    assert of.today() == {}
    assert of.total().turns == 2


def test_a_clock_that_is_set_back_gives_nothing_back() -> None:
    of, clock = ledger("day.turns=1")
    meter = Meter("c")
    run(of, meter, "a", clock.now)
    clock.now -= DAY
    assert refusal(of, meter) == "day.turns"
    clock.now += DAY
    assert refusal(of, meter) == "day.turns"


def test_a_message_that_is_about_to_have_a_turn_counts() -> None:
    of, _ = ledger("day.turns=1")
    meter, other = Meter("c"), Meter("d")
    meter.starting = "local"
    of.touch(meter)
    assert refusal(of, other) == "day.turns"
    meter.starting = None
    of.touch(meter)
    assert refusal(of, other) is None


def test_steering_needs_no_turn_but_tokens() -> None:
    of, clock = ledger("day.turns=1", "day.tokens=100")
    meter = Meter("c")
    run(of, meter, "a", clock.now, 50)
    of.check(meter, "local", new_turn=False)
    run(of, meter, "b", clock.now, 100)
    with pytest.raises(QuotaExceeded, match=r"day\.tokens"):
        of.check(meter, "local", new_turn=False)


def test_running_turns_that_pass_a_limit_are_found() -> None:
    of, clock = ledger("day.minutes=1", "token.tokens=100")
    found: list[tuple[str, str]] = []
    of.on_passed = lambda meter, turn, over: found.append((turn, over.quota.name))
    one, two, core = Meter("one"), Meter("two"), Meter("three")
    for meter, turn in ((one, "a"), (two, "b")):
        meter.began(turn, f"token:{turn}")
        of.note(meter, [turn_started(turn, clock.now)])
    of.note(core, [turn_started("c", clock.now)])
    of.look()
    assert found == []
    of.note(one, [report(101, "a")])
    of.note(core, [report(101, "c")])
    of.look()
    assert found == [("a", "token.tokens")]  # the core's own turns are nobody's
    found.clear()
    clock.now += MINUTE // 3 + 1  # three turns: a minute and a bit between them
    of.look()
    assert found == [("a", "day.minutes"), ("b", "day.minutes"), ("c", "day.minutes")]


def test_whose_turn_it_was_moves_what_it_took() -> None:
    of, clock = ledger("token.turns=1")
    meter = Meter("c")
    of.note(meter, [turn_started("a", clock.now), turn_completed("a", at_ms=clock.now)])
    assert {name: each.turns for name, each in of.today().items()} == {"core": 1}
    change = meter.began("a", "local")
    assert change is not None
    of.settle(change)
    assert {name: each.turns for name, each in of.today().items()} == {"core": 0, "local": 1}
    assert of.total().turns == 1
