"""What /auth/status says of a login that is there and does not work, and of one that does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from codex_http_server.testing.answers import Text
from codex_http_server.testing.issuer import Trouble
from tests.support.commands import until
from tests.support.server import Server, start
from tests.support.signin import LoginSite, Witness


@pytest.fixture
def site(login_site: LoginSite) -> LoginSite:
    """Nobody is signed in yet."""
    login_site.provider.script = lambda _: [Text("here you are")]
    return login_site


@pytest.fixture
def server(site: LoginSite) -> Iterator[Server]:
    """A server on a home whose login was good when it started."""
    site.issuer.write_login(site.home)
    with start(site) as running:
        running.wait_ready()
        witness = Witness(running)
        yield running
    witness.check()


REFUSALS = [
    ("refresh_token_expired", "expired"),
    ("refresh_token_reused", "refresh_refused"),
    ("refresh_token_invalidated", "revoked"),
]


@pytest.mark.parametrize(("refusal", "reason"), REFUSALS)
def test_a_refused_refresh_is_a_reason_once_a_turn_has_met_it(
    server: Server, site: LoginSite, refusal: str, reason: str
) -> None:
    assert server.get("/auth/status")["authenticated"]
    site.issuer.ledger.expire_access()
    site.issuer.refuse_refresh = refusal
    here = server.conversation()
    with server.read(here) as reader:
        server.send(here)
        reader.wait_type("turn/completed")
    status = server.get("/auth/status")
    assert (status["authenticated"], status["reason"]) == (False, reason)
    assert (status["email"], status["plan_type"]) == ("ada@example.com", "pro")
    assert "sign" in status["detail"]
    assert "POST /auth/login" in status["hint"]


@pytest.mark.parametrize("refusal", [refusal for refusal, _ in REFUSALS])
def test_a_login_that_is_over_at_the_start_is_said_before_any_turn(
    site: LoginSite, refusal: str
) -> None:
    site.issuer.write_login(site.home, expires_in=-60)
    site.issuer.refuse_refresh = refusal
    with start(site) as server:
        server.wait_ready()
        status = server.get("/auth/status")
        assert (status["authenticated"], status["reason"]) == (False, "expired")
        assert (status["auth_mode"], status["email"]) == ("chatgpt", "ada@example.com")


def test_a_token_about_to_end_is_renewed_once_and_nobody_hears_of_it(site: LoginSite) -> None:
    site.issuer.write_login(site.home, expires_in=120)
    with start(site) as server:
        server.wait_ready()
        here = server.conversation()
        assert server.run(here)["reply"] == "here you are"
        assert server.run(here)["reply"] == "here you are"
        assert server.get("/auth/status")["reason"] is None
        assert not site.provider.refused
        assert server.get("/health")["core"]["state"] == "ready"
        kinds = [event["type"] for event in server.events(here)]
        assert "error" not in kinds
        assert "auth/required" not in kinds
    assert site.issuer.calls["refresh"] == 1


def test_a_backend_that_is_down_is_not_a_login_that_is_bad(site: LoginSite) -> None:
    site.issuer.write_login(site.home)
    site.issuer.trouble["accounts"] = Trouble(500)
    with start(site) as server:
        server.wait_ready()
        status = server.get("/auth/status")
        assert (status["authenticated"], status["reason"]) == (False, "account_unreadable")
        assert status["email"] == "ada@example.com"
        site.issuer.trouble.clear()
        until(lambda: server.get("/auth/status")["authenticated"], "the backend is back")


def test_nobody_and_a_provider_that_wants_nobody(site: LoginSite) -> None:
    with start(site) as server:
        server.wait_ready()
        assert server.get("/auth/status")["reason"] == "not_signed_in"
    site.configure(requires_openai_auth=False)
    with start(site) as server:
        server.wait_ready()
        status = server.get("/auth/status")
        assert (status["reason"], status["requires_login"]) == ("provider_needs_no_login", False)
        assert status["hint"] is None


def test_a_damaged_file_is_said(site: LoginSite) -> None:
    (site.home / "auth.json").write_text("{ half of a")
    with start(site) as server:
        server.wait_ready()
        assert server.get("/auth/status")["reason"] == "account_unreadable"
