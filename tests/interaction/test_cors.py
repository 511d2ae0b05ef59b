"""Pages of configured origins may call, and read what they get; all others are refused."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from codex_http_server.testing.answers import Text
from tests.support.codes import refused
from tests.support.server import Server
from tests.support.shared import server_at

ORIGINS = ("http://localhost:5173", "app://foux")
ALLOWED = "access-control-allow-origin"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server that lets two origins in."""
    options = [word for origin in ORIGINS for word in ("--allow-origin", origin)]
    with server_at(tmp_path_factory.mktemp("cors"), *options) as running:
        yield running


def words(answer: httpx.Response, name: str) -> set[str]:
    """A comma-separated header."""
    return {word.strip().lower() for word in answer.headers[name].split(",")}


def vary_on_origin(answer: httpx.Response) -> bool:
    """Whether a cache keeps the answers for different origins apart."""
    return "origin" in words(answer, "vary")


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_configured_origin_may_read_an_answer(server: Server, origin: str) -> None:
    answer = server.client.get("/health", headers={"Origin": origin})
    assert answer.status_code == 200
    assert answer.headers[ALLOWED] == origin
    assert vary_on_origin(answer)
    exposed = words(answer, "access-control-expose-headers")
    assert {"location", "retry-after", "x-request-id"} <= exposed


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_preflight_of_a_configured_origin_allows_every_method(
    server: Server, origin: str, method: str
) -> None:
    asked = "authorization, content-type, idempotency-key, last-event-id, x-request-id"
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": asked,
    }
    answer = server.client.options("/conversations", headers=headers)
    assert answer.status_code == 200
    assert answer.headers[ALLOWED] == origin
    assert method.lower() in words(answer, "access-control-allow-methods")
    assert set(asked.split(", ")) <= words(answer, "access-control-allow-headers")


def test_no_answer_allows_every_origin_or_credentials(server: Server) -> None:
    for origin in ORIGINS:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        for method in ("GET", "OPTIONS"):
            answer = server.client.request(method, "/conversations", headers=headers)
            assert answer.headers[ALLOWED] == origin
            assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_configured_origin_may_read_errors_too(server: Server, origin: str) -> None:
    calls = {
        404: ("GET", "/conversations/unknown", {}, "conversation_not_found"),
        405: ("PUT", "/health", {}, "method_not_allowed"),
        415: ("POST", "/conversations", {"content": b"x"}, "not_json"),
        422: ("POST", "/conversations", {"json": {}}, "invalid_request"),
    }
    for status, (method, path, body, code) in calls.items():
        answer = server.client.request(method, path, headers={"Origin": origin}, **body)
        refused(answer, status, code)
        assert answer.headers[ALLOWED] == origin
        assert vary_on_origin(answer)


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_configured_origin_may_drive_a_turn_and_read_its_stream(
    server: Server, origin: str
) -> None:
    server.site.provider.expect(Text("across origins"))
    headers = {"Origin": origin, "Accept": "text/event-stream"}
    path = f"/conversations/{server.conversation()}/messages"
    with server.client.stream("POST", path, json={"message": "x"}, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers[ALLOWED] == origin
        assert vary_on_origin(answer)
        assert any("turn/completed" in line for line in answer.iter_lines())


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:5174",
        "https://localhost:5173",
        "http://localhost",
        "http://localhost:5173.evil.example",
        "http://127.0.0.1:5173",
        "app://foux.evil",
        "app://fou",
        "app://",
        "null",
        "*",
    ],
)
def test_any_other_origin_is_403(server: Server, origin: str) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    for method in ("GET", "POST", "OPTIONS"):
        answer = server.client.request(method, "/conversations", headers=headers)
        found = refused(answer, 403, "origin_not_allowed")
        assert "--allow-origin" in found["hint"]
        assert ALLOWED not in answer.headers
    with server.client.stream(
        "GET", "/events", headers={**headers, "Accept": "text/event-stream"}
    ) as answer:
        assert answer.status_code == 403
