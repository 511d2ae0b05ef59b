"""A login that is not good: said at once, the message waits, and is sent once after a login."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_http_server.testing.answers import Command, Fail, Gate, Step, Text
from codex_http_server.testing.reader import Event, Reader
from codex_http_server.testing.requests import ModelRequest
from tests.support.judge import check_reader, check_whole, text_of
from tests.support.server import Server, Site, start
from tests.support.shared import site_at

GOOD, BAD = "sk-good-0123456789", "sk-dead-0123456789"


class Door:
    """The provider's door: who has no good key is refused, 401 or 403."""

    def __init__(self, site: Site, status: int = 401) -> None:
        self.status = status
        self.let_in: list[ModelRequest] = []
        self.refused = 0
        self.open_for: int | None = None  # how often more somebody is let in
        self.answers: list[tuple[Step, ...]] = []
        site.provider.script = self

    def __call__(self, asked: ModelRequest) -> tuple[Step, ...]:
        if self.open_for == 0 or asked.headers.get("authorization") != f"Bearer {GOOD}":
            self.refused += 1
            return (Fail(self.status, {"error": {"message": "not with this key"}}),)
        self.let_in.append(asked)
        self.open_for = None if self.open_for is None else self.open_for - 1
        return self.answers.pop(0) if self.answers else (Text("here you are"),)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A home whose key the provider refuses; the core tries as often as it does by itself."""
    with site_at(tmp_path) as made:
        tries = {"request_max_retries": 4, "stream_max_retries": 5}
        made.configure(sandbox_mode="workspace-write", requires_openai_auth=True, **tries)
        sign_in(made, BAD)
        yield made


@pytest.fixture
def door(site: Site) -> Door:
    return Door(site)


def sign_in(site: Site, key: str) -> None:
    """As `codex login --with-api-key` leaves the home."""
    body = {"auth_mode": "apikey", "OPENAI_API_KEY": key}
    (site.home / "auth.json").write_text(json.dumps(body))


def required(events: list[Event]) -> list[Event]:
    return [event for event in events if event["type"] == "auth/required"]


def times_asked(requests: list[ModelRequest], text: str) -> int:
    """How often the model was given this message, counted in the last request."""
    return json.dumps(requests[-1].body["input"]).count(text)


def finished(event: Event) -> bool:
    return event["type"] == "turn/completed" and event["status"] == "completed"


def wait_held(reader: Reader) -> Event:
    return reader.wait(
        lambda e: e["type"] == "queue/changed" and e["data"]["reason"] == "waiting_for_login"
    )


def test_a_refused_turn_is_told_at_once_and_ended_at_the_second_refusal(
    server: Server, door: Door
) -> None:
    here = server.conversation()
    with server.read(here) as reader:
        server.send(here, "say hello")
        told = reader.wait_type("auth/required")
        ended = reader.wait_type("turn/completed")
        wait_held(reader)
    assert told["turn_id"] == ended["turn_id"]
    assert told["data"]["http_status"] == 401
    assert "not with this key" in told["data"]["detail"]
    assert told["data"]["hint"]
    assert told["data"]["resend"] is True
    assert ended["status"] == "interrupted"
    assert door.refused == 2, "the core would have tried six times"
    log = server.events(here)
    assert len(required(log)) == 1
    notices = [e["status"] for e in log if e["type"] == "error"]
    assert notices == ["retrying", "retrying"]
    check_whole(log)
    check_reader(reader.events, log)


def test_the_message_waits_first_in_line_and_is_sent_once_after_a_login(
    server: Server, door: Door
) -> None:
    here = server.conversation()
    with server.read(here) as reader:
        sent = server.send(here, "the first message")
        wait_held(reader)
        behind = server.send(here, "the second message")
        waits = server.get(f"/conversations/{here}/queue")["data"]
        assert [(each["submit_id"], each["status"]) for each in waits] == [
            (sent["submit_id"], "waiting_for_login"),
            (behind["submit_id"], "queued"),
        ]
        key = {"method": "api_key", "api_key": GOOD}
        assert server.post("/auth/login", key, 201)["state"] == "succeeded"
        first = reader.wait(finished)
        reader.wait(lambda e: finished(e) and e["turn_id"] != first["turn_id"])
    assert len(door.let_in) == 2
    assert times_asked(door.let_in, "the first message") == 1
    assert times_asked(door.let_in, "the second message") == 1
    assert server.get(f"/conversations/{here}/queue")["data"] == []
    log = server.events(here)
    assert text_of(log) == ["here you are", "here you are"]
    check_whole(log)
    check_reader(reader.events, log)


def test_a_caller_who_waits_is_told_instead_of_waiting(server: Server, door: Door) -> None:
    here = server.conversation()
    path = f"/conversations/{here}/messages?wait=30"
    answer = server.post(path, {"message": "hello"}, 202)
    assert answer["status"] == "waiting_for_login"
    assert answer["login"]["hint"]


def test_a_streaming_caller_is_told_and_the_stream_ends_with_the_refused_turn(
    server: Server, door: Door
) -> None:
    here = server.conversation()
    path = f"/conversations/{here}/messages"
    headers = {"Accept": "text/event-stream"}
    with server.client.stream("POST", path, json={"message": "hi"}, headers=headers) as answer:
        found = [json.loads(x[6:]) for x in answer.iter_lines() if x.startswith("data: ")]
    assert "auth/required" in [event["type"] for event in found]
    assert found[-1]["type"] == "turn/completed"


@pytest.mark.parametrize("sandbox", ["workspace-write", "read-only"])
def test_a_turn_that_had_done_something_is_not_sent_again_and_says_so(
    site: Site, door: Door, sandbox: str
) -> None:
    sign_in(site, GOOD)
    door.answers = [(Command("echo done > made.txt"),)]
    door.open_for = 1
    with start(site) as server:
        server.wait_ready()
        here = server.conversation()
        done = server.run(here, "make it", sandbox=sandbox)
        (told,) = required(server.events(here))
        assert told["data"]["resend"] is False
        assert done["status"] == "ended"
        assert "not sent again" in done["error"]
        assert server.get(f"/conversations/{here}/queue")["data"] == []
        check_whole(server.events(here))
    assert (site.project / "made.txt").exists() is (sandbox == "workspace-write")


def test_a_refusal_that_passes_is_no_more_than_a_notice(server: Server, site: Site) -> None:
    answers = iter([(Fail(401),), (Text("after all"),)])
    site.provider.script = lambda _: next(answers)
    here = server.conversation()
    assert server.run(here)["reply"] == "after all"
    log = server.events(here)
    assert len(required(log)) == 1
    check_whole(log)


def test_the_user_s_own_interrupt_does_not_bring_the_message_back(
    server: Server, site: Site
) -> None:
    gate = Gate()
    answers = iter([(Fail(401),), (gate, Text("never"))])
    site.provider.script = lambda _: next(answers)
    here = server.conversation()
    with server.read(here) as reader:
        server.send(here)
        reader.wait_type("auth/required")
        gate.wait_reached()
        server.post(f"/conversations/{here}/interrupt", status=202)
        assert reader.wait_type("turn/completed")["status"] == "interrupted"
    assert server.get(f"/conversations/{here}/queue")["data"] == []


def test_a_provider_without_login_is_no_reason_to_wait(tmp_path: Path) -> None:
    with site_at(tmp_path) as site:
        site.configure(request_max_retries=4, stream_max_retries=5)
        Door(site, 403)
        with start(site) as server:
            server.wait_ready()
            here = server.conversation()
            with server.read(here) as reader:
                server.send(here)
                told = reader.wait_type("auth/required")
                reader.wait_type("turn/completed")
            assert told["data"]["resend"] is False
            assert told["data"]["http_status"] == 403
            assert server.get(f"/conversations/{here}/queue")["data"] == []


def test_a_message_sent_while_nobody_is_signed_in_waits_without_a_turn(
    site: Site, door: Door
) -> None:
    (site.home / "auth.json").unlink()
    with start(site) as server:
        server.wait_ready()
        assert server.get("/auth/status")["reason"] == "not_signed_in"
        here = server.conversation()
        answer = server.send(here, "hello")
        assert answer["status"] == "waiting_for_login"
        assert answer["login"]["code"] == "not_signed_in"
        (told,) = required(server.events(here))
        assert told["data"]["submit_ids"] == [answer["submit_id"]]
        assert door.refused == 0


def test_what_waits_for_a_login_outlives_the_server(site: Site, door: Door) -> None:
    with start(site) as server:
        server.wait_ready()
        here = server.conversation()
        with server.read(here) as reader:
            server.send(here, "before the restart")
            wait_held(reader)
    sign_in(site, GOOD)
    with start(site) as server, server.read(here) as reader:
        reader.wait(lambda e: e["type"] == "turn/completed" and e["status"] == "completed")
        assert len(door.let_in) == 1
        assert times_asked(door.let_in, "before the restart") == 1
        check_whole(server.events(here))
