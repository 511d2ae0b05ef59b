"""Tickets, the page's codes and sessions, and the count of wrong tokens."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from codex_http_server.auth import attempts, pages, tickets
from codex_http_server.auth.attempts import Attempts
from codex_http_server.auth.callers import LOCAL, TOKENLESS, Caller, Scope
from codex_http_server.auth.pages import Sessions, leave_code, take_code
from codex_http_server.auth.tickets import Stream, Tickets
from codex_http_server.errors import InvalidCode, InvalidTicket, ScopeRequired, TooManyAttempts

HERE = Stream.of("/conversations/a/events", [])
ALL = Stream.of("/events", [("conversation", "a"), ("account", "1")])


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def made(clock: Clock) -> Tickets:
    return Tickets(clock)


def refuses(made: Tickets, secret: str, stream: Stream | None = HERE) -> None:
    with pytest.raises(InvalidTicket):
        made.use(secret, stream)


# --- tickets --------------------------------------------------------------------------------


def test_a_ticket_reads_its_stream_in_its_makers_name_and_nothing_else(made: Tickets) -> None:
    maker = Caller("token:phone", "token", frozenset(Scope))
    secret = made.make(HERE, maker)
    caller = made.use(secret, HERE)
    assert (caller.name, caller.via) == ("token:phone", "ticket")
    assert caller.scopes == {Scope.READ}
    refuses(made, secret, ALL)
    refuses(made, secret, Stream.of("/conversations/b/events", []))
    with pytest.raises(ScopeRequired):
        made.use(secret, None)


def test_the_place_in_the_stream_may_differ_and_the_filters_may_not(made: Tickets) -> None:
    secret = made.make(ALL, LOCAL)
    free = [("after", "5"), ("log", "x"), ("heartbeat", "5"), ("ticket", secret)]
    made.use(secret, Stream.of("/events", [("account", "1"), *free, ("conversation", "a")]))
    for query in (
        [],
        [("conversation", "a")],
        [("conversation", "b"), ("account", "1")],
        [("conversation", "a"), ("conversation", "b"), ("account", "1")],
    ):
        refuses(made, secret, Stream.of("/events", query))


def test_a_ticket_must_be_used_within_a_minute(made: Tickets, clock: Clock) -> None:
    early, late = made.make(HERE, LOCAL), made.make(HERE, LOCAL)
    clock.now += tickets.FIRST - 1
    made.use(early, HERE)
    clock.now += 1
    refuses(made, late)
    made.use(early, HERE)


def test_a_stream_may_be_resumed_until_ten_minutes_after_it_was_last_alive(
    made: Tickets, clock: Clock
) -> None:
    secret = made.make(HERE, LOCAL)
    caller = made.use(secret, HERE)
    for _ in range(3000):
        clock.now += 2
        assert caller.holds()
    clock.now += tickets.REST - 1
    caller = made.use(secret, HERE)
    clock.now += tickets.REST
    refuses(made, secret)
    assert not caller.holds()


def test_the_second_reader_ends_the_first(made: Tickets) -> None:
    secret = made.make(HERE, LOCAL)
    first = made.use(secret, HERE)
    second = made.use(secret, HERE)
    assert not first.holds()
    assert second.holds()


def test_a_ticket_ends_with_its_maker(made: Tickets) -> None:
    alive = [True]
    maker = Caller("token:a", "token", TOKENLESS, lambda: alive[0])
    secret = made.make(HERE, maker)
    caller = made.use(secret, HERE)
    assert caller.holds()
    alive[0] = False
    assert not caller.holds()
    refuses(made, secret)


def test_of_too_many_tickets_the_oldest_unused_goes(made: Tickets) -> None:
    other = made.make(HERE, Caller("token:other", "token", TOKENLESS))
    first, second = made.make(HERE, LOCAL), made.make(HERE, LOCAL)
    made.use(first, HERE)
    last = [made.make(HERE, LOCAL) for _ in range(tickets.MOST - 1)][-1]
    refuses(made, second)
    for secret in (first, last, other):
        made.use(secret, HERE)


def test_tickets_that_are_over_take_no_room(made: Tickets, clock: Clock) -> None:
    for _ in range(3):
        for _ in range(10):
            made.make(HERE, LOCAL)
        clock.now += tickets.FIRST
    made.make(HERE, LOCAL)
    assert len(made._known) == 1


# --- the page -------------------------------------------------------------------------------


def test_a_code_works_once(tmp_path: Path) -> None:
    folder = tmp_path / "codes"
    code = leave_code(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    (kept,) = folder.iterdir()
    assert code not in kept.name
    with pytest.raises(InvalidCode):
        take_code(folder, code + "x")
    take_code(folder, code)
    assert not list(folder.iterdir())
    with pytest.raises(InvalidCode):
        take_code(folder, code)


@pytest.mark.parametrize("age", [pages.CODE_LIFE + 1, -60.0])
def test_a_code_is_good_for_a_minute_and_goes_then(tmp_path: Path, age: float) -> None:
    code, other = leave_code(tmp_path), leave_code(tmp_path)
    for path in tmp_path.iterdir():
        os.utime(path, (time.time() - age, time.time() - age))
    with pytest.raises(InvalidCode):
        take_code(tmp_path, other)
    assert not list(tmp_path.iterdir()), code


def test_a_name_of_another_file_is_no_code(tmp_path: Path) -> None:
    folder = tmp_path / "codes"
    (tmp_path / "tokens.json").touch()
    leave_code(folder)
    for name in ("../tokens.json", ".", "..", "", "\0", "x" * 5000, next(folder.iterdir()).name):
        with pytest.raises(InvalidCode):
            take_code(folder, name)
    assert (tmp_path / "tokens.json").exists()
    with pytest.raises(InvalidCode):
        take_code(tmp_path / "no-such-folder", "x")


def test_a_session_adds_elevate_until_it_ends(clock: Clock) -> None:
    sessions = Sessions(clock)
    secret = sessions.begin()
    caller = sessions.caller(secret)
    assert caller is not None
    assert caller.via == "page"
    assert caller.scopes == TOKENLESS | {Scope.ELEVATE}
    assert secret not in caller.name
    assert sessions.caller(secret + "x") is None
    sessions.end(secret)
    assert not caller.holds()
    assert sessions.caller(secret) is None


def test_a_session_is_over_after_twelve_hours(clock: Clock) -> None:
    sessions = Sessions(clock)
    secret = sessions.begin()
    clock.now += pages.LIFE - 1
    caller = sessions.caller(secret)
    assert caller is not None
    clock.now += 1
    assert not caller.holds()
    assert sessions.caller(secret) is None


def test_of_too_many_sessions_the_oldest_goes(clock: Clock) -> None:
    sessions = Sessions(clock)
    made = [sessions.begin() for _ in range(pages.MOST + 1)]
    assert sessions.caller(made[0]) is None
    assert sessions.caller(made[1]) is not None


# --- wrong tokens ---------------------------------------------------------------------------


def test_ten_wrong_tokens_a_minute_are_let_be(clock: Clock) -> None:
    counted = Attempts(clock)
    for _ in range(attempts.ALLOWED):
        counted.wrong("10.0.0.1")
    clock.now += 20
    with pytest.raises(TooManyAttempts) as refused:
        counted.wrong("10.0.0.1")
    assert refused.value.retry_after == 40
    counted.wrong("10.0.0.2")
    clock.now += 40
    counted.wrong("10.0.0.1")


def test_an_ipv6_host_is_its_network(clock: Clock) -> None:
    counted = Attempts(clock)
    for n in range(attempts.ALLOWED):
        counted.wrong(f"2001:db8::{n}")
    with pytest.raises(TooManyAttempts):
        counted.wrong("2001:db8::ffff:1%eth0")
    for other in ("2001:db8:0:1::1", "::1", "::ffff:10.0.0.1", ""):
        counted.wrong(other)


def test_few_addresses_are_remembered(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MOST", 10)
    counted = Attempts(clock)
    for n in range(100):
        counted.wrong(f"10.0.0.{n}")
    assert len(counted._known) == 10
