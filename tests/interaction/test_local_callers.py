"""Who calls without a token, how much one caller may have open, and what every answer carries."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from codex_http_server.api.connection import Door
from codex_http_server.auth.peers import NOT_OURS, Peer
from codex_http_server.auth.table import SCOPES
from codex_http_server.errors import TooManyConnections
from codex_http_server.testing.answers import Gate, Text
from tests.support.builtpage import needs_page
from tests.support.codes import refused
from tests.support.commands import until
from tests.support.raw import curl
from tests.support.server import Server, Site, start
from tests.support.shared import server_at

STRANGER = ("setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups")
needs_two_users = pytest.mark.skipif(
    os.geteuid() != 0 or None in (shutil.which("setpriv"), shutil.which("curl")),
    reason="to be another user needs root, setpriv and curl",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all that leave it as it was."""
    with server_at(tmp_path_factory.mktemp("callers")) as running:
        yield running


# --- other users ----------------------------------------------------------------------------


def _path(template: str) -> str:
    return re.sub(r"{\w+}", "01a204ab-23ce-77b8-882d-72542aa6e861", template)


@needs_two_users
@pytest.mark.parametrize(("method", "template"), sorted(SCOPES))
def test_another_user_is_refused_everywhere(server: Server, method: str, template: str) -> None:
    json = ("-H", "Content-Type: application/json", "-d", "{}") if method != "GET" else ()
    found = curl(server.url, _path(template), "-X", method, *json, before=STRANGER)
    hint = refused(found, 403, "other_user")["hint"]
    assert "token" in hint


@needs_two_users
def test_another_user_is_refused_where_there_is_no_route(server: Server) -> None:
    refused(curl(server.url, "/nowhere", before=STRANGER), 403, "other_user")
    refused(curl(server.url, "/events", "-X", "PURGE", before=STRANGER), 403, "other_user")


@needs_two_users
def test_another_user_gets_no_stream(server: Server) -> None:
    accept = ("-H", "Accept: text/event-stream")
    refused(curl(server.url, "/events", *accept, before=STRANGER), 403, "other_user")


@needs_two_users
def test_a_large_body_of_another_user_is_not_read(server: Server) -> None:
    body = ("-H", "Content-Type: application/json", "-H", "Expect:", "-d", "x" * 100_000)
    refused(curl(server.url, "/conversations", *body, before=STRANGER), 403, "other_user")


@needs_two_users
def test_our_user_is_served_meanwhile(server: Server) -> None:
    with ThreadPoolExecutor(4) as pool:
        strangers = [pool.submit(curl, server.url, "/health", before=STRANGER) for _ in range(20)]
        assert [curl(server.url, "/health").status_code for _ in range(10)] == [200] * 10
        assert {each.result().status_code for each in strangers} == {403}


# --- a share for each -----------------------------------------------------------------------


def test_strangers_leave_room_for_our_user() -> None:
    door = Door(lambda _: Peer(), 16)
    strangers = [Peer(uid=uid, verdict=NOT_OURS) for uid in (1, 2, 3)]
    for peer in strangers[:2]:
        for _ in range(4):
            door.enter(peer)
        with pytest.raises(TooManyConnections):
            door.enter(peer)
    with pytest.raises(TooManyConnections):
        door.enter(strangers[2])
    ours = [door.enter(Peer(uid=0)) for _ in range(8)]
    with pytest.raises(TooManyConnections):
        door.enter(Peer(uid=0))
    door.leave(ours[0])
    door.enter(Peer(uid=0))


def test_a_stranger_may_come_again_when_one_of_its_connections_has_ended() -> None:
    door, peer = Door(lambda _: Peer(), 8), Peer(address="10.0.0.1", verdict=NOT_OURS)
    groups = [door.enter(peer) for _ in range(2)]
    with pytest.raises(TooManyConnections):
        door.enter(peer)
    door.leave(groups[0])
    door.enter(peer)


# --- how much one caller may have open ------------------------------------------------------


def test_past_its_most_requests_a_caller_gets_429_and_later_one_passes(site: Site) -> None:
    with start(site, "--max-requests-per-caller", "2") as server:
        server.wait_ready()
        with ThreadPoolExecutor(2) as pool:
            polls = [
                pool.submit(httpx.get, f"{server.url}/events?after=latest&wait=2", timeout=20)
                for _ in range(2)
            ]
            answers: list[httpx.Response] = []

            def is_full() -> bool:
                answers.append(server.client.get("/health"))
                return answers[-1].status_code == 429

            until(is_full, "two requests run", 1.5)
            refused(answers[-1], 429, "too_many_requests")
            assert int(answers[-1].headers["retry-after"]) >= 1
            assert {poll.result().status_code for poll in polls} == {200}
        assert server.client.get("/health").status_code == 200


def test_streams_do_not_count_as_requests(site: Site) -> None:
    with start(site, "--max-requests-per-caller", "1") as server:
        server.wait_ready()
        with server.read_all() as first, server.read_all() as second:
            first.wait_type("core/state")
            second.wait_type("core/state")
            assert server.client.get("/health").status_code == 200


def test_past_its_most_streams_a_caller_is_told_so_in_the_stream(site: Site) -> None:
    with start(site, "--max-streams-per-caller", "1") as server:
        server.wait_ready()
        with server.read_all() as first:
            first.wait_type("core/state")
            with server.read_all("?after=latest") as second:
                second.wait_end()
            assert second.status == 200
            (frame,) = second.events
            assert frame["type"] == "core/state"
            assert "1 event streams of this caller (local)" in frame["data"]["reason"]
            assert second.lines[0] == "retry: 5000"
        until(lambda: _one_stream_fits(server), "there is room again")


def _one_stream_fits(server: Server) -> bool:
    with server.read_all("?after=latest") as reader:
        threading.Thread(target=reader.wait_end, daemon=True).start()
        until(lambda: reader.ended or bool(reader.comments), "it has begun or ended")
        return not reader.ended


def test_half_of_all_streams_are_one_callers_by_default(site: Site) -> None:
    with start(site, "--max-streams", "4") as server:
        server.wait_ready()
        with server.read_all() as first, server.read_all() as second:
            first.wait_type("core/state")
            second.wait_type("core/state")
            with server.read_all() as third:
                third.wait_end()
            assert "2 event streams of this caller" in third.events[0]["data"]["reason"]


def test_a_message_whose_stream_does_not_fit_is_429_and_not_sent(site: Site) -> None:
    with start(site, "--max-streams-per-caller", "1") as server:
        server.wait_ready()
        conversation, gate = server.conversation(), Gate()
        path = f"/conversations/{conversation}/messages"
        stream = {"Accept": "text/event-stream"}
        site.provider.expect(Text(["one ", gate, "two"]))
        with server.client.stream("POST", path, json={"message": "x"}, headers=stream) as first:
            lines = first.iter_lines()
            assert any("one " in line for line in lines)
            answer = httpx.post(server.url + path, json={"message": "second"}, headers=stream)
            refused(answer, 429, "too_many_requests")
            gate.open()
            assert any("turn/completed" in line for line in lines)
        assert server.get(f"/conversations/{conversation}/queue")["data"] == []
        assert len(site.provider.requests) == 1


# --- what every answer carries --------------------------------------------------------------

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        pytest.param("GET", "/", 200, marks=needs_page),
        pytest.param("GET", "/page/page.js", 200, marks=needs_page),
        ("GET", "/openapi.json", 200),
        ("GET", "/nowhere", 404),
        ("PUT", "/health", 405),
        ("POST", "/conversations", 422),
        ("GET", "/events?after=nonsense", 400),
    ],
)
def test_every_answer_keeps_other_sites_away(
    server: Server, method: str, path: str, status: int
) -> None:
    answer = server.client.request(method, path)
    assert answer.status_code == status
    for name, value in EVERYWHERE.items():
        assert answer.headers.get_list(name) == [value]


def test_refusals_and_streams_do_so_too(server: Server) -> None:
    foreign = server.client.get("/health", headers={"Origin": "http://evil"})
    with server.client.stream("GET", "/events", headers={"Accept": "text/event-stream"}) as stream:
        for answer in (foreign, stream):
            for name, value in EVERYWHERE.items():
                assert answer.headers.get_list(name) == [value]


@needs_page
def test_the_page_is_alone_in_its_window_and_asks_for_no_device(server: Server) -> None:
    headers = server.client.get("/").headers
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
