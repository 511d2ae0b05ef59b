"""Who the core is signed in as, and the merged rate limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from codex_http_server.accounts.accounts import Accounts
from codex_http_server.accounts.logins import Logins
from codex_http_server.engine.base import Account, CoreState, Engine
from codex_http_server.errors import CoreRefused, CoreUnavailable, ServerError
from codex_http_server.events import Draft, raw


class Core:
    """What accounts ask of an engine."""

    state = CoreState("ready")

    def __init__(self, answer: Account | ServerError) -> None:
        self.answer = answer

    async def read_account(self) -> Account:
        if isinstance(self.answer, ServerError):
            raise self.answer
        return self.answer


def accounts(answer: Account | ServerError | None = None) -> Accounts:
    engine = cast(Engine, Core(answer or Account(requires_login=True)))
    nowhere = Path("/nowhere")
    logins = Logins(engine, 900, nowhere)
    return Accounts(engine, nowhere, logins, append=lambda _: None, renew=lambda: None)


def limits(of: Accounts, **fields: Any) -> dict[str, Any] | None:
    """The limits as they are passed on, or None if they are not."""
    draft = Draft("account/rateLimits/updated", raw({"rateLimits": fields}), 0)
    passed = of.on_server_event(draft)
    return None if passed is None else msgspec.json.decode(passed.data)["rateLimits"]


# --- rate limits ---------------------------------------------------------------------------


def test_nulls_do_not_wipe_what_is_known() -> None:
    one = accounts()
    assert limits(one, limitId="codex", primary={"usedPercent": 1}, planType="pro") == {
        "limitId": "codex",
        "primary": {"usedPercent": 1},
        "planType": "pro",
    }
    assert limits(one, limitId="codex", primary={"usedPercent": 2}, planType=None) == {
        "limitId": "codex",
        "primary": {"usedPercent": 2},
        "planType": "pro",
    }


def test_what_says_nothing_new_is_not_passed_on() -> None:
    one = accounts()
    assert limits(one, limitId="codex", primary=None) is None
    assert limits(one, limitId="codex", primary={"usedPercent": 1}) is not None
    assert limits(one, limitId="codex", primary={"usedPercent": 1}, credits=None) is None
    assert limits(one) is None


def test_two_limits_are_kept_apart() -> None:
    one = accounts()
    limits(one, limitId="a", planType="pro")
    assert limits(one, limitId="b", primary={}) == {"limitId": "b", "primary": {}}
    assert limits(one, limitId=None, credits={}) == {"credits": {}}


def test_merged_limits_say_that_they_are_ours() -> None:
    draft = Draft("account/rateLimits/updated", raw({"rateLimits": {"planType": "x"}}), 0)
    passed = accounts().on_server_event(draft)
    assert passed is not None
    assert passed.synthetic == "merged"


@pytest.mark.parametrize("params", [{}, {"rateLimits": None}, {"rateLimits": {}}])
def test_an_update_without_limits_is_dropped(params: dict[str, Any]) -> None:
    draft = Draft("account/rateLimits/updated", raw(params), 0)
    assert accounts().on_server_event(draft) is None


def test_any_other_event_passes_unchanged() -> None:
    draft = Draft("account/updated", raw({"planType": None}), 0)
    assert accounts().on_server_event(draft) is draft
    assert draft.synthetic is None


# --- the account ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        (Account(True, "chatgpt", "a@b.c", "pro"), (True, "chatgpt", "a@b.c", "pro", True, None)),
        (Account(True, "apikey"), (True, "apikey", None, None, True, None)),
        (Account(True), (False, None, None, None, True, "not_signed_in")),
        (Account(False), (False, None, None, None, False, "provider_needs_no_login")),
    ],
)
async def test_the_status_says_who_and_why_not(account: Account, expected: tuple[Any, ...]) -> None:
    one = accounts(account)
    assert one.last is None
    status = await one.status()
    names = ("authenticated", "auth_mode", "email", "plan_type", "requires_login", "reason")
    assert {name: status[name] for name in names} == dict(zip(names, expected, strict=True))
    assert one.last == status


async def test_a_core_that_can_not_read_its_account_is_a_reason_and_not_an_error() -> None:
    status = await accounts(CoreRefused("auth.json is broken")).status()
    assert (status["authenticated"], status["reason"]) == (False, "account_unreadable")
    assert status["detail"] == "auth.json is broken"


async def test_a_core_that_is_not_there_is_an_error() -> None:
    with pytest.raises(CoreUnavailable):
        await accounts(CoreUnavailable("starting")).status()
