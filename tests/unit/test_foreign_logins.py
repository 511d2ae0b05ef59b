"""What becomes of a change of auth.json: whose it is, who is told, and whether the core is new."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from codex_http_server.accounts import accounts as module
from codex_http_server.accounts.accounts import Accounts
from codex_http_server.accounts.logins import Logins
from codex_http_server.engine.base import (
    Account,
    CoreState,
    Engine,
    LoginRules,
    LoginStarted,
    OnLogin,
)
from codex_http_server.errors import CoreUnavailable
from codex_http_server.events import Draft, raw
from codex_http_server.testing.issuer import Issuer
from codex_http_server.testing.tokens import Person

BOB = Person("bob@example.com", "plus", "acct-bob", "user-bob")


class Core:
    """A core that keeps the login which it was started with."""

    state = CoreState("ready")

    def __init__(self) -> None:
        self.account = Account(requires_login=True)
        self.gone = False
        self.token: str | None = None

    def holds(self, person: Person) -> None:
        self.account = Account(True, "chatgpt", person.email, person.plan, person.account)

    async def read_account(self) -> Account:
        if self.gone:
            raise CoreUnavailable("it ended")
        return self.account

    async def login_rules(self) -> LoginRules:
        return LoginRules()

    async def held_token(self) -> str | None:
        return self.token

    async def start_login(self, method: str, on_started: OnLogin) -> None:
        on_started(LoginStarted("core-1", "http://issuer/"))

    async def cancel_login(self, login_id: str) -> None:
        pass


class Home:
    """Accounts on a home, and what they did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.issuer = Issuer()
        self.core = Core()
        self.told: list[tuple[str | None, str | None]] = []
        self.renewed = 0
        engine = cast(Engine, self.core)
        logins = Logins(engine, 900, folder / "login.id")
        self.accounts = Accounts(engine, folder, logins, append=self._append, renew=self._renew)

    def _append(self, draft: Draft) -> None:
        body: dict[str, Any] = msgspec.json.decode(draft.data)
        assert draft.synthetic == "auth_file"
        self.told.append((body["authMode"], body["planType"]))

    def _renew(self) -> None:
        self.renewed += 1

    def signs_in(self, person: Person) -> None:
        """Another program does."""
        self.issuer.write_login(self.folder, person)

    def new_core(self, person: Person) -> None:
        """The core was started anew."""
        self.core.holds(person)
        self.accounts.on_core(CoreState("restarting"))
        self.accounts.on_core(CoreState("ready"))

    def core_says(self, mode: str | None, plan: str | None) -> bool:
        """The core's `account/updated`; whether it is passed on."""
        body = {"authMode": mode, "planType": plan}
        return self.accounts.on_server_event(Draft("account/updated", raw(body), 0)) is not None


@pytest.fixture
async def home(tmp_path: Path) -> Home:
    """Nobody is signed in, and that was seen."""
    made = Home(tmp_path)
    assert (await made.accounts.status())["reason"] == "not_signed_in"
    return made


async def test_a_change_is_told_once_and_wants_a_new_core(home: Home) -> None:
    home.signs_in(BOB)
    for _ in range(3):
        status = await home.accounts.status()
        assert (status["authenticated"], status["email"]) == (True, BOB.email)
        assert "as soon as no turn runs" in status["detail"]
    assert (home.told, home.renewed) == ([("chatgpt", "plus")], 1)
    home.new_core(BOB)
    assert (await home.accounts.status())["detail"] is None
    assert home.told == [("chatgpt", "plus")]


async def test_what_a_new_core_repeats_is_left_out_and_news_is_not(home: Home) -> None:
    home.signs_in(BOB)
    await home.accounts.status()
    home.new_core(BOB)
    assert not home.core_says("chatgpt", "plus")
    assert home.core_says("chatgpt", "pro")
    assert home.core_says("chatgpt", "plus")


async def test_a_second_change_while_the_first_waits_is_told_and_needs_no_second_core(
    home: Home,
) -> None:
    home.signs_in(BOB)
    await home.accounts.status()
    (home.folder / "auth.json").unlink()
    status = await home.accounts.status()
    assert (status["authenticated"], status["reason"]) == (False, "not_signed_in")
    assert (home.told, home.renewed) == ([("chatgpt", "plus"), (None, None)], 1)


async def test_a_change_while_a_core_starts_is_looked_at_again(home: Home) -> None:
    home.signs_in(Person())
    await home.accounts.status()
    home.accounts.on_core(CoreState("restarting"))
    home.signs_in(BOB)  # which of the two it has read, nobody knows
    home.core.holds(Person())
    home.accounts.on_core(CoreState("ready"))
    await home.accounts.status()
    assert home.renewed == 2


async def test_a_core_that_has_taken_the_login_in_by_itself_is_kept(home: Home) -> None:
    tokens = home.issuer.write_login(home.folder, BOB)  # and a refused turn made it look
    home.core.holds(BOB)
    home.core.token = tokens.access
    assert (await home.accounts.status())["email"] == BOB.email
    assert (home.told, home.renewed) == ([("chatgpt", "plus")], 0)


async def test_new_tokens_of_the_same_person_are_nobody_s_business(home: Home) -> None:
    home.signs_in(BOB)
    await home.accounts.status()
    home.new_core(BOB)
    await home.accounts.status()
    home.signs_in(BOB)
    await home.accounts.status()
    assert (len(home.told), home.renewed) == (1, 1)


async def test_new_tokens_in_place_of_refused_ones_want_a_new_core(home: Home) -> None:
    home.signs_in(BOB)
    await home.accounts.status()
    home.new_core(BOB)
    home.accounts.note_refusal("revoked", "it was revoked")
    assert (await home.accounts.status())["reason"] == "revoked"
    home.signs_in(BOB)
    assert (await home.accounts.status())["reason"] is None
    assert home.renewed == 2


async def test_a_refusal_stands_until_a_turn_gets_through(home: Home) -> None:
    home.signs_in(BOB)
    await home.accounts.status()
    home.new_core(BOB)
    home.accounts.note_refusal("key_refused", "Incorrect key sk-abcdefgh1234")
    assert (await home.accounts.status())["detail"] == "Incorrect key [removed]"
    home.accounts.note_success()
    assert (await home.accounts.status())["reason"] is None


async def test_what_our_own_login_writes_is_left_to_the_core_to_tell(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = await home.accounts.sign_in("browser", None)
    home.signs_in(BOB)  # as the core does, before it says that the login succeeded
    await home.accounts.status()
    assert (home.told, home.renewed, login.state) == ([], 0, "pending")
    home.core.holds(BOB)
    home.accounts.logins.on_completed({"loginId": "core-1", "success": True})
    assert home.core_says("chatgpt", "plus")
    await home.accounts.status()
    assert (home.told, home.renewed, login.state) == ([], 0, "succeeded")
    # But not for ever: another program may do it while ours is pending.
    monkeypatch.setattr(module, "GRACE", 0.0)
    login = await home.accounts.sign_in("browser", None)
    home.signs_in(Person())
    await home.accounts.status()
    assert (home.renewed, login.state) == (1, "cancelled")
    assert login.error is not None
    assert login.error["code"] == "superseded"


async def test_a_change_that_could_not_be_taken_in_is_seen_again(home: Home) -> None:
    home.signs_in(BOB)
    home.core.gone = True
    with pytest.raises(CoreUnavailable):
        await home.accounts.status()
    home.core.gone = False
    await home.accounts.status()
    assert (home.told, home.renewed) == ([("chatgpt", "plus")], 1)


async def test_a_provider_that_wants_no_login_is_left_alone(home: Home) -> None:
    home.core.account = Account(requires_login=False)
    home.signs_in(BOB)
    assert (await home.accounts.status())["reason"] == "provider_needs_no_login"
    assert home.renewed == 0
