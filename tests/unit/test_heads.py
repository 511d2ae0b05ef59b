"""The head of a request: what the parser refuses, and what we refuse beside it."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_http_server.api import heads
from codex_http_server.errors import BadRequest, HeadersTooLarge, TargetTooLong

START = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n"


class Heard:
    """What a parser tells of the requests that it reads."""

    def __init__(self) -> None:
        self.targets: list[bytes] = []
        self.headers: list[tuple[bytes, bytes]] = []
        self.fault: Exception | None = None
        self.parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        self.targets.append(b"")
        self.headers = []

    def on_url(self, url: bytes) -> None:
        self.targets[-1] += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        fault = heads.head_fault(
            self.parser.get_http_version(),
            self.targets[-1],
            self.headers,
            upgrade=bool(self.parser.should_upgrade()),
        )
        if fault is not None:
            raise fault


def is_refused(data: bytes) -> bool:
    """Whether the parser, or we, refuse it."""
    try:
        Heard().parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        return False
    except httptools.HttpParserError:
        return True
    return False


AMBIGUOUS = {
    "two lengths": START + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "one length twice": START + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    "a list of lengths": START + b"Content-Length: 1, 1\r\n\r\nx",
    "a signed length": START + b"Content-Length: +1\r\n\r\nx",
    "a negative length": START + b"Content-Length: -1\r\n\r\nx",
    "a hexadecimal length": START + b"Content-Length: 0x1\r\n\r\nx",
    "no length": START + b"Content-Length: \r\n\r\nx",
    "a length past all bounds": START + b"Content-Length: 99999999999999999999999\r\n\r\nx",
    "a length in two parts": START + b"Content-Length: 1 1\r\n\r\nx",
    "coding, then length": START
    + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
    "length, then coding": START
    + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "identity": START + b"Transfer-Encoding: identity\r\n\r\nxxx",
    "two codings": START + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "codings in the other order": START + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "a coding twice": START
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "nearly chunked": START + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "quoted chunked": START + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "chunked behind a tab of another kind": START
    + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "no coding": START + b"Transfer-Encoding: \r\n\r\n0\r\n\r\n",
    "chunked in 1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded line": START + b"X: a\r\n b\r\n\r\n",
    "a folded Host": b"GET / HTTP/1.1\r\nHost: a\r\n\t.b\r\n\r\n",
    "a space before the colon": START + b"X : a\r\n\r\n",
    "a space before the first header": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "NUL in a value": START + b"X: a\0b\r\n\r\n",
    "NUL in a name": START + b"X\0: ab\r\n\r\n",
    "a control character": START + b"X: a\x01b\r\n\r\n",
    "a name beyond ASCII": START + b"X\xff: a\r\n\r\n",
    "a header without a name": START + b": a\r\n\r\n",
    "a header without a colon": START + b"Xa\r\n\r\n",
    "lines without CR": b"GET / HTTP/1.1\nHost: a\n\n",
    "one line without CR": b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    "a line with CR only": b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    "two Hosts": START + b"Host: b\r\n\r\n",
    "two Origins": START + b"Origin: http://a\r\nOrigin: http://b\r\n\r\n",
    "two Authorizations": START + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
    "HTTP/0.9": b"GET / HTTP/0.9\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "HTTP/2.0 in text": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another host in the address": b"GET http://evil/health HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT": b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS *": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "a space in the address": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "NUL in the address": b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    "an address beyond ASCII": b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method in lower case": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "an unknown method": b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n",
    "no number of bytes in a chunk": CHUNKED + b"zz\r\nx\r\n0\r\n\r\n",
    "a chunk of 0x1": CHUNKED + b"0x1\r\nx\r\n0\r\n\r\n",
    "a space behind the size of a chunk": CHUNKED + b"1 \r\nx\r\n0\r\n\r\n",
    "a chunk past all bounds": CHUNKED + b"fffffffffffffffff\r\nx\r\n0\r\n\r\n",
    "chunks in lines without CR": CHUNKED + b"1\nx\n0\n\n",
    "a length in the trailer": CHUNKED + b"1\r\nx\r\n0\r\nContent-Length: 5\r\n\r\n",
    "an upgrade with a body": START
    + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
    "an upgrade with chunks": START
    + b"Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a body without a length": START + b"\r\nabc",
}
PLAIN = {
    "a length": START + b"Content-Length: 1\r\n\r\nx",
    "chunks": CHUNKED + b"1\r\nx\r\n0\r\n\r\n",
    "chunks, in capitals": START + b"Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n",
    "extensions of chunks": CHUNKED + b"1;a=b\r\nx\r\n0\r\n\r\n",
    "a trailer": CHUNKED + b"1\r\nx\r\n0\r\nX: y\r\n\r\n",
    "HTTP/1.0 without Host": b"GET / HTTP/1.0\r\n\r\n",
    "empty lines first": b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a header twice that may be": START + b"Accept: a\r\nAccept: b\r\n\r\n",
    "a value beyond ASCII": START + b"X: \xff\r\n\r\n",
    "an upgrade that need not be": START + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "two in a row": b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_refused(name: str) -> None:
    assert is_refused(AMBIGUOUS[name])


@pytest.mark.parametrize("name", PLAIN)
def test_what_can_be_read_in_one_way_passes(name: str) -> None:
    assert not is_refused(PLAIN[name])


@pytest.mark.parametrize("name", sorted(AMBIGUOUS | PLAIN))
def test_byte_by_byte_it_is_the_same(name: str) -> None:
    data = (AMBIGUOUS | PLAIN)[name]
    heard, refused = Heard(), False
    for number in range(len(data)):
        try:
            heard.parser.feed_data(data[number : number + 1])
        except httptools.HttpParserUpgrade:
            break
        except httptools.HttpParserError:
            refused = True
            break
    assert refused == (name in AMBIGUOUS)


def test_a_target_has_a_limit_and_is_refused_before_it_is_whole() -> None:
    assert heads.target_fault(b"/" + b"x" * (heads.TARGET - 1)) is None
    assert isinstance(heads.target_fault(b"/" + b"x" * heads.TARGET), TargetTooLong)


def test_headers_have_a_limit_in_number_and_in_bytes() -> None:
    some = [(b"x", b"y")] * heads.HEADERS
    assert heads.size_fault(some, 200) is None
    assert isinstance(heads.size_fault([*some, (b"x", b"y")], 202), HeadersTooLarge)
    assert heads.size_fault(some, heads.HEADER_BYTES) is None
    assert isinstance(heads.size_fault(some, heads.HEADER_BYTES + 1), HeadersTooLarge)


def test_a_refusal_says_which_header_came_twice() -> None:
    twice = [(b"host", b"a"), (b"host", b"a")]
    fault = heads.head_fault("1.1", b"/", twice, upgrade=False)
    assert isinstance(fault, BadRequest)
    assert "host" in fault.detail


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    is_refused(data)
    is_refused(START + data)
    is_refused(CHUNKED + data)
