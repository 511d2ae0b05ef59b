"""What a turn cost, from the events of its conversation."""

from __future__ import annotations

import msgspec

from codex_http_server.events import Draft, raw
from codex_http_server.records import Spent, Tokens, TurnRecord
from codex_http_server.state import Open
from codex_http_server.usage import CORE, RECENT, Change, Meter
from tests.support.drafts import NOW, THREAD, said, turn_completed, turn_started

MINUTE = 60_000


def told(total: int, turn: str = "t", thread: str = THREAD, *, last: int | None = None) -> Draft:
    """The core's report: its total for the thread so far, and what the last answer took."""
    usage = {"total": {"totalTokens": total}, "last": {"totalTokens": last or total}}
    return said(
        "thread/tokenUsage/updated", {"threadId": thread, "turnId": turn} | {"tokenUsage": usage}
    )


def run(meter: Meter, *events: Draft) -> list[Change]:
    return [change for event in events if (change := meter.note(event)) is not None]


def row(meter: Meter, *events: Draft) -> TurnRecord:
    """The one row that these events make."""
    (change,) = run(meter, *events)
    return change.record


def test_a_turn_took_what_the_total_rose_by() -> None:
    meter = Meter("c")
    assert row(meter, turn_started("a"), told(10, "a"), turn_completed("a")).tokens.total == 10
    second = row(meter, turn_started("b"), told(25, "b"), told(40, "b"), turn_completed("b"))
    assert (second.tokens.total, second.usage, second.thread_total.total) == (30, "reported", 40)
    assert meter.ended.tokens.total == 40
    assert meter.ended.turns == 2


def test_a_repeated_total_counts_once() -> None:
    meter = Meter("c")
    found = row(meter, turn_started(), told(10), told(10), turn_completed())
    assert found.tokens.total == 10
    assert run(meter, told(10)) == []
    assert row(meter, turn_started("b"), told(10, "b"), turn_completed("b")).usage == "none"


def test_the_total_that_a_fork_begins_with_is_not_its_own() -> None:
    meter = Meter("c")
    assert run(meter, told(5000, "a turn of the source")) == []
    assert row(meter, turn_started(), told(5010), turn_completed()).tokens.total == 10


def test_a_new_thread_begins_at_nothing() -> None:
    meter = Meter("c")
    run(meter, turn_started("a"), told(100, "a"), turn_completed("a"))
    events = [turn_started("b"), told(30, "b", "another"), turn_completed("b")]
    assert row(meter, *events).tokens.total == 30


def test_a_total_that_goes_down_takes_nothing_back() -> None:
    meter = Meter("c")
    run(meter, turn_started("a"), told(100, "a"), turn_completed("a"))
    found = row(meter, turn_started("b"), told(60, "b"), told(75, "b"), turn_completed("b"))
    assert found.tokens.total == 15


def test_what_is_told_after_the_end_changes_the_row() -> None:
    meter = Meter("c")
    before = row(meter, turn_started(), told(10), turn_completed())
    (change,) = run(meter, told(25))
    assert change.before == before
    assert (change.record.tokens.total, change.record.usage) == (25, "late")
    assert meter.ended == Spent(1, 0, change.record.tokens)
    assert run(meter, told(25)) == []


def test_a_report_in_another_shape_counts_for_nothing() -> None:
    meter = Meter("c")
    odd = said("thread/tokenUsage/updated", {"turnId": "t", "tokenUsage": "many"})
    assert row(meter, turn_started(), odd, turn_completed()).tokens == Tokens()


def test_time_is_from_the_start_to_the_end() -> None:
    meter = Meter("c")
    found = row(meter, turn_started(), turn_completed(at_ms=NOW + MINUTE))
    assert (found.started_ms, found.ended_ms, found.spent.ms) == (NOW, NOW + MINUTE, MINUTE)


def test_a_turn_of_the_cores_history_ran_as_long_as_the_core_says() -> None:
    turn = {"id": "t", "startedAt": 1000, "completedAt": 1060, "durationMs": 60_500}
    start = said("turn/started", {"turn": turn | {"status": "inProgress"}})
    end = said("turn/completed", {"turn": turn | {"status": "completed"}})
    start.synthetic = end.synthetic = "history"
    found = row(Meter("c"), start, end)
    assert (found.started_ms, found.ended_ms, found.spent.ms) == (999_500, 1_060_000, 60_500)


def test_whose_turn_it_is_comes_with_its_first_message() -> None:
    meter = Meter("c")
    meter.began("a", "token:app")
    assert row(meter, turn_started("a"), turn_completed("a")).caller == "token:app"
    assert row(meter, turn_started("b"), turn_completed("b")).caller == CORE


def test_whose_turn_it_was_may_be_found_out_late() -> None:
    meter = Meter("c")
    before = row(meter, turn_started(), told(10), turn_completed())
    change = meter.began("t", "local")
    assert change is not None
    assert (change.before, change.record.caller) == (before, "local")
    assert meter.began("t", "another") is None  # the first message's
    assert meter.ended == before.spent


def test_of_ended_turns_only_the_newest_are_kept() -> None:
    meter = Meter("c")
    for number in range(RECENT + 1):
        run(meter, turn_started(f"{number}"), turn_completed(f"{number}"))
    run(meter, told(10, "0"))  # an old one: its total is taken as where we stand
    assert meter.ended.tokens.total == 0
    assert row(meter, turn_started("n"), told(12, "n"), turn_completed("n")).tokens.total == 2


# --- after a restart ------------------------------------------------------------------------


def restored(meter: Meter, rows: list[TurnRecord]) -> Meter:
    again = Meter("c")
    again.restore(meter.ended, rows, THREAD)
    return again


def test_after_a_restart_counting_goes_on_where_it_stood() -> None:
    meter = Meter("c")
    first = row(meter, turn_started("a"), told(10, "a"), turn_completed("a"))
    again = restored(meter, [first])
    assert run(again, told(10, "a")) == []  # the core repeats it on the resume
    assert row(again, turn_started("b"), told(15, "b"), turn_completed("b")).tokens.total == 5
    assert again.ended.turns == 2


def test_a_turn_that_was_open_keeps_what_it_took() -> None:
    meter = Meter("c")
    first = row(meter, turn_started("a"), told(10, "a"), turn_completed("a"))
    events = [turn_started("b"), told(25, "b")]
    again = restored(meter, [first])
    for event in events:
        again.replay(event)
    assert again.running["b"].tokens.total == 15
    assert row(again, told(40, "b"), turn_completed("b")).tokens.total == 30


def test_turns_that_ended_while_something_was_open_are_not_counted_again() -> None:
    meter = Meter("c")
    events = [
        turn_started("a"),
        told(10, "a"),
        turn_completed("a"),
        turn_started("b"),
        told(30, "b"),
    ]
    rows = [change.record for change in run(meter, *events)]
    again = restored(meter, rows)
    for event in events:
        again.replay(event)
    assert again.ended == meter.ended
    assert again.running["b"].tokens.total == 20


def history(turn: str) -> Draft:
    end = turn_completed(turn)
    end.synthetic = "history"
    return end


def after_a_gap() -> Meter:
    """One turn, of which 10 tokens were heard, ended while nobody was connected."""
    again = Meter("c")
    again.restore(Spent(), [], THREAD)
    for event in (turn_started("a"), told(10, "a")):
        again.replay(event)
    found = row(again, history("a"))
    assert (found.tokens.total, found.usage) == (10, "unknown")
    return again


def test_what_was_missed_is_the_turns_that_the_core_names() -> None:
    (change,) = run(after_a_gap(), told(90, "a"))  # what a core says that loads the thread
    assert (change.record.tokens.total, change.record.usage) == (90, "late")


def test_what_was_missed_shows_in_the_next_turn_and_is_not_its_own() -> None:
    again = after_a_gap()
    (change,) = run(again, turn_started("b"), told(95, "b", last=5))
    assert (change.record.turn_id, change.record.tokens.total) == ("a", 90)
    found = row(again, told(100, "b", last=5), turn_completed("b"))
    assert (found.tokens.total, found.usage) == (10, "reported")
    assert again.ended.tokens.total == 100


def test_what_was_missed_of_a_turn_that_goes_on_is_its_own() -> None:
    again = Meter("c")
    again.replay(turn_started("a"))
    run(again, told(90, "a", last=5))
    assert row(again, turn_completed("a")).usage == "reported"
    run(again, turn_started("b"), told(95, "b", last=5))
    again.unheard()  # the connection broke in the middle
    found = row(again, told(200, "b", last=5), turn_completed("b"))
    assert (found.tokens.total, found.usage) == (110, "reported")


def test_what_nobody_here_began_is_counted_for_nobody() -> None:
    """Another client used the thread while this server was away."""
    meter = Meter("c")
    run(meter, turn_started("a"), told(10, "a"), turn_completed("a"))
    found = row(meter, turn_started("b"), told(95, "b", last=5), turn_completed("b"))
    assert found.tokens.total == 5
    assert meter.ended.tokens.total == 15


def test_a_lost_turn_ran_as_long_as_it_was_heard() -> None:
    start = turn_started()
    again = Meter("c")
    again.replay(start)
    again.replay(said("item/started", {"turnId": "t", "item": {"id": "i"}}, NOW + MINUTE))
    assert again.running["t"].spent(NOW + 100 * MINUTE).ms == MINUTE
    state = Open()
    state.apply(start)
    (end,) = state.lost("core_lost", NOW + 100 * MINUTE)
    assert row(again, end).spent.ms == MINUTE


def test_a_turn_that_goes_on_runs_on() -> None:
    again = Meter("c")
    again.replay(turn_started())
    run(again, said("item/started", {"turnId": "t", "item": {"id": "i"}}, NOW + MINUTE))
    assert again.running["t"].spent(NOW + 2 * MINUTE).ms == 2 * MINUTE


def test_sums_add_by_kind() -> None:
    one, two = Tokens(1, 2, 3, 4, 5, 6), Tokens(10, 20, 30, 40, 50, 60)
    assert one + two == Tokens(11, 22, 33, 44, 55, 66)
    assert two.since(one) == Tokens(9, 18, 27, 36, 45, 54)
    assert one.since(two) == Tokens()
    both = Spent(1, 5, one) + Spent(2, 6, two)
    assert both.without(Spent(1, 5, one)) == Spent(2, 6, two)
    assert msgspec.json.decode(raw(both), type=Spent) == both
