"""Tickets and the page's session over HTTP: what they open, and what they never do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from codex_http_server.auth.pages import leave_code
from codex_http_server.auth.tokenfile import TokenFile
from codex_http_server.testing.answers import Text
from codex_http_server.testing.reader import Reader
from tests.support.access import bearer, make_token, token_file
from tests.support.builtpage import PAGE_PATHS
from tests.support.codes import refused
from tests.support.server import Server, Site, start
from tests.support.shared import server_at

UNKNOWN = "019f0000-0000-7000-8000-000000000000"
EVENT_STREAM = {"Accept": "text/event-stream"}
ORIGIN = "http://localhost:5173"
LOOSE = {"sandbox": "danger-full-access"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for tests that leave it as they found it."""
    with server_at(tmp_path_factory.mktemp("tickets"), "--allow-origin", ORIGIN) as running:
        yield running


@pytest.fixture(scope="module")
def here(server: Server) -> str:
    """A conversation with a turn."""
    made = server.conversation()
    server.site.provider.expect(Text("hello"))
    server.run(made)
    return made


def ticket(server: Server, path: str, **options: Any) -> dict[str, Any]:
    return server.post("/tickets", {"path": path}, 201, **options)


def opens(server: Server, url: str, **options: Any) -> Reader:
    return Reader(server.url, url, **options)


# --- tickets --------------------------------------------------------------------------------


def test_a_ticket_opens_its_stream_and_resumes_it(server: Server, here: str) -> None:
    made = ticket(server, f"/conversations/{here}/events")
    assert set(made) == {"ticket", "expires_at", "url"}
    with opens(server, made["url"]) as reader:
        reader.wait_type("turn/completed")
    seen = reader.seqs[2]
    with opens(server, made["url"], last_event_id=str(seen)) as reader:
        reader.wait_type("turn/completed")
    assert min(reader.seqs) > seen
    url = f"{made['url']}&after={seen}&heartbeat=0.2"
    with opens(server, url) as reader:
        reader.wait_type("heartbeat")
    assert min(reader.seqs) > seen


def test_a_ticket_of_everything_keeps_its_filters(server: Server, here: str) -> None:
    made = ticket(server, f"/events?conversation={here}&account=1")
    with opens(server, made["url"]) as reader:
        reader.wait_type("turn/completed")
    answer = server.client.get(f"/events?ticket={made['ticket']}", headers=EVENT_STREAM)
    refused(answer, 401, "invalid_ticket")
    with opens(server, made["url"]) as reader:
        reader.wait_type("turn/completed")


def test_the_second_reader_ends_the_first_with_a_word(server: Server, here: str) -> None:
    made = ticket(server, f"/conversations/{here}/events")
    with opens(server, made["url"]) as first:
        first.wait_type("turn/completed")
        with opens(server, made["url"]) as second:
            second.wait_type("turn/completed")
            first.wait_end(6)
            assert first.status == 200
            assert "no longer" in first.events[-1]["data"]["reason"]
            assert not second.ended


def test_a_ticket_is_good_for_nothing_else(server: Server, here: str) -> None:
    made = ticket(server, f"/conversations/{here}/events")
    with_ticket = {"ticket": made["ticket"]}
    for method, path in (
        ("GET", "/conversations"),
        ("GET", "/health"),
        ("GET", "/session"),
        ("POST", "/tickets"),
        ("POST", f"/conversations/{here}/messages"),
        ("GET", f"/conversations/{here}/events"),  # a page of them, not the stream
    ):
        answer = server.client.request(method, path, params=with_ticket, json={"path": "/events"})
        refused(answer, 403, "scope_required")
    for path in ("/events", f"/conversations/{UNKNOWN}/events"):
        answer = server.client.get(path, params=with_ticket, headers=EVENT_STREAM)
        refused(answer, 401, "invalid_ticket")
    with opens(server, made["url"]) as reader:
        reader.wait_type("turn/completed")


@pytest.mark.parametrize("wrong", ["", "wrong", "chs_" + "A" * 43])
def test_an_unknown_ticket_is_401_and_is_not_said_again(server: Server, wrong: str) -> None:
    answer = server.client.get("/events", params={"ticket": wrong}, headers=EVENT_STREAM)
    assert "/tickets" in refused(answer, 401, "invalid_ticket")["hint"]
    assert not wrong or wrong not in answer.text


def test_a_header_counts_before_a_ticket(server: Server, here: str) -> None:
    made = ticket(server, f"/conversations/{here}/events")
    answer = server.client.get(made["url"], headers=bearer("wrong") | EVENT_STREAM)
    refused(answer, 401, "invalid_token")
    secret = make_token(token_file(server.site), "reader", ["read"])
    answer = server.client.get(f"/conversations?ticket={made['ticket']}", headers=bearer(secret))
    assert answer.status_code == 200
    TokenFile(token_file(server.site)).remove("reader")


@pytest.mark.parametrize(
    "path",
    ["", "/", "events", "/event", "/conversations", "//evil/events", "http://evil/events"]
    + ["/events#x", "/events?limit=5", "/events?ticket=x", "/events?token=x"]
    + [
        "/conversations//events",
        "/conversations/{id}/events?conversation={id}",
        "/conversations/{id}/items",
    ],
)
def test_a_path_that_is_no_stream_is_422(server: Server, here: str, path: str) -> None:
    answer = server.client.post("/tickets", json={"path": path.format(id=here)})
    refused(answer, 422, "invalid_request", "path")


def test_a_ticket_for_a_conversation_that_is_not_there_is_404(server: Server) -> None:
    for path in (f"/conversations/{UNKNOWN}/events", f"/events?conversation={UNKNOWN}"):
        answer = server.client.post("/tickets", json={"path": path})
        refused(answer, 404, "conversation_not_found")


def test_a_stream_by_ticket_ends_with_the_token_that_made_it(server: Server) -> None:
    path = token_file(server.site)
    made = ticket(server, "/events", headers=bearer(make_token(path, "maker", ["read"])))
    with opens(server, made["url"]) as reader:
        reader.wait_comments(1)
        TokenFile(path).remove("maker")
        reader.wait_end(6)
    answer = server.client.get(made["url"], headers=EVENT_STREAM)
    refused(answer, 401, "invalid_ticket")


def test_a_ticket_needs_read(server: Server) -> None:
    path = token_file(server.site)
    drive = bearer(make_token(path, "driver", ["drive"]))
    answer = server.client.post("/tickets", json={"path": "/events"}, headers=drive)
    refused(answer, 403, "scope_required")
    TokenFile(path).remove("driver")


def test_a_ticket_is_not_kept_for_an_idempotency_key(server: Server) -> None:
    keyed = {"Idempotency-Key": "ticket"}
    ticket(server, "/events", headers=keyed)
    answer = server.client.post("/tickets", json={"path": "/events"}, headers=keyed)
    refused(answer, 409, "answer_not_kept")


def test_after_a_restart_a_ticket_is_unknown(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        made = ticket(server, "/events")
    with start(site) as server:
        answer = server.client.get(made["url"], headers=EVENT_STREAM)
        refused(answer, 401, "invalid_ticket")


def test_a_ticket_comes_through_a_proxy_and_an_allowed_origin(server: Server, here: str) -> None:
    made = ticket(server, f"/conversations/{here}/events")
    headers = {"X-Forwarded-For": "10.0.0.1", "Origin": ORIGIN}
    with opens(server, made["url"], headers=headers) as reader:
        reader.wait_type("turn/completed")


# --- the page's session ---------------------------------------------------------------------


def code(site: Site) -> str:
    """What `codex-http-server open` leaves on disk and puts into the address."""
    return leave_code(token_file(site).with_name("page-codes"))


def jar(server: Server) -> httpx.Client:
    """A browser's side of it: keeps cookies."""
    return httpx.Client(base_url=server.url, timeout=20)


def cookie_of(client: httpx.Client) -> dict[str, str]:
    """The header that a browser would send."""
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}


def begin(server: Server, client: httpx.Client, **headers: str) -> httpx.Response:
    body = {"code": code(server.site)}
    return client.post("/session", json=body, headers={"Origin": server.url} | headers)


def test_a_code_becomes_a_cookie_that_adds_elevate(server: Server) -> None:
    with jar(server) as client:
        answer = begin(server, client)
        assert answer.status_code == 204
        port = urlsplit(server.url).port
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"codex_http_{port}=")
        parts = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert parts == {"httponly", "samesite=strict", "path=/", "max-age=43200"}
        found = client.get("/session").json()
        assert found["via"] == "page"
        assert found["scopes"] == ["read", "drive", "login", "approve", "elevate"]
        body = {"working_directory": str(server.site.project)} | LOOSE
        assert client.post("/conversations", json=body).status_code == 201
        refused(server.client.post("/conversations", json=body), 403, "elevate_required")
        answer = client.delete("/session")
        assert answer.status_code == 204
        assert "max-age=0" in answer.headers["set-cookie"].lower()
        assert client.get("/session").json()["via"] == "local"
        refused(client.post("/conversations", json=body), 403, "elevate_required")


def test_an_ended_session_is_ended_for_whoever_kept_the_cookie(server: Server) -> None:
    with jar(server) as client:
        begin(server, client)
        kept = cookie_of(client)
        client.delete("/session")
    assert server.get("/session", headers=kept)["via"] == "local"


def test_a_code_works_once_and_a_wrong_one_never(server: Server) -> None:
    used = {"code": code(server.site)}
    assert server.client.post("/session", json=used).status_code == 204
    server.client.cookies.clear()
    for body in (used, {"code": "chc_wrong"}, {"code": "../tokens.json"}):
        answer = server.client.post("/session", json=body)
        assert "open" in refused(answer, 401, "invalid_code")["hint"]
        assert "set-cookie" not in answer.headers
    answer = server.client.post("/session", json={})
    refused(answer, 422, "invalid_request", "code")


@pytest.mark.parametrize(
    "headers",
    [{"Origin": ORIGIN}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_the_page_of_another_origin_begins_no_session_and_may_not_use_one(
    server: Server, headers: dict[str, str]
) -> None:
    with jar(server) as client:
        answer = begin(server, client, **headers)
        refused(answer, 403, "origin_not_allowed")
        begin(server, client)
        assert client.get("/session").json()["via"] == "page"
        for site in ("same-origin", "none"):
            given = {"Sec-Fetch-Site": site, "Origin": server.url}
            assert client.get("/session", headers=given).json()["via"] == "page"
        assert client.get("/session", headers=headers).json()["via"] == "local"


def test_the_cookie_is_found_among_strange_ones(server: Server) -> None:
    with jar(server) as client:
        begin(server, client)
        (own,) = [f"{name}={value}" for name, value in client.cookies.items()]
    header = f'other={{"a":[1]}}; =x; bad name=1; {own}; last="'
    assert server.get("/session", headers={"Cookie": header})["via"] == "page"
    for wrong in (own[:-1], f"{own}x", own.replace("=", "x=", 1)):
        assert server.get("/session", headers={"Cookie": wrong})["via"] == "local"


def test_a_wrong_header_beside_the_cookie_is_401(server: Server) -> None:
    with jar(server) as client:
        begin(server, client)
        refused(client.get("/session", headers=bearer("wrong")), 401, "invalid_token")


def test_the_page_s_stream_ends_with_its_session(server: Server) -> None:
    with jar(server) as client:
        begin(server, client)
        with opens(server, "/events", headers=cookie_of(client)) as reader:
            reader.wait_comments(1)
            client.delete("/session")
            reader.wait_end(6)


def test_nothing_of_tickets_codes_and_cookies_is_logged_or_stored(site: Site) -> None:
    with start(site, "--log-level", "debug") as server:
        server.wait_ready()
        secrets = [code(site)]
        with jar(server) as client:
            client.post("/session", json={"code": secrets[0]})
            secrets += client.cookies.values()
            client.get(f"/?x#code={secrets[0]}")
            made = client.post("/tickets", json={"path": "/events"}).json()
            secrets.append(made["ticket"])
        with opens(server, made["url"]) as reader:
            reader.wait_comments(1)
        server.client.get(made["url"])
    lines = "".join(server.log)
    callers = [json.loads(line).get("caller") for line in server.log]
    assert any(caller and caller.startswith("page:") for caller in callers)
    found = [path for path in (site.root / "state").rglob("*") if path.is_file()]
    for secret in secrets:
        assert secret not in lines
        assert not [path for path in found if secret.encode() in path.read_bytes()]


# --- a token of all -------------------------------------------------------------------------


def test_where_a_token_is_needed_only_public_routes_and_the_page_do_without(site: Site) -> None:
    with start(site, "--require-token") as server:
        path = token_file(site)
        good = bearer(make_token(path, "a"))
        for path in ("/conversations", "/events", "/ready", "/auth/status"):
            answer = server.client.get(path)
            found = refused(answer, 401, "token_required")
            assert "codex-http-server" in found["hint"]
            assert answer.headers["www-authenticate"] == "Bearer"
        assert set(server.get("/health")) == {"status", "version"}
        assert "core" in server.get("/health", headers=good)
        for path in (*PAGE_PATHS, "/openapi.json"):
            assert server.client.get(path).status_code == 200
        assert server.get("/session") == {"via": "none", "scopes": []}
        with jar(server) as client:
            assert begin(server, client).status_code == 204
            assert client.get("/conversations").status_code == 200
        with Reader(server.url, "/events", headers=good) as reader:
            reader.wait(lambda e: e["type"] == "core/state" and e["status"] == "ready")
