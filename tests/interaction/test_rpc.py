"""`POST /rpc`: the core's own methods, as it answers them; never those that this server owns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from codex_http_server.api import schemas
from codex_http_server.auth.callers import Scope
from codex_http_server.engine.passing import NOT_HERE, OWNED
from codex_http_server.testing.answers import Text
from tests.support.access import bearer, make_token, token_file
from tests.support.codes import refused
from tests.support.server import Server, Site, start
from tests.support.shared import server_at


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server_at(tmp_path_factory.mktemp("rpc")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(server: Server) -> dict[str, str]:
    return bearer(make_token(token_file(server.site), "admin", list(Scope)))


def rpc(server: Server, headers: dict[str, str], method: Any, **more: Any) -> httpx.Response:
    return server.client.post("/rpc", json={"method": method} | more, headers=headers)


def test_the_cores_result_comes_unchanged(server: Server, admin: dict[str, str]) -> None:
    server.site.provider.expect(Text("hello"))
    here = server.conversation()
    server.run(here)
    thread = server.get(f"/conversations/{here}")["thread_id"]
    answer = rpc(server, admin, "thread/read", params={"threadId": thread})
    assert answer.status_code == 200, answer.text
    schemas.RpcAnswer.model_validate(answer.json(), strict=True)
    assert answer.json()["result"]["thread"]["id"] == thread
    assert answer.headers["cache-control"] == "no-store"
    assert rpc(server, admin, "thread/loaded/list").json()["result"]["data"] == [thread]


def test_what_the_core_refuses_is_422_with_its_code(server: Server, admin: dict[str, str]) -> None:
    answer = rpc(server, admin, "thread/read", params={"threadId": "nonsense"})
    assert refused(answer, 422, "core_refused")["core_code"] < 0
    answer = rpc(server, admin, "thread/read", params={})
    assert "threadId" in refused(answer, 422, "core_refused")["detail"]
    found = refused(rpc(server, admin, "no/suchMethod"), 422, "core_refused")
    assert found["core_code"] == -32600
    assert "no/suchMethod" in found["detail"]
    assert len(found["detail"]) <= 1000


@pytest.mark.parametrize("method", sorted({*OWNED, *NOT_HERE, "thread/unsubscribe", "turn/new"}))
def test_what_this_server_owns_is_refused_and_names_the_route(
    server: Server, admin: dict[str, str], method: str
) -> None:
    before = server.get("/events")["head"]
    found = refused(rpc(server, admin, method), 422, "method_not_passed")
    assert found["route"] == OWNED.get(method)
    assert (found["route"] or "no route") in found["hint"]
    assert server.get("/events")["head"] == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "method"),
        ({"method": ""}, "method"),
        ({"method": "a b"}, "method"),
        ({"method": "x" * 101}, "method"),
        ({"method": "thread/read\n"}, "method"),
        ({"method": "thread/list", "params": []}, "params"),
        ({"method": "thread/list", "id": 1}, "id"),
    ],
)
def test_a_wrong_request_is_422_and_named(
    server: Server, admin: dict[str, str], body: dict[str, Any], field: str
) -> None:
    answer = server.client.post("/rpc", json=body, headers=admin)
    refused(answer, 422, "invalid_request", field)


def test_only_an_admin_may(server: Server) -> None:
    scopes = [each for each in Scope if each != Scope.ADMIN]
    headers = bearer(make_token(token_file(server.site), "no-admin", scopes))
    for given in ({}, headers):
        refused(rpc(server, given, "thread/list"), 403, "scope_required")


def test_an_answer_is_not_kept_for_its_key(server: Server, admin: dict[str, str]) -> None:
    keyed = admin | {"Idempotency-Key": "once"}
    assert rpc(server, keyed, "thread/list").status_code == 200
    refused(rpc(server, keyed, "thread/list"), 409, "answer_not_kept")


def test_a_core_that_does_not_answer_is_503_in_time(site: Site) -> None:
    with start(site, "--request-timeout", "1", "--core-check", "0") as server:
        server.wait_ready()
        headers = bearer(make_token(token_file(site), "admin", list(Scope)))
        core = server.core()
        core.suspend()
        try:
            refused(rpc(server, headers, "thread/list"), 503, "core_timeout")
        finally:
            core.resume()
