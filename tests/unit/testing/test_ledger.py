"""The books of the login issuer: what is good, and what is refused why."""

from __future__ import annotations

import base64
import json

import pytest

from codex_http_server.testing.ledger import Ledger, Refused
from codex_http_server.testing.tokens import SECRET_MARK, Person, marked

ADA = Person()


def test_a_login_gives_an_access_token_that_is_good() -> None:
    ledger = Ledger()
    tokens = ledger.sign_in(ADA)
    assert ledger.good(tokens.access)
    assert ledger.holder(tokens.access) == ADA
    assert not ledger.good(tokens.access + "x")


def test_each_refresh_token_is_good_once() -> None:
    ledger = Ledger()
    first = ledger.sign_in(ADA)
    second = ledger.refresh(first.refresh)
    assert ledger.good(second.access)
    with pytest.raises(Refused, match="refresh_token_reused"):
        ledger.refresh(first.refresh)
    assert ledger.refresh(second.refresh).refresh != second.refresh


def test_a_revoked_login_has_no_good_token_left() -> None:
    ledger = Ledger()
    tokens, other = ledger.sign_in(ADA), ledger.sign_in(Person(email="b@example.com"))
    assert ledger.revoke(tokens.refresh)
    assert not ledger.good(tokens.access)
    with pytest.raises(Refused, match="refresh_token_invalidated"):
        ledger.refresh(tokens.refresh)
    assert ledger.good(other.access)
    assert not ledger.revoke("unknown")


def test_access_tokens_can_be_ended_while_their_refresh_token_stays_good() -> None:
    ledger = Ledger()
    tokens = ledger.sign_in(ADA)
    ledger.expire_access()
    assert not ledger.good(tokens.access)
    assert ledger.good(ledger.refresh(tokens.refresh).access)


def test_a_token_past_its_end_is_not_good() -> None:
    ledger = Ledger()
    assert not ledger.good(ledger.sign_in(ADA, lifetime=-1).access)


def test_the_claims_are_what_the_core_reads() -> None:
    payload = Ledger().sign_in(ADA).id.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["email"] == ADA.email
    assert claims["https://api.openai.com/auth"]["chatgpt_account_id"] == ADA.account


def test_every_secret_is_marked_whole_and_in_parts() -> None:
    ledger = Ledger()
    tokens = ledger.sign_in(ADA)
    for secret in (tokens.id, tokens.access, tokens.refresh, ledger.new_key()):
        assert SECRET_MARK in secret
    header, payload, signature = tokens.access.split(".")
    assert marked(f"the payload: {payload}")
    assert marked(f"the signature: {signature}")
    assert not marked(header)
