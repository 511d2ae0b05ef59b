"""Callers with a token: what they may, how a wrong one is refused, and tokens over HTTP."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from codex_http_server.auth.callers import Scope
from codex_http_server.auth.table import SCOPES
from codex_http_server.auth.tokenfile import TokenFile
from codex_http_server.testing.answers import Command, Gate, Text
from codex_http_server.testing.reader import Reader
from tests.support.access import bearer, make_token, token_file
from tests.support.codes import refused
from tests.support.server import Server, Site, start
from tests.support.shared import server_at

PAST = datetime(2020, 1, 1, tzinfo=UTC)
UNKNOWN = "cht_" + "A" * 43
EVENT_STREAM = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for tests that leave it as they found it."""
    with server_at(tmp_path_factory.mktemp("tokens")) as running:
        yield running


@pytest.fixture
def token(server: Server, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Makes tokens, while the server runs; they are gone after the test."""
    path, made = token_file(server.site), []

    def make(*scopes: str, **given: Any) -> str:
        name = f"{request.node.name[:40].strip('[]-_')}-{len(made)}".replace("[", ".")
        made.append(name)
        return make_token(path, name, scopes, **given)

    yield make
    for name in made:
        TokenFile(path).remove(name)


def fresh(server: Server) -> httpx.Client:
    """A client whose wrong tokens count for an address of their own: all of 127/8 is ours."""
    fresh.count += 1  # type: ignore[attr-defined]
    transport = httpx.HTTPTransport(local_address=f"127.0.1.{fresh.count}")  # type: ignore[attr-defined]
    return httpx.Client(base_url=server.url, transport=transport, timeout=20)


fresh.count = 0  # type: ignore[attr-defined]


# --- recognition ----------------------------------------------------------------------------


def test_a_caller_has_the_scopes_of_its_token(server: Server, token: Any) -> None:
    local = server.get("/session")
    assert local == {"via": "local", "scopes": ["read", "drive", "login", "approve"]}
    for scopes in (["read"], ["drive", "elevate"], [str(scope) for scope in Scope]):
        found = server.get("/session", headers=bearer(token(*scopes)))
        assert found == {"via": "token", "scopes": scopes}


@pytest.mark.parametrize("scope", list(Scope))
def test_each_scope_opens_its_routes_and_no_others(server: Server, token: Any, scope: str) -> None:
    headers = bearer(token(scope))
    for (method, path), needed in SCOPES.items():
        if path in ("/interrupt", "/session"):
            continue  # they take what they get
        filled = path.replace("{", "").replace("}", "")
        answer = server.client.request(method, filled, headers=headers)
        if needed in (None, scope):
            assert answer.status_code not in (401, 403), f"{method} {path}: {answer.text}"
        else:
            assert refused(answer, 403, "scope_required")["scope"] == needed


def test_a_wrong_token_is_401_even_where_the_caller_could_be_without(server: Server) -> None:
    with fresh(server) as client:
        for path in ("/conversations", "/health", "/no/such/route"):
            found = refused(client.get(path, headers=bearer(UNKNOWN)), 401, "invalid_token")
            assert found["hint"]
        answer = client.get("/health", headers=bearer(UNKNOWN))
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert UNKNOWN not in answer.text
        assert client.get("/conversations").status_code == 200


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Basic dXNlcjpwYXNz", "{token}", "Token {token}", "Bearer{token}"]
    + ["Bearer {token} x", "Bearer {token},Bearer {token}", "Bearer \xff"],
)
def test_a_header_that_can_not_be_read_is_401(server: Server, token: Any, header: str) -> None:
    given = header.format(token=token("read")).encode("latin-1")
    with fresh(server) as client:
        answer = client.get("/conversations", headers={"Authorization": given})  # type: ignore[dict-item]
        refused(answer, 401, "invalid_token")


def test_two_headers_are_400(server: Server, token: Any) -> None:
    good = bearer(token("read"))["Authorization"]
    with fresh(server) as client:
        answer = client.get("/health", headers=[("Authorization", good)] * 2)
        refused(answer, 400, "bad_request")  # before the app: it may be understood in two ways


def test_the_scheme_may_be_written_in_any_case(server: Server, token: Any) -> None:
    secret = token("read")
    for scheme in ("bearer", "BEARER", "Bearer "):
        server.get("/conversations", headers={"Authorization": f"{scheme} {secret}"})


def test_an_expired_token_is_401_and_says_so(server: Server, token: Any) -> None:
    answer = server.client.get("/health", headers=bearer(token("read", expires_at=PAST)))
    assert "expired" in refused(answer, 401, "invalid_token")["detail"]


def test_after_ten_wrong_tokens_a_minute_there_is_429_but_the_right_one_is_taken(
    server: Server, token: Any
) -> None:
    good = token("read")
    with fresh(server) as client:
        for _ in range(10):
            refused(client.get("/health", headers=bearer(UNKNOWN)), 401, "invalid_token")
        answer = client.get("/health", headers=bearer(UNKNOWN))
        refused(answer, 429, "too_many_attempts")
        assert 0 < int(answer.headers["retry-after"]) <= 60
        assert client.get("/conversations", headers=bearer(good)).status_code == 200
        assert client.get("/conversations").status_code == 200
    with fresh(server) as other:
        refused(other.get("/health", headers=bearer(UNKNOWN)), 401, "invalid_token")


@pytest.mark.parametrize("name", ["token", "access_token"])
def test_a_token_in_the_address_is_400_even_beside_a_good_header(
    server: Server, token: Any, name: str
) -> None:
    secret = token("read")
    for headers in ({}, bearer(secret)):
        answer = server.client.get(f"/conversations?{name}={secret}", headers=headers)
        found = refused(answer, 400, "token_in_url")
        assert "/tickets" in found["hint"]
        assert secret not in answer.text


def test_what_came_through_a_proxy_is_taken_with_a_token_only(server: Server, token: Any) -> None:
    through = {"X-Forwarded-For": "10.0.0.1", "Forwarded": "for=10.0.0.1"}
    refused(server.client.get("/health", headers=through), 403, "forwarded_not_allowed")
    with fresh(server) as client:
        answer = client.get("/health", headers=through | bearer(UNKNOWN))
        refused(answer, 401, "invalid_token")
    server.get("/conversations", headers=through | bearer(token("read")))


def test_host_and_origin_are_checked_with_a_token_too(server: Server, token: Any) -> None:
    good = bearer(token(*Scope))
    answer = server.client.get("/health", headers={"Host": "evil.example"} | good)
    refused(answer, 421, "host_not_allowed")
    for origin in ("https://evil.example", "null"):
        answer = server.client.get("/health", headers={"Origin": origin} | good)
        refused(answer, 403, "origin_not_allowed")


# --- tokens come and go while the server runs -----------------------------------------------


def test_a_token_made_or_ended_by_another_process_counts_at_once(server: Server) -> None:
    path = token_file(server.site)
    secret = make_token(path, "visitor")
    assert server.get("/session", headers=bearer(secret))["via"] == "token"
    TokenFile(path).remove("visitor")
    with fresh(server) as client:
        refused(client.get("/session", headers=bearer(secret)), 401, "invalid_token")


@pytest.mark.parametrize(
    "where", ["/events", "/conversations/{id}/events", "/conversations/{id}/messages"]
)
def test_an_open_stream_ends_soon_after_its_token(server: Server, where: str) -> None:
    path, here, gate = token_file(server.site), server.conversation(), Gate()
    headers = bearer(make_token(path, "reader"))
    body = {"message": "go"} if where.endswith("messages") else None
    server.site.provider.expect(Text(["one ", gate, "two"]))
    with Reader(server.url, where.format(id=here), body=body, headers=headers) as reader:
        reader.wait_comments(1)
        if body:
            gate.wait_reached()
        TokenFile(path).remove("reader")
        reader.wait_end(6)
        assert reader.status == 200
        assert "no longer" in reader.events[-1]["data"]["reason"]
    gate.open()
    if body is None:
        server.run(here)  # with the answer that is left
    else:
        with server.read(here) as rest:
            rest.wait_type("turn/completed", status="completed")


def test_a_stream_ends_soon_after_its_token_has_expired(server: Server, token: Any) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    with server.read_all(headers=bearer(token("read", expires_at=soon))) as reader:
        reader.wait_end(8)
        assert "no longer" in reader.events[-1]["data"]["reason"]


def test_a_stream_without_a_token_beats_as_often_as_with_one(site: Site) -> None:
    with start(site, "--heartbeat", "0.2") as server:
        path = token_file(site)
        with (
            server.read_all(headers=bearer(make_token(path, "a"))) as one,
            server.read_all() as two,
        ):
            one.wait_comments(10, 6)
            two.wait_comments(10, 6)


def test_a_file_that_others_may_read_counts_for_nothing_and_ready_says_so(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        path = token_file(site)
        secret = make_token(path, "a")
        server.get("/session", headers=bearer(secret))
        path.chmod(0o644)
        refused(server.client.get("/session", headers=bearer(secret)), 401, "invalid_token")
        found = server.client.get("/ready")
        assert found.status_code == 200
        assert any("open to others" in note for note in found.json()["notes"])
        path.chmod(0o600)
        server.get("/session", headers=bearer(secret))
        assert server.get("/ready")["notes"] == []
    assert any("chmod 600" in line for line in server.log)


def test_a_file_that_is_damaged_leaves_the_last_good_tokens(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        path = token_file(site)
        headers = bearer(make_token(path, "a"))
        server.get("/session", headers=headers)
        path.write_text("{")
        assert server.get("/session", headers=headers)["via"] == "token"
        assert any("damaged" in note for note in server.get("/ready")["notes"])
        answer = server.client.post("/tokens", json={"name": "b"}, headers=headers)
        refused(answer, 403, "scope_required")


# --- tokens over HTTP -----------------------------------------------------------------------


@pytest.fixture
def admin(token: Any) -> dict[str, str]:
    return bearer(token(*Scope))


def test_a_token_is_made_listed_used_and_ended(server: Server, admin: dict[str, str]) -> None:
    body = {"name": "phone", "scopes": ["drive", "read"], "expires_at": "2999-01-01T00:00:00Z"}
    answer = server.client.post("/tokens", json=body, headers=admin)
    assert answer.status_code == 201
    assert answer.headers["location"] == "/tokens/phone"
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    secret = made.pop("token")
    assert made["scopes"] == ["read", "drive"]
    assert made["expires_at"] == "2999-01-01T00:00:00.000Z"
    listed = server.client.get("/tokens", headers=admin)
    assert made in listed.json()["data"]
    assert secret not in listed.text
    assert TokenFile(token_file(server.site)).load()[-1].name == "phone"
    assert server.get("/session", headers=bearer(secret))["scopes"] == ["read", "drive"]
    assert server.client.delete("/tokens/phone", headers=admin).status_code == 204
    with fresh(server) as client:
        refused(client.get("/session", headers=bearer(secret)), 401, "invalid_token")
    refused(server.client.delete("/tokens/phone", headers=admin), 404, "token_not_found")


def test_a_token_without_words_about_scopes_has_the_usual_ones_and_no_end(
    server: Server, admin: dict[str, str]
) -> None:
    made = server.post("/tokens", {"name": "plain"}, 201, headers=admin)
    server.client.delete("/tokens/plain", headers=admin)
    assert made["scopes"] == ["read", "drive", "login", "approve"]
    assert made["expires_at"] is None
    assert made["source"] == "file"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "a\n"}, "name"),
        ({"name": "../x"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "env"}, "name"),
        ({"name": 5}, "name"),
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "scopes": ["write"]}, "scopes.0"),
        ({"name": "a", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "a", "expires_at": "2999-01-01T00:00:00"}, "expires_at"),
        ({"name": "a", "expires_at": "soon"}, "expires_at"),
        ({"name": "a", "expires_at": 32472144000}, "expires_at"),
        ({"name": "a", "expires_at": "32472144000"}, "expires_at"),
        ({"name": "a", "token": "mine"}, "token"),
    ],
)
def test_a_token_that_can_not_be_is_422(
    server: Server, admin: dict[str, str], body: dict[str, Any], field: str
) -> None:
    before = server.get("/tokens", headers=admin)
    answer = server.client.post("/tokens", json=body, headers=admin)
    refused(answer, 422, "invalid_request", field)
    assert server.get("/tokens", headers=admin) == before


def test_a_name_is_taken_once(server: Server, admin: dict[str, str]) -> None:
    server.post("/tokens", {"name": "twice"}, 201, headers=admin)
    answer = server.client.post("/tokens", json={"name": "twice"}, headers=admin)
    refused(answer, 409, "token_name_taken")
    server.client.delete("/tokens/twice", headers=admin)


def test_nobody_makes_a_token_that_may_more_than_themselves(server: Server, token: Any) -> None:
    headers = bearer(token("admin", "read"))
    for scopes in (["elevate"], ["read", "drive"], None):
        body = {"name": "more"} | ({"scopes": scopes} if scopes else {})
        found = refused(server.client.post("/tokens", json=body, headers=headers), 403,
                        "scope_required")  # fmt: skip
        assert found["scope"] in ("elevate", "drive")
    server.post("/tokens", {"name": "less", "scopes": ["read"]}, 201, headers=headers)
    server.client.delete("/tokens/less", headers=headers)


def test_the_token_of_the_environment_is_listed_and_can_not_be_ended(site: Site) -> None:
    secret = "a-token-of-the-environment"
    with start(site, environment={"CODEX_HTTP_TOKEN": secret}) as server:
        admin = bearer(make_token(token_file(site), "admin", list(Scope)))
        listed = server.get("/tokens", headers=admin)["data"]
        assert [(each["name"], each["source"]) for each in listed] == [
            ("env", "environment"),
            ("admin", "file"),
        ]
        answer = server.client.delete("/tokens/env", headers=admin)
        refused(answer, 422, "invalid_request", "name")
        found = server.get("/session", headers=bearer(secret))
        assert set(found["scopes"]) == set(Scope) - {"admin"}


def test_a_file_that_can_not_be_written_is_503_and_nothing_is_done(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        path = token_file(site)
        admin = bearer(make_token(path, "admin", list(Scope)))
        path.with_name("tokens.json.lock").unlink()
        path.with_name("tokens.json.lock").mkdir()
        answer = server.client.post("/tokens", json={"name": "b"}, headers=admin)
        refused(answer, 503, "tokens_unusable")
        assert len(server.get("/tokens", headers=admin)["data"]) == 1


def test_a_made_token_is_never_stored_and_the_same_key_is_409(
    server: Server, admin: dict[str, str]
) -> None:
    keyed = admin | {"Idempotency-Key": "make-one"}
    body = {"name": "keyed"}
    made = server.post("/tokens", body, 201, headers=keyed)
    refused(server.client.post("/tokens", json=body, headers=keyed), 409, "answer_not_kept")
    other = server.client.post("/tokens", json={"name": "x"}, headers=keyed)
    refused(other, 409, "idempotency_key_reused")
    server.client.delete("/tokens/keyed", headers=admin)
    for found in (server.site.root / "state").rglob("*"):
        if found.is_file():
            assert made["token"].encode() not in found.read_bytes(), found


def test_a_refused_request_for_a_token_does_not_use_up_its_key(
    server: Server, admin: dict[str, str]
) -> None:
    keyed = admin | {"Idempotency-Key": "try-again"}
    refused(server.client.post("/tokens", json={"name": ""}, headers=keyed), 422, "invalid_request")
    server.post("/tokens", {"name": "again"}, 201, headers=keyed)
    server.client.delete("/tokens/again", headers=admin)


# --- elevate --------------------------------------------------------------------------------

LOOSE = {"sandbox": "danger-full-access", "approval_policy": "never"}


@pytest.fixture
def outside_the_sandbox() -> Iterator[Path]:
    """A folder where workspace-write may not write; it may below the temporary folder."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="codex-http-server-") as folder:
        yield Path(folder)


def test_a_token_with_elevate_may_loosen_the_sandbox_and_the_turn_runs_so(
    site: Site, outside_the_sandbox: Path
) -> None:
    outside = outside_the_sandbox / "written"
    with start(site) as server:
        server.wait_ready()
        path = token_file(site)
        high = bearer(make_token(path, "high", ["read", "drive", "elevate"]))
        low = bearer(make_token(path, "low"))
        place = {"working_directory": str(site.project)}
        refused(
            server.client.post("/conversations", json=place | LOOSE, headers=low),
            403,
            "elevate_required",
        )
        here = server.post("/conversations", place | LOOSE, 201, headers=high)["id"]
        plain = server.post("/conversations", place, 201, headers=low)["id"]
        url = f"/conversations/{plain}"
        message = {"message": "go"} | LOOSE
        for method, where, body in (("PATCH", url, LOOSE), ("POST", f"{url}/messages", message)):
            answer = server.client.request(method, where, json=body, headers=low)
            refused(answer, 403, "elevate_required")

        def writes(conversation: str, body: dict[str, Any], name: str) -> bool:
            site.provider.expect(Command(f"echo x > {outside}-{name}"))
            site.provider.expect(Text("done"))
            send = f"/conversations/{conversation}/messages?wait=20"
            done = server.post(send, {"message": "write"} | body, 200, headers=high)
            assert done["turn"]["status"] == "completed"
            return outside.with_name(f"written-{name}").exists()

        assert writes(here, {}, "conversation")
        assert not writes(plain, {}, "plain"), "the sandbox keeps it from there"
        assert writes(plain, LOOSE, "message")
        assert not writes(plain, {}, "after"), "for one message it was for that one only"
        assert server.client.patch(url, json=LOOSE, headers=high).status_code == 200
        assert writes(plain, {}, "patched")
        started = [e for e in server.events(plain) if e["type"] == "turn/started"]
        sandboxes = [event["policy"]["sandbox"] for event in started]
        assert sandboxes == ["workspace-write", LOOSE["sandbox"]] * 2


# --- the log --------------------------------------------------------------------------------


def test_each_request_is_logged_with_its_caller_and_without_its_secrets(site: Site) -> None:
    secret = "a-token-of-the-environment"
    given = {"CODEX_HTTP_TOKEN": secret}
    with start(site, "--log-level", "debug", environment=given) as server:
        server.wait_ready()
        server.get("/conversations", headers=bearer(secret) | {"X-Request-Id": "one"})
        server.get("/conversations", headers={"X-Request-Id": "two"})
        server.client.get(f"/events?token={secret}", headers={"X-Request-Id": "three"})
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                   "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
        server.client.get(f"/events?ticket={secret}", headers=upgrade)
    lines = [json.loads(line) for line in server.log]
    callers = {x["request_id"]: x.get("caller") for x in lines if x["event"] == "request"}
    assert callers["one"] == "token:env"
    assert callers["two"] == "local"
    assert callers["three"] is None
    assert secret not in "".join(server.log)
