"""What a connection may cost: heads, times, numbers; and what is no HTTP. By hand, byte by byte."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from codex_http_server.api import connection, heads
from tests.support.codes import refused
from tests.support.commands import until
from tests.support.raw import HOST, Line, get
from tests.support.server import Server, Site, start
from tests.support.shared import server_at, site_at

CHUNKED = (
    b"POST /conversations HTTP/1.1\r\n"
    + HOST
    + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)
HEAD, REST = 0.5, 0.6  # seconds, in place of 10 and 30


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all: whatever is sent, it stays as it is."""
    with server_at(tmp_path_factory.mktemp("connections")) as running:
        yield running


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits less; these times are no settings."""
    with (
        site_at(tmp_path_factory.mktemp("hasty")) as site,
        start(site, environment={"PYTHONPATH": str(patch(site))}) as running,
    ):
        running.wait_ready()
        yield running


def patch(site: Site) -> Path:
    folder = site.root / "patch"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "from codex_http_server.api import connection\n"
        f"connection.HEAD_SECONDS, connection.REST_SECONDS = {HEAD}, {REST}\n"
    )
    return folder


def is_well(server: Server) -> None:
    """Others are served."""
    with Line(server.url) as line:
        line.send(get())
        assert line.answer().status_code == 200


# --- too much -------------------------------------------------------------------------------


def test_a_hundred_headers_pass_and_one_more_is_431(server: Server) -> None:
    some = [b"X-%d: y" % number for number in range(heads.HEADERS - 1)]  # and Host
    with Line(server.url) as line:
        line.send(get("/health", *some))
        assert line.answer().status_code == 200
        line.send(get("/health", *some, b"X: y"))
        found = line.answer()
        assert "100 headers" in refused(found, 431, "headers_too_large")["detail"]
        assert found.headers["connection"] == "close"
        assert line.is_closed()
    is_well(server)


@pytest.mark.parametrize("count", [1, 50])
def test_headers_of_64_kib_pass_and_more_are_431(server: Server, count: int) -> None:
    room = heads.HEADER_BYTES // count - 100
    with Line(server.url) as line:
        line.send(get("/health", *[b"X-%d: " % n + b"y" * room for n in range(count)]))
        assert line.answer().status_code == 200
        more = heads.HEADER_BYTES // count
        line.send(get("/health", *[b"X-%d: " % n + b"y" * more for n in range(count)]))
        refused(line.answer(), 431, "headers_too_large")
        assert line.is_closed()


@pytest.mark.parametrize("start", [get()[:-2] + b"X: ", get()[:-2] + b"X", b"GET /"])
def test_one_that_never_ends_is_refused_before_it_has_taken_memory(
    server: Server, start: bytes
) -> None:
    sent = 0
    with Line(server.url) as line:
        line.send(start)
        try:
            for _ in range(200):
                line.send(b"y" * 8192)
                sent += 8192
                time.sleep(0.001)  # noqa: TID251 # so that it arrives in many pieces
        except OSError:
            pass
        with suppress(ConnectionResetError):  # it may be cut off after its 2 s of grace
            assert line.answer().status_code in (414, 431)
    is_well(server)


def test_a_target_of_16_kib_passes_and_a_longer_one_is_414(server: Server) -> None:
    with Line(server.url) as line:
        line.send(get("/health?" + "x" * (heads.TARGET - 8)))
        assert line.answer().status_code == 200
        line.send(get("/health?" + "x" * (heads.TARGET - 7)))
        refused(line.answer(), 414, "target_too_long")
        assert line.is_closed()


def test_a_trailer_that_never_ends_is_refused(server: Server) -> None:
    with Line(server.url) as line:
        line.send(CHUNKED + b"2\r\n{}\r\n0\r\nX: ")
        time.sleep(0.05)  # noqa: TID251 # the rest arrives by itself
        for _ in range(20):
            line.send(b"y" * 8192)
            time.sleep(0.002)  # noqa: TID251 # in many pieces
        refused(line.answer(), 431, "headers_too_large")
        assert line.is_closed()


def test_a_trailer_changes_nothing(server: Server) -> None:
    body = b'{"working_directory": "relative"}'
    with Line(server.url) as line:
        line.send(
            CHUNKED
            + b"%x\r\n%b\r\n0\r\nHost: evil\r\nOrigin: http://evil\r\n\r\n" % (len(body), body)
        )
        refused(line.answer(), 422, "invalid_working_directory")


def test_small_chunks_are_no_attack(server: Server) -> None:
    body = b'{"working_directory": "' + b"x" * 30_000 + b'"}'
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    with Line(server.url) as line:
        line.send(CHUNKED)
        line.send(chunks + b"0\r\n\r\n")
        refused(line.answer(), 422, "invalid_working_directory")


# --- not in time ----------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET /", get()[:-2]])
def test_a_head_that_does_not_arrive_is_408(hasty: Server, sent: bytes) -> None:
    with Line(hasty.url) as line:
        line.send(sent)
        found = line.answer()
        refused(found, 408, "headers_timeout")
        assert found.headers["connection"] == "close"
        assert line.is_closed()


def test_a_head_that_drips_is_408_too(hasty: Server) -> None:
    begun = time.monotonic()
    with Line(hasty.url) as line:
        line.socket.settimeout(0.05)
        line.send(get()[:-2])
        while time.monotonic() < begun + 10:
            try:
                line.send(b"X: y\r\n")
                if line.socket.recv(4096, socket.MSG_PEEK):
                    break
            except TimeoutError:
                continue
        line.socket.settimeout(10)
        refused(line.answer(), 408, "headers_timeout")
    assert HEAD <= time.monotonic() - begun < HEAD + 5


def test_a_second_head_that_does_not_arrive_is_408_after_the_first_answer(hasty: Server) -> None:
    with Line(hasty.url) as line:
        line.send(get() + b"GET /hea")
        assert line.answer().status_code == 200
        refused(line.answer(), 408, "headers_timeout")
        assert line.is_closed()


def test_between_two_requests_a_connection_may_rest(hasty: Server) -> None:
    with Line(hasty.url) as line:
        line.send(get())
        assert line.answer().status_code == 200
        time.sleep(HEAD * 3)  # noqa: TID251 # that nothing happens is what is tested
        line.send(get())
        assert line.answer().status_code == 200


def test_a_body_that_nobody_waits_for_ends_its_connection(hasty: Server) -> None:
    with Line(hasty.url) as line:
        line.send(get("/health", b"Content-Length: 100") + b"x")
        assert line.answer().status_code == 200
        assert line.is_closed()


def test_a_body_that_nobody_waited_for_and_that_comes_does_no_harm(server: Server) -> None:
    with Line(server.url) as line:
        line.send(get("/health", b"Content-Length: 10") + b"x")
        assert line.answer().status_code == 200
        line.send(b"x" * 9 + get())
        assert line.answer().status_code == 200


# --- no HTTP --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"FOO / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
        b"GET http://evil/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_request_is_400_in_the_form_of_all_errors(server: Server, sent: bytes) -> None:
    with Line(server.url) as line:
        line.send(sent)
        found = line.answer()
        refused(found, 400, "bad_request")
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["connection"] == "close"
        assert line.is_closed()
    is_well(server)


def test_a_body_that_goes_wrong_is_400_and_its_request_is_not_run(server: Server) -> None:
    with Line(server.url) as line:
        line.send(CHUNKED + b"2\r\n{}\r\nzz\r\n")
        refused(line.answer(), 400, "bad_request")
        assert line.is_closed()
    assert server.get("/conversations")["data"] == []


def test_an_upgrade_that_is_not_spoken_is_answered_as_if_it_were_not_asked(server: Server) -> None:
    for protocol in (b"h2c", b"websocket"):
        with Line(server.url) as line:
            line.send(
                get("/health", b"Connection: Upgrade", b"Upgrade: " + protocol) + get("/ready")
            )
            assert line.answer().status_code == 200
            assert line.is_closed(), "what follows may be of the other protocol"


# --- one after the other --------------------------------------------------------------------


def test_requests_in_a_row_are_answered_in_their_order(server: Server) -> None:
    paths = ["/health", "/nowhere", "/conversations", "/openapi.json"] * 5
    with Line(server.url) as line:
        line.send(b"".join(map(get, paths)))
        found = [line.answer().status_code for _ in paths]
    assert found == [200, 404, 200, 200] * 5


def test_answers_that_are_owed_come_before_the_end(server: Server) -> None:
    with Line(server.url) as line:
        line.send(get() + get("/nowhere") + b"NONSENSE\r\n\r\n" + get())
        assert line.answer().status_code == 200
        assert line.answer().status_code == 404
        assert line.is_closed(), "the rest is not read"


def test_the_answer_that_is_running_is_not_mixed_with_a_refusal(server: Server) -> None:
    with Line(server.url) as line:
        line.send(get("/events?after=latest&wait=1"))
        line.send(b"NONSENSE\r\n\r\n")
        found = line.answer()
        assert found.status_code == 200
        assert found.json()["data"] == []
        assert line.is_closed()


def test_half_a_body_behind_another_request_is_dropped(server: Server) -> None:
    with Line(server.url) as line:
        line.send(get("/events?after=latest&wait=1") + CHUNKED + b"2\r\n{}\r\nzz\r\n")
        assert line.answer().status_code == 200
        assert line.is_closed()
    assert server.get("/conversations")["data"] == []


def test_no_more_than_some_may_wait_in_a_row(server: Server) -> None:
    many = connection.PIPELINE + 20
    answered = 0
    with Line(server.url) as line:
        line.send(get("/events?after=latest&wait=1") + get() * many)
        while True:
            try:
                assert line.answer().status_code == 200
                answered += 1
            except (EOFError, ConnectionResetError):
                break
    assert 1 <= answered <= connection.PIPELINE + 2
    is_well(server)


# --- how many -------------------------------------------------------------------------------


def test_past_the_most_connections_one_more_is_503_and_later_one_fits(site: Site) -> None:
    with start(site, "--max-connections", "8") as server, ExitStack() as held:
        server.wait_ready()
        server.client.close()
        lines = [held.enter_context(Line(server.url)) for _ in range(8)]
        for line in lines:
            line.send(get())
            assert line.answer().status_code == 200
        with Line(server.url) as line:
            found = line.answer()
            refused(found, 503, "too_many_connections")
            assert int(found.headers["retry-after"]) >= 1
            assert line.is_closed()
        lines[0].__exit__()

        def fits() -> bool:
            with Line(server.url) as line:
                line.send(get())
                try:
                    return line.answer().status_code == 200
                except ConnectionResetError:
                    return False

        until(fits, "there is room")


def test_a_flood_of_them_harms_nobody(server: Server) -> None:
    def flood() -> None:
        for _ in range(100):
            with Line(server.url) as line:
                line.send(b"GET /health HT")

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        is_well(server)
    for thread in threads:
        thread.join()
    is_well(server)


@pytest.mark.parametrize("first", ["/conversations/{}/events", "/events"])
def test_a_stream_with_a_request_behind_it_ends_when_its_client_leaves(
    server: Server, first: str
) -> None:
    path = first.format(server.conversation())
    mark = len(server.log)
    with Line(server.url) as line:
        line.send(get(path, b"Accept: text/event-stream") + get("/health"))
        assert line.head() == 200
    until(lambda: any(f'"path": "{path}"' in text for text in server.log[mark:]), "it ends")
    is_well(server)
    assert "a request failed" not in "".join(server.log[mark:])
