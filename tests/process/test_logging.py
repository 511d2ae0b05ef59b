"""The log on stderr: one JSON line for each request, and neither messages nor secrets in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codex_http_server.testing.answers import Command, Text
from tests.support.codes import refused
from tests.support.server import Server, Site, start

Line = dict[str, Any]


def stopped_log(server: Server) -> list[Line]:
    """All lines of the log, each of which must be JSON; the server is stopped for it."""
    server.stop()
    return [json.loads(line) for line in server.log]


def requests(lines: list[Line]) -> list[Line]:
    """The request lines."""
    return [line for line in lines if line["event"] == "request"]


def test_each_request_has_one_line_with_all_that_is_needed_to_find_it(server: Server) -> None:
    here = server.conversation()
    asked = {"look": f"/conversations/{here}", "list": "/conversations", "none": "/nowhere"}
    sizes = {
        name: len(server.client.get(path, headers={"X-Request-Id": name}).content)
        for name, path in asked.items()
    }
    lines = {line["request_id"]: line for line in requests(stopped_log(server))}
    assert len([line for line in lines if line in asked]) == len(asked)
    for name, path in asked.items():
        line = lines[name]
        assert (line["method"], line["path"], line["level"]) == ("GET", path, "info")
        assert line["status"] == (404 if name == "none" else 200)
        assert line["sent"] == sizes[name]
        assert line["received"] == 0
        assert 0 <= line["ms"] < 20_000
        assert line["timestamp"].endswith("Z")
    assert lines["look"]["conversation_id"] == here
    assert "conversation_id" not in lines["list"]


def test_no_request_has_two_lines(server: Server) -> None:
    for number in range(5):
        server.get("/conversations", headers={"X-Request-Id": f"number-{number}"})
    ids = [line["request_id"] for line in requests(stopped_log(server))]
    assert len(ids) == len(set(ids)) >= 5


def test_a_body_is_counted(server: Server) -> None:
    body = json.dumps({"working_directory": str(server.site.project)}).encode()
    headers = {"Content-Type": "application/json", "X-Request-Id": "counted"}
    server.client.post("/conversations", content=body, headers=headers)
    (line,) = (x for x in requests(stopped_log(server)) if x["request_id"] == "counted")
    assert line["received"] == len(body)


def test_a_given_request_id_is_returned_and_used_in_problems_too(server: Server) -> None:
    headers = {"X-Request-Id": "mine-1.2_3"}
    assert server.client.get("/health", headers=headers).headers["x-request-id"] == "mine-1.2_3"
    answer = server.client.get("/nowhere", headers=headers)
    assert refused(answer, 404, "not_found")["request_id"] == "mine-1.2_3"


@pytest.mark.parametrize("given", [b"", b"x" * 65, b"with space", b'quote"', b"a/b", "é".encode()])
def test_a_request_id_that_could_spoil_the_log_is_replaced(server: Server, given: bytes) -> None:
    answer = server.client.get("/health", headers={b"X-Request-Id": given})
    assert given != answer.headers["x-request-id"].encode("latin-1")
    assert len(answer.headers["x-request-id"]) == 36


def test_a_refused_and_a_left_request_have_their_lines(server: Server) -> None:
    server.client.get("/events", headers={"Origin": "http://evil.example", "X-Request-Id": "evil"})
    with server.read_all(headers={"X-Request-Id": "left"}) as reader:
        reader.wait_comments(1)
    found = {line["request_id"]: line for line in requests(stopped_log(server))}
    assert found["evil"]["status"] == 403
    assert found["left"]["status"] == 200
    assert found["left"]["sent"] > 0


def test_what_is_said_in_a_conversation_is_not_in_the_log(site: Site) -> None:
    words = ("tell-nobody", "answer-of-the-model", "output-of-the-command", "title-of-it")
    site.provider.expect(Command(f"echo {words[2]}"))
    site.provider.expect(Text(words[1]))
    with start(site, "--log-level", "debug") as server:
        here = server.conversation(title=words[3])
        answer = server.run(here, words[0])
        server.client.post(f"/conversations/{here}/messages", content=words[0])
        server.client.post(f"/conversations/{here}/messages", json={words[0]: words[0]})
        lines = stopped_log(server)
    assert answer["reply"] == words[1]
    assert len(requests(lines)) >= 4
    assert not [line for line in lines if any(word in json.dumps(line) for word in words)]


@pytest.mark.plants(r"the file .*log\.db")
def test_secrets_in_headers_and_queries_are_not_in_the_log(site: Site) -> None:
    secret = "sk-very-secret-0123456789"
    with start(site, "--log-level", "debug") as server:
        headers = {
            "Authorization": f"Bearer {secret}",
            "Cookie": f"session={secret}",
            "Idempotency-Key": secret,  # the event log keeps it: the caller's name for a call
            "X-Api-Key": secret,
            "Referer": f"http://127.0.0.1/?ticket={secret}",
        }
        server.client.get("/conversations", headers=headers)
        refused(server.client.get(f"/events?after={secret}x"), 400, "bad_cursor")
        refused(server.client.get("/nowhere", headers={"Host": secret}), 421, "host_not_allowed")
        body = {"working_directory": str(site.project)}
        del headers["Authorization"]  # no token: a wrong one is refused before all else
        assert server.client.post("/conversations", json=body, headers=headers).status_code == 201
        lines = stopped_log(server)
    assert len(requests(lines)) >= 4
    assert not [line for line in lines if secret in json.dumps(line)]


def test_the_log_says_when_the_core_came_and_went(server: Server) -> None:
    server.get("/auth/status")  # the server's own look at the account was before this one
    lines = stopped_log(server)
    states = [line["state"] for line in lines if line["event"] == "core"]
    assert states[0] == "ready"
    assert states[-1] == "stopped"
    assert not [line for line in lines if line["level"] in {"error", "critical", "warning"}]
