"""`GET /app-server`: the core's own protocol, both ways, for those who may; and how it ends."""

from __future__ import annotations

import base64
import signal
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from codex_http_server.auth.tokenfile import TokenFile
from codex_http_server.engine.tunnel import MAX_FRAME
from codex_http_server.testing.answers import Gate, Text
from tests.support.access import make_token, token_file
from tests.support.codes import refused
from tests.support.commands import until
from tests.support.joined import HANDSHAKE, Idle, Joined, opened, shown
from tests.support.raw import Line, get
from tests.support.server import Json, Server
from tests.support.shared import server_at

pytestmark = pytest.mark.core

MIB = 1024 * 1024
LIMIT = 3  # clients at once


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = ("--heartbeat", "0.5", "--max-app-clients", str(LIMIT))
    with server_at(tmp_path_factory.mktemp("app"), *options) as running:
        yield running


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    return make_token(token_file(server.site), "tui", ["admin"])


def end_of(client: Joined) -> tuple[int, str]:
    """How the server ends a connection: the code and the reason of its close."""
    with suppress(ConnectionClosed):
        while True:
            client.socket.recv(timeout=20)
    found = client.socket.protocol.close_rcvd
    assert found is not None, "cut off without a close"
    return found.code, found.reason


# --- who may ----------------------------------------------------------------------------------


def asked(server: Server, *headers: bytes, path: str = "/app-server") -> Json:
    with Line(server.url) as line:
        line.send(get(path, *headers))
        return line.answer()


@pytest.mark.parametrize("path", ["/", "/app-server"])
def test_who_may_not_gets_an_answer_of_http(server: Server, path: str) -> None:
    with Line(server.url) as line:
        line.send(get(path, *HANDSHAKE))
        found = refused(line.answer(), 403, "scope_required")
        assert found["scope"] == "admin"
        assert "codex-http-server token create" in found["hint"]
        assert line.is_closed()
    wrong = b"Authorization: Bearer cht_nonsense"
    refused(asked(server, *HANDSHAKE, wrong, path=path), 401, "invalid_token")
    scopes = ["read", "drive", "login", "approve", "elevate"]
    drive = make_token(token_file(server.site), f"all{len(path)}", scopes)
    refused(asked(server, *HANDSHAKE, shown(drive), path=path), 403, "scope_required")


def test_a_page_a_foreign_name_and_a_token_in_the_address_are_refused(
    server: Server, token: str
) -> None:
    page = asked(server, *HANDSHAKE, shown(token), b"Origin: https://evil.example")
    refused(page, 403, "origin_not_allowed")
    refused(asked(server, *HANDSHAKE, path=f"/app-server?token={token}"), 400, "token_in_url")
    with Line(server.url) as line:
        line.send(get("/", *HANDSHAKE, shown(token)).replace(b"localhost", b"evil.example"))
        refused(line.answer(), 421, "host_not_allowed")


def test_what_is_no_handshake_is_refused(server: Server, token: str) -> None:
    plain = asked(server, shown(token))
    refused(plain, 426, "upgrade_required")
    assert plain.headers["upgrade"] == "websocket"
    old = [each.replace(b"13", b"8") for each in HANDSHAKE]
    answer = asked(server, shown(token), *old)
    refused(answer, 426, "upgrade_required")
    assert answer.headers["sec-websocket-version"] == "13"
    refused(asked(server, shown(token), HANDSHAKE[0], b"Upgrade: h2c"), 426, "upgrade_required")
    refused(asked(server, shown(token), *HANDSHAKE[:3]), 400, "bad_request")
    refused(
        asked(server, shown(token), *HANDSHAKE[:3], b"Sec-WebSocket-Key: abc"), 400, "bad_request"
    )
    refused(asked(server, shown(token), *HANDSHAKE, HANDSHAKE[3]), 400, "bad_request")
    with Line(server.url) as line:
        line.send(get("/app-server", shown(token), *HANDSHAKE).replace(b"HTTP/1.1", b"HTTP/1.0"))
        refused(line.answer(), 426, "upgrade_required")
    posted = get("/app-server", shown(token), *HANDSHAKE).replace(b"GET", b"POST")
    with Line(server.url) as line:
        line.send(posted)
        refused(line.answer(), 405, "method_not_allowed")


def test_nothing_may_follow_before_the_answer(server: Server, token: str) -> None:
    for early in (b"\x81\x80mask", get("/health")):
        with Line(server.url) as line:
            line.send(get("/app-server", shown(token), *HANDSHAKE) + early)
            refused(line.answer(), 400, "bad_request")
            assert line.is_closed()


def test_an_upgrade_behind_other_requests_waits_for_their_answers(
    server: Server, token: str
) -> None:
    with Line(server.url) as line:
        line.send(get("/health") + get("/nowhere") + get("/app-server", shown(token), *HANDSHAKE))
        assert line.answer().status_code == 200
        assert line.answer().status_code == 404
        assert line.head() == 101


def test_the_page_is_where_it_was(server: Server) -> None:
    assert asked(server, path="/").headers["content-type"].startswith("text/html")
    half = asked(server, HANDSHAKE[0], b"Upgrade: h2c", path="/")
    assert half.headers["content-type"].startswith("text/html")


# --- both directions --------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/app-server"])
def test_the_cores_protocol_passes_both_ways(server: Server, token: str, path: str) -> None:
    server.site.provider.expect(Text("Hello there"))
    with Joined(server, token, path=path) as client:
        thread = client.call("thread/start", cwd=str(server.site.project))["thread"]["id"]
        client.call("turn/start", threadId=thread, input=[{"type": "text", "text": "hi"}])
        client.notice("turn/completed")
        said = [each["params"]["delta"] for each in client.told
                if each.get("method") == "item/agentMessage/delta"]  # fmt: skip
        assert "".join(said) == "Hello there"
        client.socket.close()
        assert client.socket.protocol.close_rcvd is not None
        assert client.socket.protocol.close_rcvd.code == 1000


def test_large_frames_pass_both_ways_unchanged(server: Server, token: str) -> None:
    path = server.site.project / "large.bin"
    content = bytes(range(256)) * (20 * MIB // 256)
    path.write_bytes(content)
    before = psutil.Process(server.process.pid).memory_info().rss
    with Joined(server, token) as client:
        read = client.call("fs/readFile", path=str(path))
        assert base64.b64decode(read["dataBase64"]) == content
        written = base64.b64encode(content[: 11 * MIB]).decode()
        client.call("fs/writeFile", path=str(path), dataBase64=written)
    assert path.read_bytes() == content[: 11 * MIB]
    grown = psutil.Process(server.process.pid).memory_info().rss - before
    assert grown < 20 * MIB, "a frame is not held whole"
    path.unlink()


def test_a_frame_larger_than_the_core_takes_is_1009(server: Server, token: str) -> None:
    with Joined(server, token) as client:
        client.socket.send("x" * (MAX_FRAME + 1))
        assert end_of(client)[0] == 1009


# --- how it ends ------------------------------------------------------------------------------


def test_no_more_than_so_many_at_once(server: Server, token: str) -> None:
    clients = [Joined(server, token) for _ in range(LIMIT)]
    for client in clients:
        client.__enter__()
    refused(asked(server, shown(token), *HANDSHAKE), 429, "too_many_requests")
    for client in clients:
        client.__exit__(None, None, None)
    until(lambda: joins(server, token), "room for one more")


def joins(server: Server, token: str) -> bool:
    try:
        with opened(server, token):
            return True
    except InvalidStatus:
        return False


def test_a_client_whose_token_is_taken_away_is_sent_away(server: Server) -> None:
    path = token_file(server.site)
    with Joined(server, make_token(path, "short", ["admin"])) as client:
        TokenFile(path).remove("short")
        assert end_of(client)[0] == 1008


def test_a_client_that_answers_no_ping_is_sent_away(server: Server, token: str) -> None:
    with Idle(server, token) as client:
        assert client.rest().endswith(b"The client answered no ping.")


def test_a_client_that_does_not_read_slows_nobody(server: Server, token: str) -> None:
    gate = Gate("flood")
    server.site.provider.expect(Text([gate, *["word " * 200] * 5_000]))
    with Joined(server, token) as quick, Idle(server, token) as idle:
        thread = quick.call("thread/start", cwd=str(server.site.project))["thread"]["id"]
        quick.call("turn/start", threadId=thread, input=[{"type": "text", "text": "flood"}])
        gate.wait_reached()
        idle.tell("initialize", 1, clientInfo={"name": "idle", "version": "1"})
        idle.tell("initialized")
        idle.tell("thread/resume", 2, threadId=thread)
        idle.until(b'"id":2')
        gate.open()
        quick.notice("turn/completed")
        server.site.provider.expect(Text("quick"))
        assert server.run(server.conversation())["reply"] == "quick"
        idle.rest()


def test_a_client_of_a_core_that_dies_is_1012_and_may_join_the_next(
    server: Server, token: str
) -> None:
    with Joined(server, token) as client:
        server.core().kill()
        code, reason = end_of(client)
        assert code == 1012
        assert "Join again" in reason
    until(lambda: joins(server, token), "the next core")
    with Joined(server, token) as client:
        assert client.call("thread/loaded/list")["data"] == []


def test_a_server_that_stops_says_so(server: Server, token: str) -> None:
    with Joined(server, token) as client:
        server.process.send_signal(signal.SIGTERM)
        assert end_of(client) == (1001, "The server is stopping.")
        server.process.wait(5)
