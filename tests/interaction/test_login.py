"""Signing in over HTTP, with the real core against an issuer of ours."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from codex_http_server.api.schemas import AuthStatus, LoginView
from codex_http_server.testing.answers import Text
from codex_http_server.testing.issuer import Trouble
from codex_http_server.testing.reader import Event
from codex_http_server.testing.tokens import Person, marked
from tests.support.codes import refused
from tests.support.commands import until
from tests.support.server import Server, start
from tests.support.signin import LoginSite, Witness, browser_ports, is_free, stranger

BOB = Person("bob@example.com", "plus", "acct-bob", "user-bob")


@pytest.fixture
def site(login_site: LoginSite) -> LoginSite:
    """Nobody is signed in yet."""
    login_site.provider.script = lambda _: [Text("here you are")]
    return login_site


@pytest.fixture
def server(site: LoginSite) -> Iterator[Server]:
    """A server on that home; at the end no secret may be in anything that it gave away."""
    with start(site) as running:
        running.wait_ready()
        witness = Witness(running)
        yield running
        written = [str(event) for event in everything(running)]
    witness.check(*written)


@pytest.fixture
def ports() -> Iterator[None]:
    """The ports of browser logins are ours."""
    with browser_ports():
        yield


def everything(server: Server) -> list[Event]:
    """All events of server and account so far."""
    found: list[Event] = []
    after = ""
    while True:
        page = server.get(f"/events?account=1&after={after}" if after else "/events?account=1")
        found += page["data"]
        after = page["next_after"]
        if not page["data"]:
            return found


def accounts(server: Server) -> list[tuple[str | None, str | None]]:
    """Who was told to be signed in, and by whom: `(auth mode, synthetic)` of each event."""
    return [
        (event["data"]["authMode"], event.get("synthetic"))
        for event in everything(server)
        if event["type"] == "account/updated"
    ]


def check_accounts(server: Server, *modes: str | None, more: bool = False) -> None:
    """The core itself has told of these, and of no others unless there may be `more`. It tells of
    a change after its answer."""
    until(lambda: len(accounts(server)) >= len(modes), "the core has told of it")
    found = accounts(server)
    assert [mode for mode, _ in found[: len(modes) if more else None]] == list(modes)
    assert all(synthetic is None for _, synthetic in found)


def checked(login: dict[str, Any]) -> dict[str, Any]:
    """A login, which is what its model says."""
    LoginView.model_validate(login, strict=True)
    return login


def begin(server: Server, method: str = "browser", **more: Any) -> dict[str, Any]:
    """A login that is pending."""
    answer = server.client.post("/auth/login", json={"method": method, **more})
    assert answer.status_code == 201, answer.text
    login = checked(answer.json())
    assert answer.headers["location"] == f"/auth/login/{login['id']}"
    assert answer.headers["cache-control"] == "no-store"
    return login


def ended(server: Server, login: dict[str, Any]) -> dict[str, Any]:
    """The login, once it has ended."""
    found = checked(server.get(f"/auth/login/{login['id']}?wait=20"))
    assert found["state"] != "pending"
    assert found["ended_at"] is not None
    return found


# --- in a browser --------------------------------------------------------------------------


@pytest.mark.usefixtures("ports")
def test_a_browser_login_from_the_page_to_the_first_message(
    server: Server, site: LoginSite
) -> None:
    assert server.get("/auth/status")["reason"] == "not_signed_in"
    login = begin(server)
    assert (login["state"], login["user_code"], login["error"]) == ("pending", None, None)
    assert "device_code" in login["note"]
    assert server.get("/auth/status")["login"] == login["id"]
    code, landed = site.issuer.browse(login["url"])
    assert (code, urlsplit(landed).path) == (200, "/success")
    assert ended(server, login)["state"] == "succeeded"
    status = server.get("/auth/status")
    assert status.pop("core")["state"] == "ready"
    assert status == {
        "authenticated": True,
        "auth_mode": "chatgpt",
        "email": "ada@example.com",
        "plan_type": "pro",
        "requires_login": True,
        "reason": None,
        "detail": None,
        "hint": None,
        "stale": False,
        "login": None,
    } | {"also_using_home": server.get("/auth/status")["also_using_home"]}
    assert server.run(server.conversation())["reply"] == "here you are"
    check_accounts(server, "chatgpt")  # the core's own word, and no second one
    assert site.codex("login", "status").stderr == "Logged in using ChatGPT\n"


@pytest.mark.usefixtures("ports")
@pytest.mark.parametrize(
    ("page", "code"),
    [("deny", "denied"), ("wrong_code", "exchange_failed"), ("no_code", "no_code")],
)
def test_a_browser_login_that_ends_badly_says_how(
    server: Server, site: LoginSite, page: str, code: str
) -> None:
    site.issuer.authorize = page
    login = begin(server)
    site.issuer.browse(login["url"])
    found = ended(server, login)
    assert (found["state"], found["error"]["code"]) == ("failed", code)
    assert found["error"]["hint"]
    assert server.get("/auth/status")["reason"] == "not_signed_in"
    site.issuer.authorize = "allow"
    site.issuer.browse(begin(server)["url"])  # and the next one is not in its way


@pytest.mark.usefixtures("ports")
def test_a_browser_that_brings_a_wrong_state_changes_nothing(
    server: Server, site: LoginSite
) -> None:
    login = begin(server)
    site.issuer.authorize = "wrong_state"
    assert site.issuer.browse(login["url"])[0] == 400
    assert server.get(f"/auth/login/{login['id']}")["state"] == "pending"
    site.issuer.authorize = "allow"
    assert site.issuer.browse(login["url"])[0] == 200
    assert ended(server, login)["state"] == "succeeded"


@pytest.mark.usefixtures("ports")
def test_signing_in_as_somebody_else_while_signed_in(server: Server, site: LoginSite) -> None:
    first = begin(server)
    site.issuer.browse(first["url"])
    assert ended(server, first)["state"] == "succeeded"
    site.issuer.person = BOB
    login = begin(server)
    assert server.get("/auth/status")["email"] == "ada@example.com"
    site.issuer.browse(login["url"])
    assert ended(server, login)["state"] == "succeeded"
    assert server.get("/auth/status")["email"] == "bob@example.com"
    check_accounts(server, "chatgpt", "chatgpt")
    assert server.get("/health")["core"]["state"] == "ready"


@pytest.mark.usefixtures("ports")
def test_the_address_of_a_browser_elsewhere_can_be_pasted(server: Server, site: LoginSite) -> None:
    login = begin(server)
    _, pasted = site.issuer.browse(login["url"], follow=False)
    answer = server.client.post(f"/auth/login/{login['id']}", json={"callback_url": pasted})
    assert answer.status_code == 200
    assert answer.json()["state"] == "succeeded"
    assert server.get("/auth/status")["email"] == "ada@example.com"
    again = server.client.post(f"/auth/login/{login['id']}", json={"callback_url": pasted})
    refused(again, 409, "login_ended")


@pytest.mark.usefixtures("ports")
def test_only_the_answer_to_this_login_can_be_pasted(server: Server, site: LoginSite) -> None:
    login = begin(server)
    path = f"/auth/login/{login['id']}"
    _, right = site.issuer.browse(login["url"], follow=False)
    state = parse_qs(urlsplit(right).query)["state"][0]

    def paste(url: str) -> Any:
        return server.client.post(path, json={"callback_url": url})

    refused(paste(right.replace(state, "x")), 422, "login_state_mismatch")
    for wrong in (
        right.replace("127.0.0.1", "example.com"),
        right.replace("1455", "1456"),
        right.replace("/auth/callback", "/cancel"),
        right.replace("http://", "https://"),
        right.replace("http://127", "http://127.0.0.1:1455@127"),
        f"http://127.0.0.1:1455/auth/callback?state={state}",
        "what?",
        "http://[::1",
    ):
        refused(paste(wrong), 422, "invalid_request", field="callback_url")
    assert server.get(path)["state"] == "pending"
    assert paste(right).json()["state"] == "succeeded"


# --- with a code ---------------------------------------------------------------------------


def test_a_device_login(server: Server, site: LoginSite) -> None:
    login = begin(server, "device_code")
    assert login["url"] == f"{site.issuer.url}/codex/device"
    assert server.get(f"/auth/login/{login['id']}?wait=0.1")["state"] == "pending"
    site.issuer.approve_device(login["user_code"], BOB)
    assert ended(server, login)["state"] == "succeeded"
    assert server.get("/auth/status")["email"] == "bob@example.com"


def test_a_device_login_that_is_refused(server: Server, site: LoginSite) -> None:
    login = begin(server, "device_code")
    site.issuer.deny_device(login["user_code"])
    found = ended(server, login)
    assert (found["state"], found["error"]["code"]) == ("failed", "denied")


def test_an_issuer_in_trouble_is_named(server: Server, site: LoginSite) -> None:
    site.issuer.trouble["usercode"] = Trouble(500)
    answer = server.client.post("/auth/login", json={"method": "device_code"})
    refused(answer, 503, "login_issuer_failed")
    assert server.get("/auth/status")["login"] is None
    del site.issuer.trouble["usercode"]
    begin(server, "device_code")


# --- with a key ----------------------------------------------------------------------------


def test_an_api_key_signs_in_at_once(server: Server, site: LoginSite) -> None:
    login = begin(server, "api_key", api_key=site.issuer.ledger.new_key())
    assert (login["state"], login["url"]) == ("succeeded", None)
    status = server.get("/auth/status")
    assert (status["authenticated"], status["auth_mode"]) == (True, "apikey")
    assert server.run(server.conversation())["reply"] == "here you are"
    check_accounts(server, "apikey")


@pytest.mark.parametrize("key", ["", "  ", "short", "with a blank", "ümläutü-key", "x" * 1001])
def test_what_is_no_key_is_refused_and_not_repeated(server: Server, key: str) -> None:
    answer = server.client.post("/auth/login", json={"method": "api_key", "api_key": key})
    refused(answer, 422, "invalid_request", field="api_key")
    assert len(key) < 4 or key not in answer.text
    assert server.get("/auth/status")["reason"] == "not_signed_in"


def test_a_key_belongs_to_its_method(server: Server, site: LoginSite) -> None:
    key = site.issuer.ledger.new_key()
    for body in ({"method": "api_key"}, {"method": "browser", "api_key": key}, {"method": "x"}):
        answer = server.client.post("/auth/login", json=body)
        refused(answer, 422, "invalid_request")


# --- one at a time, and its end ------------------------------------------------------------


def test_a_second_login_is_told_of_the_first(server: Server) -> None:
    first = begin(server, "device_code")
    for method in ("device_code", "browser"):
        answer = server.client.post("/auth/login", json={"method": method})
        found = refused(answer, 409, "login_in_progress")
        assert found["login_id"] == first["id"]
        assert f"DELETE /auth/login/{first['id']}" in found["hint"]
    assert server.get(f"/auth/login/{first['id']}")["state"] == "pending"


@pytest.mark.usefixtures("ports")
def test_cancelling_frees_the_port_and_can_be_repeated(server: Server) -> None:
    login = begin(server)
    assert not is_free(1455)
    for _ in range(2):
        answer = server.client.delete(f"/auth/login/{login['id']}")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    until(lambda: is_free(1455), "the core has left its port")
    assert server.get("/auth/status")["login"] is None
    assert ended(server, begin(server) | {"id": login["id"]})["state"] == "cancelled"


@pytest.mark.parametrize("method", ["browser", "device_code"])
@pytest.mark.usefixtures("ports")
def test_a_login_expires(site: LoginSite, method: str) -> None:
    with start(site, "--login-limit", "1") as server:
        server.wait_ready()
        login = begin(server, method)
        assert ended(server, login)["state"] == "expired"
        until(lambda: is_free(1455), "the core has left its port")
        with server.read_all() as reader:  # the core was told, too
            done = reader.wait_type("account/login/completed")
        assert done["data"]["success"] is False


@pytest.mark.usefixtures("ports")
def test_a_port_that_is_taken_is_named_and_another_way_offered(server: Server) -> None:
    with stranger(1455), stranger(1457):
        answer = server.client.post("/auth/login", json={"method": "browser"})
        found = refused(answer, 409, "login_port_taken")
    assert set(found["holders"]) == {"1455", "1457"}
    assert f"pid {os.getpid()}" in found["detail"]
    assert "device_code" in found["hint"]
    assert server.get("/auth/status")["login"] is None


@pytest.mark.usefixtures("ports")
def test_the_second_port_is_as_good_as_the_first(server: Server, site: LoginSite) -> None:
    with stranger(1455):
        login = begin(server)
        _, pasted = site.issuer.browse(login["url"], follow=False)
        assert pasted.startswith("http://127.0.0.1:1457/auth/callback?")
        assert site.issuer.browse(login["url"])[0] == 200
    assert ended(server, login)["state"] == "succeeded"


def test_logins_that_are_not_there(server: Server, site: LoginSite) -> None:
    refused(server.client.get("/auth/login/nobody"), 404, "login_not_found")
    refused(server.client.delete("/auth/login/nobody"), 404, "login_not_found")
    login = begin(server, "device_code")
    path, body = f"/auth/login/{login['id']}", {"callback_url": "http://127.0.0.1:1455/"}
    refused(server.client.post(path, json=body), 422, "invalid_request", field="callback_url")
    server.client.delete(path)
    for _ in range(16):
        begin(server, "api_key", api_key=site.issuer.ledger.new_key())
    refused(server.client.get(path), 404, "login_not_found")


def test_a_core_that_dies_takes_its_login_with_it(server: Server) -> None:
    login = begin(server, "device_code")
    server.core().kill()
    found = ended(server, login)
    assert (found["state"], found["error"]["code"]) == ("failed", "core_lost")
    with server.read_all() as reader:
        reader.wait(lambda e: e["type"] == "core/state" and e["status"] == "restarting")
    until(lambda: server.get("/health")["core"]["state"] == "ready", "there is a new core")
    begin(server, "device_code")


@pytest.mark.usefixtures("ports")
def test_after_a_killed_server_the_core_that_goes_on_waits_for_no_browser(
    site: LoginSite,
) -> None:
    with start(site) as first:
        first.wait_ready()
        login = begin(first)
        first.kill()
    assert not is_free(1455)
    with start(site) as second:
        second.wait_ready()
        until(lambda: is_free(1455), "the login of the earlier server is cancelled")
        refused(second.client.get(f"/auth/login/{login['id']}"), 404, "login_not_found")
        begin(second)


# --- out -----------------------------------------------------------------------------------


def test_signing_out(server: Server, site: LoginSite) -> None:
    begin_and_approve(server, site)
    pending = begin(server, "device_code")
    status = server.post("/auth/logout", {}, 200)
    AuthStatus.model_validate(status, strict=True)
    assert (status["authenticated"], status["reason"]) == (False, "not_signed_in")
    assert site.issuer.calls["revoke"] == 1
    assert not (site.home / "auth.json").exists()
    assert server.get(f"/auth/login/{pending['id']}")["state"] == "cancelled"
    assert server.post("/auth/logout", {}, 200)["reason"] == "not_signed_in"
    check_accounts(server, "chatgpt", None, more=True)
    assert site.codex("login", "status").stderr == "Not logged in\n"


def begin_and_approve(server: Server, site: LoginSite) -> None:
    login = begin(server, "device_code")
    site.issuer.approve_device(login["user_code"])
    assert ended(server, login)["state"] == "succeeded"


# --- what the configuration demands --------------------------------------------------------


def demand(site: LoginSite, line: str) -> None:
    """Put a line at the top of the core's configuration."""
    path = site.home / "config.toml"
    path.write_text(f"{line}\n{path.read_text()}")


def test_a_login_of_a_workspace_that_is_not_allowed(site: LoginSite) -> None:
    demand(site, 'forced_chatgpt_workspace_id = "acct-other"')
    site.issuer.write_login(site.home)
    with start(site) as server:
        server.wait_ready()
        status = server.get("/auth/status")
        assert (status["authenticated"], status["reason"]) == (False, "wrong_workspace")
        assert "acct-other" in status["detail"]
        login = begin(server, "device_code")
        site.issuer.approve_device(login["user_code"])
        found = ended(server, login)
        assert (found["state"], found["error"]["code"]) == ("failed", "wrong_workspace")


@pytest.mark.parametrize(
    ("forced", "wrong"),
    [("api", {"method": "device_code"}), ("chatgpt", {"method": "api_key", "api_key": "k" * 20})],
)
def test_a_way_to_sign_in_that_is_not_allowed(
    site: LoginSite, forced: str, wrong: dict[str, str]
) -> None:
    store: Callable[[], object] = {
        "api": lambda: site.issuer.write_login(site.home),
        "chatgpt": lambda: site.codex("login", "--with-api-key", stdin="k" * 20),
    }[forced]
    store()
    demand(site, f'forced_login_method = "{forced}"')
    with start(site) as server:
        server.wait_ready()
        assert server.get("/auth/status")["reason"] == "wrong_method"
        answer = server.client.post("/auth/login", json=wrong)
        assert "disabled" in refused(answer, 422, "core_refused")["detail"]


def test_the_scan_for_secrets_would_find_one(site: LoginSite) -> None:
    assert marked(f"Bearer {site.issuer.write_login(site.home).access}")
