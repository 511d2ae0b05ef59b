"""A ChatGPT login that dies: renewed by the core without a word, or told with its reason."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from codex_http_server.testing.answers import Command, Gate, Text
from codex_http_server.testing.issuer import Trouble
from codex_http_server.testing.reader import Event
from tests.support.judge import check_whole, text_of
from tests.support.server import Server, start
from tests.support.signin import LoginSite


@pytest.fixture
def server(site: LoginSite) -> Iterator[Server]:
    """A server on that home."""
    with start(site) as running:
        running.wait_ready()
        yield running


@pytest.fixture
def site(signed_in_site: LoginSite) -> LoginSite:
    """Somebody is signed in; the core tries as often as it does by itself."""
    signed_in_site.configure(request_max_retries=4, stream_max_retries=5)
    signed_in_site.provider.script = lambda _: [Text("here you are")]
    return signed_in_site


def required(events: list[Event]) -> list[Event]:
    return [event for event in events if event["type"] == "auth/required"]


def tries_before(events: list[Event], told: Event) -> int:
    """How many errors the core had told of when it was said."""
    return sum(e["type"] == "error" for e in events if e.get("seq", 0) < told["seq"])


def test_a_refused_token_that_the_core_can_renew_is_nobody_s_business(
    server: Server, site: LoginSite
) -> None:
    here = server.conversation()
    site.issuer.ledger.expire_access()
    assert server.run(here)["reply"] == "here you are"
    assert site.issuer.calls["refresh"] == 1
    kinds = {event["type"] for event in server.events(here)}
    assert not kinds & {"error", "auth/required"}
    assert len(site.provider.requests) == 1, "the refused try was stopped at the door"


def test_refused_for_ever_is_known_at_once_though_the_core_can_renew(
    server: Server, site: LoginSite
) -> None:
    here = server.conversation()
    site.provider.authorise = lambda _: 401
    with server.read(here) as reader:
        server.send(here)
        told = reader.wait_type("auth/required")
        ended = reader.wait_type("turn/completed")
    assert told["data"]["http_status"] == 401
    assert told["data"]["resend"] is True
    assert ended["status"] == "interrupted"
    assert site.issuer.calls["refresh"] == 2, "the core alone would have renewed it six times"
    assert tries_before(reader.events, told) == 1
    waits = server.get(f"/conversations/{here}/queue")["data"]
    assert [each["status"] for each in waits] == ["waiting_for_login"]


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("refresh_token_expired", "expired"),
        ("refresh_token_reused", "already used"),
        ("refresh_token_invalidated", "revoked"),
    ],
)
def test_a_login_that_can_t_be_renewed_is_told_with_its_reason(
    server: Server, site: LoginSite, code: str, word: str
) -> None:
    here = server.conversation()
    site.issuer.ledger.expire_access()
    site.issuer.refuse_refresh = code
    with server.read(here) as reader:
        sent = server.send(here)
        told = reader.wait_type("auth/required")
        assert reader.wait_type("turn/completed")["status"] == "failed"
    assert told["data"]["http_status"] is None
    assert word in told["data"]["detail"]
    assert told["data"]["submit_ids"] == [sent["submit_id"]]
    assert tries_before(reader.events, told) == 1
    log = server.events(here)
    assert len(required(log)) == 1
    check_whole(log)


def test_an_issuer_that_is_down_is_no_reason_to_sign_in_again(site: LoginSite) -> None:
    site.configure(request_max_retries=0, stream_max_retries=1)
    site.issuer.trouble["refresh"] = Trouble(500)
    with start(site) as server:
        server.wait_ready()
        here = server.conversation()
        site.issuer.ledger.expire_access()
        answer = server.run(here)
        assert answer["turn"]["status"] == "failed"
        assert not required(server.events(here))
        site.issuer.trouble.clear()
        assert server.run(here)["reply"] == "here you are"


# --- and comes back -------------------------------------------------------------------------


def test_revoked_in_mid_work_then_a_login_and_what_waits_is_answered_once(
    server: Server, site: LoginSite
) -> None:
    here = server.conversation()
    gate = Gate()
    site.provider.expect(Command("touch made.txt"))
    site.provider.expect(Text(["half ", gate, "an answer"]))
    with server.read(here) as reader:
        server.send(here, "work")
        gate.wait_reached()
        waits = server.send(here, "the next message")
        site.issuer.ledger.revoke_all()
        gate.open()
        told = reader.wait_type("auth/required")
        reader.wait(held)
        assert told["data"]["code"] == "revoked"
        assert told["data"]["submit_ids"] == [waits["submit_id"]]
        status = server.get("/auth/status")
        assert (status["authenticated"], status["reason"]) == (False, "revoked")
        sign_in(server, site)
        answered = reader.wait(
            lambda e: (
                e["type"] == "item/completed"
                and e.get("item_type") == "agentMessage"
                and e["data"]["item"]["text"] == "here you are"
            )
        )
        reader.wait(lambda e: e["type"] == "turn/completed" and e["turn_id"] == answered["turn_id"])
    log = server.events(here)
    check_whole(log)
    assert text_of(log) == ["half an answer", "here you are"]
    assert answered["turn_id"] != told["turn_id"]
    taken = [r for r in site.provider.requests if r.user_text == "the next message"]
    assert len(taken) == 1, "it was sent once"
    assert json.dumps(taken[0].body["input"]).count("the next message") == 1


def test_a_login_by_the_codex_cli_sends_what_waits(server: Server, site: LoginSite) -> None:
    here = server.conversation()
    site.issuer.ledger.revoke_all()
    with server.read(here) as reader, server.read_all("?after=latest") as all_of_it:
        server.send(here, "hello")
        reader.wait(held)
        site.issuer.write_login(site.home)  # what `codex login` leaves
        all_of_it.wait_type("account/updated", synthetic="auth_file")
        reader.wait(lambda e: e["type"] == "turn/completed" and e["status"] == "completed")
    assert text_of(server.events(here)) == ["here you are"]


def held(event: Event) -> bool:
    """A message was put back, to wait for a login."""
    return event["type"] == "queue/changed" and event["data"]["reason"] == "waiting_for_login"


def sign_in(server: Server, site: LoginSite) -> None:
    """Sign in over HTTP with a code, as from another machine."""
    login = server.post("/auth/login", {"method": "device_code"}, 201)
    site.issuer.approve_device(login["user_code"])
    ended = server.get(f"/auth/login/{login['id']}?wait=20")
    assert ended["state"] == "succeeded", ended
