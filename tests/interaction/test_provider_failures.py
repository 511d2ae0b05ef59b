"""What the model's provider can do wrong: each ends the turn once, with its reason."""

from __future__ import annotations

import pytest

from codex_http_server.testing.answers import Drop, Fail, Failed, Gate, Silence, Step, Text
from codex_http_server.testing.reader import Event
from tests.support.judge import check_reader, check_whole, text_of
from tests.support.server import Server, Site, start

pytestmark = pytest.mark.lent


def fail(server: Server, site: Site, *steps: Step) -> tuple[str, list[Event]]:
    """A turn whose every response is `steps`; the conversation and its log."""
    conversation = server.conversation()
    site.provider.script = lambda _: steps
    with server.read(conversation) as reader:
        server.send(conversation, "try")
        reader.wait_type("turn/completed")
    log = server.events(conversation)
    check_whole(log)
    check_reader(reader.events, log)
    return conversation, log


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (Fail(500), "internalServerError"),
        (Fail(401), "httpConnectionFailed"),
        (Fail(429), "responseTooManyFailedAttempts"),
        (Failed("context_length_exceeded", "too long"), "contextWindowExceeded"),
    ],
)
def test_an_error_of_the_provider_fails_the_turn_once(
    server: Server, site: Site, step: Step, told: str
) -> None:
    conversation, log = fail(server, site, step)
    ended = log[-1] if log[-1]["type"] == "turn/completed" else _end(log)
    assert ended["status"] == "failed"
    assert told in str(ended["data"]["turn"]["error"]["codexErrorInfo"])
    _goes_on(server, site, conversation)


def test_a_drop_in_mid_answer_ends_the_broken_message_and_retries(
    server: Server, site: Site
) -> None:
    conversation = server.conversation()
    site.provider.expect(Text(["half an ", Drop()]))
    site.provider.expect(Text("whole answer"))
    done = server.run(conversation)
    assert done["reply"] == "whole answer"
    log = server.events(conversation)
    check_whole(log)
    broken = next(e for e in log if e["type"] == "item/discarded")
    assert broken["synthetic"] == "retried"
    assert broken["data"]["item"]["text"] == "half an "
    assert text_of(log) == ["whole answer"]


def test_drops_without_end_fail_the_turn(server: Server, site: Site) -> None:
    conversation, log = fail(server, site, Text(["half ", Drop()]))
    assert _end(log)["status"] == "failed"
    assert any(e["type"] == "error" and e["data"]["willRetry"] for e in log)
    assert {e["synthetic"] for e in log if e["type"] == "item/discarded"} <= {"retried", "failed"}
    _goes_on(server, site, conversation)


def test_silence_fails_the_turn_after_the_idle_timeout(site: Site) -> None:
    site.configure(stream_idle_timeout_ms=1000)
    with start(site) as server:
        server.wait_ready()
        _, log = fail(server, site, Silence(Gate()))
    assert _end(log)["status"] == "failed"


def _end(log: list[Event]) -> Event:
    return next(e for e in log if e["type"] == "turn/completed")


def _goes_on(server: Server, site: Site, conversation: str) -> None:
    site.provider.script = lambda _: [Text("better now")]
    assert server.run(conversation)["reply"] == "better now"
