"""What a server says is read from bytes, whole or not, right or wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_http_server.testing.attack.answers import (
    BODY_MOST,
    CLOSED,
    HEAD_MOST,
    NOT_HTTP,
    Answer,
    take,
)

OK = b"HTTP/1.1 200 OK\r\n"


def read(data: bytes, *, closed: bool = False, bodiless: bool = False, head_only: bool = False):
    """The answer in these bytes, and what is left of them."""
    buffer = bytearray(data)
    found = take(buffer, closed=closed, bodiless=bodiless, head_only=head_only)
    return found, bytes(buffer)


def test_an_answer_with_a_length() -> None:
    found, left = read(OK + b"X-A: b\r\nx-a:c\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1")
    assert found is not None
    assert (found.status, found.body, left) == (200, b"hello", b"HTTP/1.1")
    assert found.all("x-a") == ["b", "c"]
    assert found.get("x-b") == ""
    assert found.good


def test_an_answer_in_chunks() -> None:
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    found, left = read(head + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\nrest")
    assert found is not None
    assert (found.body, left) == (b"abcde", b"rest")
    assert read(head + b"3\r\nab")[0] is None
    assert read(head + b"3\r\nabc\r\n0\r\n")[0] is None


def test_an_answer_without_an_end_ends_with_its_line() -> None:
    assert read(OK + b"\r\nhello")[0] is None
    found, _ = read(OK + b"\r\nhello", closed=True)
    assert found is not None
    assert found.body == b"hello"


@pytest.mark.parametrize("status", [101, 204, 304])
def test_some_answers_have_no_body(status: int) -> None:
    found, left = read(b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\nHTTP/" % status)
    assert found is not None
    assert (found.status, found.body, left) == (status, b"", b"HTTP/")


def test_the_answer_to_head_has_no_body_and_a_stream_is_not_waited_for() -> None:
    data = OK + b"Content-Length: 500\r\n\r\n"
    assert read(data)[0] is None
    assert read(data, bodiless=True)[0] == read(data, head_only=True)[0]


def test_what_comes_before_an_answer_is_told() -> None:
    found, _ = read(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n")
    assert found is not None
    assert (found.interim, found.status) == ((100,), 200)


@pytest.mark.parametrize("data", [b"hello", b"<html>", b"\x15\x03\x01\x00\x02", b"HTTQ"])
def test_what_is_not_http_says_so(data: bytes) -> None:
    found, _ = read(data)
    assert found is not None
    assert found.status == NOT_HTTP
    assert str(found) == "not HTTP"


def test_nothing_is_no_answer_while_the_line_is_open() -> None:
    assert read(b"")[0] is None
    assert read(b"HTT")[0] is None
    assert read(b"", closed=True)[0] == Answer(CLOSED)
    assert read(OK + b"X: y", closed=True)[0] == Answer(CLOSED)


def test_what_does_not_end_is_bounded() -> None:
    assert read(OK + b"x" * HEAD_MOST)[0] == Answer(CLOSED)
    found, _ = read(OK + b"\r\n" + b"x" * (BODY_MOST + 10))
    assert found is not None
    assert len(found.body) == BODY_MOST


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_an_empty_one(body: bytes) -> None:
    assert Answer(200, body=body).json == {}


def test_an_answer_in_words() -> None:
    assert str(Answer(403, body=b'{"code":"other_user"}')) == "403 other_user"
    assert str(Answer(404)) == "404"
    assert str(Answer(CLOSED)) == "nothing, line cut"
    assert str(Answer(CLOSED, silent=True)) == "nothing, line open"


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_read_without_an_error(data: bytes, closed: bool) -> None:
    for start in (b"", OK, OK + b"Transfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 "):
        found, left = read(start + data, closed=closed)
        assert found is not None or not closed
        assert len(left) <= len(start + data)
