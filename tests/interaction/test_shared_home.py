"""One login for the server and the Codex CLI on the same home, in both directions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from codex_http_server.testing.answers import Command, Gate, Text
from codex_http_server.testing.reader import Event, Reader
from codex_http_server.testing.tokens import Person
from tests.support.commands import until
from tests.support.server import Server, start
from tests.support.signin import LoginSite, Witness

ADA = Person()
BOB = Person("bob@example.com", "plus", "acct-bob", "user-bob")


@pytest.fixture
def site(login_site: LoginSite) -> LoginSite:
    """Nobody is signed in yet."""
    login_site.provider.script = lambda _: [Text("here you are")]
    return login_site


@pytest.fixture
def server(site: LoginSite) -> Iterator[Server]:
    """A server on that home."""
    with start(site) as running:
        running.wait_ready()
        witness = Witness(running)
        yield running
    witness.check()


def told(reader: Reader) -> list[tuple[str | None, str | None]]:
    """Who was told to be signed in, and by whom."""
    return [
        (event["data"]["authMode"], event.get("synthetic"))
        for event in reader.events
        if event["type"] == "account/updated"
    ]


def by_file(mode: str | None):
    """The event that another program's doing has."""

    def test(event: Event) -> bool:
        told = event["type"] == "account/updated" and event.get("synthetic") == "auth_file"
        return told and event["data"]["authMode"] == mode

    return test


def settled(server: Server) -> None:
    """The core has been started anew and its login is no longer in doubt."""
    until(lambda: _is_settled(server), "the core has taken the login in")
    server.wait_ready()


def _is_settled(server: Server) -> bool:
    answer = server.client.get("/auth/status")
    if answer.status_code == 503:  # asked in the moment in which the core was ended
        assert answer.json()["code"] == "core_unavailable"
        return False
    assert answer.status_code == 200, answer.text
    return "core takes it in" not in (answer.json()["detail"] or "")


def bearer(site: LoginSite) -> str:
    """Whose token the last request to the model had."""
    header = site.provider.requests[-1].headers["authorization"]
    person = site.issuer.ledger.holder(header.removeprefix("Bearer "))
    return "a key" if person is None else person.email


def test_a_login_of_the_cli_is_seen_told_once_and_used(server: Server, site: LoginSite) -> None:
    with server.read_all("?after=latest") as reader:
        site.codex("login", "--with-api-key", stdin=site.issuer.ledger.new_key())
        assert server.get("/auth/status")["auth_mode"] == "apikey"
        reader.wait(by_file("apikey"))
        assert server.run(server.conversation())["reply"] == "here you are"
        assert told(reader) == [("apikey", "auth_file")]


def test_it_is_seen_also_when_nobody_asks(server: Server, site: LoginSite) -> None:
    with server.read_all("?after=latest") as reader:
        site.codex_login(BOB)
        event = reader.wait(by_file("chatgpt"))
        assert event["data"]["planType"] == "plus"
        settled(server)
        assert server.get("/auth/status")["email"] == "bob@example.com"
        assert server.run(server.conversation())["reply"] == "here you are"
        assert bearer(site) == "bob@example.com"
        assert told(reader) == [("chatgpt", "auth_file")], "what the new core repeats is left out"


def test_a_sign_out_of_the_cli_is_seen_and_told_once(server: Server, site: LoginSite) -> None:
    site.codex_login(ADA)
    settled(server)
    with server.read_all("?after=latest") as reader:
        site.codex("logout")
        status = server.get("/auth/status")
        assert (status["authenticated"], status["reason"]) == (False, "not_signed_in")
        reader.wait(by_file(None))
        settled(server)
        status = server.get("/auth/status")
        assert (status["authenticated"], status["reason"]) == (False, "not_signed_in")
        assert told(reader) == [(None, "auth_file")]


def test_another_account_takes_over_without_a_restart(server: Server, site: LoginSite) -> None:
    site.codex_login(ADA)
    settled(server)
    here = server.conversation()
    server.run(here)
    assert bearer(site) == "ada@example.com"
    site.codex_login(BOB)
    assert server.get("/auth/status")["email"] == "bob@example.com"
    assert server.run(here)["reply"] == "here you are"
    assert bearer(site) == "bob@example.com"


def test_another_key_is_used_for_the_next_message(server: Server, site: LoginSite) -> None:
    first, second = site.issuer.ledger.new_key(), site.issuer.ledger.new_key()
    here = server.conversation()
    for key in (first, second):
        site.codex("login", "--with-api-key", stdin=key)
        assert server.get("/auth/status")["auth_mode"] == "apikey"
        server.run(here)
        assert site.provider.requests[-1].headers["authorization"] == f"Bearer {key}"


def test_a_turn_that_runs_is_left_alone_and_the_next_message_waits_for_its_end(
    server: Server, site: LoginSite
) -> None:
    site.codex_login(ADA)
    settled(server)
    busy, other, gate = server.conversation(), server.conversation(), Gate()
    site.provider.expect(Text(["half ", gate, "an answer"]))
    with server.read(busy) as reader, server.read(other) as second:
        server.send(busy)
        gate.wait_reached()
        site.codex_login(BOB)
        assert "as soon as no turn runs" in server.get("/auth/status")["detail"]
        assert server.send(other)["status"] == "queued"
        gate.open()
        assert reader.wait_type("turn/completed")["status"] == "completed"
        assert second.wait_type("turn/completed")["status"] == "completed"
    assert bearer(site) == "bob@example.com"


def test_a_command_in_the_background_does_not_hold_a_login_up(
    server: Server, site: LoginSite
) -> None:
    site.codex_login(ADA)
    settled(server)
    here = server.conversation()
    site.provider.expect(Command("sleep 600", yield_ms=250))
    server.run(here)
    with server.read(here, "?after=latest") as reader:
        site.codex_login(BOB)
        assert server.run(here)["reply"] == "here you are"
        reader.wait(lambda e: e["type"] in ("item/discarded", "item/completed"))
    assert bearer(site) == "bob@example.com"


def test_a_refresh_by_another_codex_is_no_news(server: Server, site: LoginSite) -> None:
    site.codex_login(ADA)
    settled(server)
    with server.read_all("?after=latest") as reader:
        pid = server.core().pid
        site.issuer.write_login(site.home, ADA)  # other tokens of the same person
        assert server.run(server.conversation())["reply"] == "here you are"
        assert server.get("/auth/status")["email"] == "ada@example.com"
        assert server.core().pid == pid, "the core was not started anew"
        assert told(reader) == []


def test_an_unreadable_file_is_said(server: Server, site: LoginSite) -> None:
    site.codex_login(ADA)
    settled(server)
    (site.home / "auth.json").write_text("{ half of a")
    until(lambda: server.get("/auth/status")["reason"] == "account_unreadable", "it is noticed")
    site.codex_login(BOB)
    settled(server)
    assert server.get("/auth/status")["email"] == "bob@example.com"


def test_a_file_without_meaning_for_the_provider_disturbs_nothing(site: LoginSite) -> None:
    site.configure(requires_openai_auth=False)
    site.provider.authorise = None
    with start(site) as server:
        server.wait_ready()
        pid = server.core().pid
        site.codex("login", "--with-api-key", stdin=site.issuer.ledger.new_key())
        assert server.get("/auth/status")["reason"] == "provider_needs_no_login"
        assert server.run(server.conversation())["reply"] == "here you are"
        assert server.core().pid == pid


def test_after_a_restart_a_core_that_goes_on_gets_the_login_of_meanwhile(site: LoginSite) -> None:
    site.codex_login(ADA)
    with start(site) as first:
        first.wait_ready()
        assert first.get("/auth/status")["email"] == "ada@example.com"
        first.kill()
    site.codex_login(BOB)
    with start(site) as second:
        second.wait_ready()
        until(lambda: second.get("/auth/status")["email"] == "bob@example.com", "it is noticed")
        settled(second)
        assert second.run(second.conversation())["reply"] == "here you are"
    assert bearer(site) == "bob@example.com"
