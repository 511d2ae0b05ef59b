"""Every error code has a test that causes it; here are those that need a broken server."""

from __future__ import annotations

import ast
import json
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from codex_http_server import errors
from codex_http_server.api.problems import STATUS, tree
from codex_http_server.errors import Unavailable
from codex_http_server.testing.answers import Text
from tests.support.codes import LEAKS, caused, refused
from tests.support.server import Server, Site, start

BODY_TIMEOUT = 0.3
# The bases of the tree: what is sent is always one of their children.
NEVER_SENT = {
    "unauthorized": "Unauthorized",
    "forbidden": "Forbidden",
    "conflict": "Conflict",
    "unavailable": "Unavailable",
}


def test_every_code_is_caused_by_some_test() -> None:
    missing = set(STATUS) - set(caused()) - set(NEVER_SENT)
    assert not missing, f"no test causes {sorted(missing)}"


def test_the_codes_that_no_test_causes_are_sent_by_nothing() -> None:
    source = Path(errors.__file__).parent
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }
    assert not called & set(NEVER_SENT.values())


def test_every_error_that_can_be_met_has_a_status_and_each_status_an_error() -> None:
    assert {each.code for each in tree()} == set(STATUS)


def test_an_error_that_passes_says_when_to_try_again() -> None:
    later = {each.code for each in tree() if issubclass(each, Unavailable)}
    assert {code for code, status in STATUS.items() if status in {503, 507}} == later


# --- a core that does not come up -----------------------------------------------------------


@pytest.fixture
def coreless(site: Site) -> Iterator[Server]:
    """A server whose core ends as soon as it starts."""
    binary = site.root / "codex"
    binary.write_text("#!/bin/sh\necho 'secret-in-the-output' >&2\nexit 7\n")
    binary.chmod(0o755)
    with start(site, "--codex-bin", str(binary), "--core-wait", "0.2") as server:
        yield server


def test_without_a_core_what_needs_it_is_503_and_says_when_to_try_again(coreless: Server) -> None:
    body = {"working_directory": str(coreless.site.project)}
    for method, path in (("POST", "/conversations"), ("GET", "/auth/status")):
        answer = coreless.client.request(method, path, json=body)
        found = refused(answer, 503, "core_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert "/health" in found["hint"]
    assert coreless.get("/conversations")["data"] == []


def test_without_a_core_health_is_200_and_ready_is_503_with_the_reason(coreless: Server) -> None:
    with coreless.read_all() as reader:
        reader.wait_type("core/state", status="restarting")
    health = coreless.get("/health")
    assert health["status"] == "ok"
    assert health["core"]["state"] in {"restarting", "failed"}
    answer = coreless.client.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    (reason,) = answer.json()["reasons"]
    assert "the core is" in reason
    assert "7" in reason


def test_without_a_core_a_message_is_refused_and_not_kept(site: Site, tmp_path: Path) -> None:
    with start(site) as server:
        server.wait_ready()
        here = server.conversation()
    binary = tmp_path / "codex"
    binary.write_text("#!/bin/sh\nexit 7\n")
    binary.chmod(0o755)
    with start(site, "--codex-bin", str(binary), "--core-wait", "0.2") as server:
        answer = server.client.post(f"/conversations/{here}/messages", json={"message": "x"})
        refused(answer, 503, "core_unavailable")
        assert server.get(f"/conversations/{here}/queue")["data"] == []
        assert server.get(f"/conversations/{here}")["status"] == "idle"


# --- a core that does not answer ------------------------------------------------------------


def test_a_core_that_hangs_is_503_core_timeout_and_goes_on_when_it_can(site: Site) -> None:
    with start(site, "--request-timeout", "1") as server:
        server.wait_ready()
        here = server.conversation()
        core = server.core()
        core.suspend()
        try:
            body = {"working_directory": str(site.project)}
            answer = server.client.post("/conversations", json=body)
            found = refused(answer, 503, "core_timeout")
            assert "1 s" in found["detail"]
            assert int(answer.headers["retry-after"]) >= 1
            assert httpx.get(server.url + "/health", timeout=1).status_code == 200
            assert [c["id"] for c in server.get("/conversations")["data"]] == [here]
        finally:
            core.resume()
        site.provider.expect(Text("awake"))
        assert server.run(here)["reply"] == "awake"


# --- a request that does not arrive ---------------------------------------------------------


@pytest.fixture
def impatient(site: Site) -> Iterator[Server]:
    """A server that waits only `BODY_TIMEOUT` for a body; that time is no setting."""
    patch = site.root / "patch"
    patch.mkdir()
    text = "from codex_http_server.api import middleware\n"
    (patch / "sitecustomize.py").write_text(f"{text}middleware.BODY_SECONDS = {BODY_TIMEOUT}\n")
    with start(site, environment={"PYTHONPATH": str(patch)}) as server:
        yield server


def test_a_body_that_does_not_arrive_is_408(impatient: Server) -> None:
    host, port = impatient.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(
            b"POST /conversations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n"
            b'Content-Type: application/json\r\n\r\n{"wo'
        )
        with line.makefile("rb") as answer:
            assert answer.readline().startswith(b"HTTP/1.1 408")
            headers = [name.lower() for name in iter(answer.readline, b"\r\n")]
            (size,) = (int(h.split(b":")[1]) for h in headers if h.startswith(b"content-length"))
            body = json.loads(answer.read(size))
    assert body["code"] == "body_timeout"
    assert b"connection: close\r\n" in headers, "what is left of the body is no new request"


# --- a fault of the server itself -----------------------------------------------------------


@contextmanager
def damaged(database: Path) -> Iterator[None]:
    """Take a table away from under the server, and give it back."""
    with sqlite3.connect(database, timeout=5) as connection:
        connection.execute("ALTER TABLE conversation RENAME TO stolen")
        try:
            connection.commit()
            yield
        finally:
            connection.execute("ALTER TABLE stolen RENAME TO conversation")
            connection.commit()
    connection.close()


def test_a_fault_of_the_server_is_500_and_tells_only_the_log(server: Server) -> None:
    (database,) = (server.site.root / "state").rglob("log.db")
    with damaged(database):
        answer = server.client.get("/conversations", headers={"X-Request-Id": "look-for-me"})
        found = refused(answer, 500, "internal")
    assert found["detail"] == "The server failed."
    assert not [text for text in (*LEAKS, "no such", "table") if text in answer.text]
    assert server.get("/conversations")["data"] == []  # on the same connection
    server.stop()
    (line,) = (json.loads(x) for x in server.log if "a request failed" in x)
    assert line["request_id"] == "look-for-me"
    assert "no such table" in line["exception"]
