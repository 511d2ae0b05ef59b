"""How the suite judges, what it sends, and what it tells."""

from __future__ import annotations

import asyncio
import json

import pytest

from codex_http_server.testing.attack import report
from codex_http_server.testing.attack.answers import CLOSED, Answer
from codex_http_server.testing.attack.attacks import (
    HOLES_MOST,
    SHOWN,
    Attack,
    Verdict,
    broken,
    held,
    hole,
    judged,
    skipped,
    worst,
)
from codex_http_server.testing.attack.runner import Finding, Outcome
from codex_http_server.testing.attack.stage import Held, Stage, gathered, refuses
from codex_http_server.testing.attack.suite import ATTACKS
from codex_http_server.testing.attack.target import Target, target

HERE = Target("http://127.0.0.1:3032", "127.0.0.1:3032")
SECRET = "cht_do-not-show-this-anywhere"


@pytest.mark.parametrize("status", [401, 403, 429])
def test_a_refusal_for_who_asks_is_always_one(status: int) -> None:
    assert refuses(Answer(status))


@pytest.mark.parametrize("status", [200, 201, 202, 204, 302, 404, 405, 409, 422, 500, 503, -1])
def test_what_was_looked_at_is_no_refusal(status: int) -> None:
    assert not refuses(Answer(status), 400, 421)


def test_a_cut_line_refuses_and_silence_does_not() -> None:
    assert refuses(Answer(CLOSED))
    assert not refuses(Answer(CLOSED, silent=True))
    assert refuses(Answer(421), 421)
    assert not refuses(Answer(421))


def test_one_hole_breaks_and_none_holds() -> None:
    assert judged([], 5) == held()
    found = judged([hole("a", b"GET", Answer(200)), hole("b", b"GET", Answer(500))], 5)
    assert found.state == "broken"
    assert found.why == "2 of 5 got through: a, b"
    many = judged([hole(str(n), b"", Answer(200)) for n in range(50)], 50)
    assert len(many.holes) == HOLES_MOST


def test_the_worst_part_counts() -> None:
    assert worst(held("fine"), broken("bad"), skipped("why")).state == "broken"
    assert worst(skipped("why"), held("fine")) == held("fine")
    assert worst(skipped("why")) == skipped("why")


def test_a_hole_shows_the_request_but_no_secret() -> None:
    data = b"GET /events?ticket=%b HTTP/1.1\r\nAuthorization: Bearer abc def\r\nX: y\r\n\r\n"
    found = hole("a", data % SECRET.encode(), Answer(200))
    assert "X: y" in found.request
    assert SECRET not in found.request
    assert "abc" not in found.request
    long = hole("a", b"x" * 5000, Answer(200))
    assert long.request.startswith("x" * SHOWN + "… (5,000 bytes)")


def test_requests_are_honest_but_for_what_is_given() -> None:
    stage = Stage(HERE, token="t")
    probe = stage.probe().decode()
    assert probe.startswith("POST /conversations HTTP/1.1\r\nHost: 127.0.0.1:3032\r\n")
    assert "Authorization: Bearer t\r\n" in probe
    assert json.loads(probe.partition("\r\n\r\n")[2]) == {"working_directory": f"/{stage.marker}"}
    assert f"Content-Length: {len(stage.body())}\r\n" in probe
    assert b"Host" not in stage.get("/", host=None)
    assert b"Host: evil" in stage.get("/", host="evil")
    assert b"Host: \r\n" in stage.get("/", host="")
    assert b"Authorization" not in stage.get("/", token="")
    assert b"X: \xff\r\n\r\n" in stage.get("/", "X: \xff")
    assert b"Content" not in stage.request("POST", "/")


def test_each_run_has_a_word_of_its_own() -> None:
    assert Stage(HERE).marker != Stage(HERE).marker


async def test_a_failure_among_many_ends_the_others() -> None:
    ended: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waits")

    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ExceptionGroup):
        await gathered([waits(), fails()])
    assert ended == ["waits"]


# --- the suite --------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda each: each.name)
def test_an_attack_says_what_it_is_and_what_it_would_gain(attack: Attack) -> None:
    assert attack.gain.endswith(".")
    assert attack.name.islower()
    assert attack.who


def test_names_of_attacks_are_their_own() -> None:
    names = [(each.subject, each.name) for each in ATTACKS]
    assert len(names) == len(set(names))
    assert len(names) > 50


# --- the target -------------------------------------------------------------------------------


def test_a_target_is_read_from_its_url() -> None:
    assert target("http://127.0.0.1:3032/").host == "127.0.0.1:3032"
    assert target("http://[::1]:80").host == "[::1]:80"
    assert target("http://127.0.0.1").port == "80"
    assert target("unix:/run/x").path == "/run/x"
    assert target("https://127.0.0.1:1").tls is not None


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://[::1]:1", "unix:/x", "http://127.9:1"]
)
def test_this_machine_is_known(url: str) -> None:
    assert target(url).loopback


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1:1", "http://[2001:db8::1]:1", "http://0.0.0.0:1"]
)
def test_other_machines_are_known(url: str) -> None:
    assert not target(url).loopback


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:3032", "ftp://x", "http://x/path", "unix:x", "http://"]
)
def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"must name|is no base URL"):
        target(url)


# --- the report -------------------------------------------------------------------------------


def outcome(*verdicts: Verdict) -> Outcome:
    """A run that came to these."""
    stage = Stage(HERE, tokens=(Held(frozenset({"read"}), SECRET),), token=SECRET)
    found = [Finding("hosts", f"case {n}", "All of it.", it, 0.1) for n, it in enumerate(verdicts)]
    return Outcome(stage, found, 1.5)


def test_the_table_has_a_line_for_each_and_shows_what_broke() -> None:
    bad = judged([hole("one", Stage(HERE, token=SECRET).probe(), Answer(200))], 3)
    text = report.as_table(outcome(held(), bad, skipped("no tokens")))
    lines = text.splitlines()
    assert lines[0] == "held     hosts  case 0"
    assert lines[1] == "broken   hosts  case 1  1 of 3 got through: one"
    assert lines[2].endswith("gain: All of it.")
    assert lines[3].endswith("one: answered 200")
    assert "POST /conversations" in lines[4]
    assert lines[5] == "skipped  hosts  case 2  no tokens"
    assert lines[-1].startswith("1 held, 1 broken, 1 skipped: http://127.0.0.1:3032 as caller")
    assert SECRET not in text


def test_the_json_has_everything_but_secrets() -> None:
    bad = judged([hole("one", Stage(HERE, token=SECRET).probe(), Answer(200))], 3)
    found = report.as_json(outcome(held(), bad))
    assert (found["held"], found["broken"], found["skipped"]) == (1, 1, 0)
    assert found["attacks"][1]["holes"][0]["case"] == "one"
    assert SECRET not in json.dumps(found)
    assert SECRET not in repr(outcome())
