"""Who may call at all: the Host, Origin and proxy checks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_http_server.auth.policy import gate
from codex_http_server.errors import (
    ForwardedNotAllowed,
    HostNotAllowed,
    OriginNotAllowed,
    ServerError,
)

UNIX = gate([], ["app://foux"], unix=True)
OURS = gate(["My.Machine"], ["app://foux", "https://App.example"])


def refusal(host: str, **headers: str) -> type[ServerError] | None:
    """The kind of refusal of a request with this Host and these headers, or None."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    refused = OURS.refusal({"host": host} | names)
    return type(refused) if refused else None


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:3032", "127.0.0.1", "localhost:1", "LOCALHOST:3032", "[::1]:3032", "[::1]"]
    + ["my.machine", "MY.machine:80"],
)
def test_the_names_of_this_server_pass_with_any_port_and_case(host: str) -> None:
    assert refusal(host) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:3032", "127.0.0.1.evil.example", "localhost.evil", "", ":3032"]
    + [
        "127.0.0.2",
        "0.0.0.0",
        "::1",
        "[::2]:3032",
        "[::1",
        "[]",
        "[",
        "localhost:80:80",
        "x@localhost",
    ]
    + ["my.machine.example", "127.1", "2130706433", "localhost/", " localhost", "localhost,evil"],
)
def test_any_other_name_is_refused(host: str) -> None:
    assert refusal(host) is HostNotAllowed


def test_a_request_without_a_host_is_refused() -> None:
    assert isinstance(OURS.refusal({}), HostNotAllowed)


@pytest.mark.parametrize("host", ["[::1].evil.example", "[::1]evil:80", "[::1]:80:80"])
def test_a_name_that_only_begins_like_an_address_is_refused(host: str) -> None:
    assert refusal(host) is HostNotAllowed


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:3032", "http://127.0.0.1:3032"),
        ("localhost:3032", "http://LOCALHOST:3032"),
        ("LocalHost:3032", "http://localhost:3032"),
        ("[::1]:3032", "http://[::1]:3032"),
        ("localhost", "http://localhost"),
        ("127.0.0.1:3032", "app://foux"),
        ("127.0.0.1:3032", "https://app.EXAMPLE"),
    ],
)
def test_its_own_pages_and_the_named_origins_may_call(host: str, origin: str) -> None:
    assert refusal(host, origin=origin) is None


@pytest.mark.parametrize(
    "origin",
    ["null", "", "https://evil.example", "http://evil.example:3032", "http://localhost:3032"]
    + ["http://127.0.0.1", "http://127.0.0.1:3033", "https://127.0.0.1:3032", "127.0.0.1:3032"]
    + ["http://127.0.0.1:3032.evil.example", "http://x@127.0.0.1:3032", "app://foux2", "app://"]
    + ["https://app.example.evil", "https://app.example:444", "http://app.example", "file://"]
    + ["http://", "//127.0.0.1:3032", "chrome-extension://abc", "http://127.0.0.1:3032 x"],
)
def test_pages_of_others_may_not(origin: str) -> None:
    assert refusal("127.0.0.1:3032", origin=origin) is OriginNotAllowed


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "http://]", "http://[x]:1"])
def test_an_origin_that_can_not_be_read_is_refused(origin: str) -> None:
    assert refusal("127.0.0.1:3032", origin=origin) is OriginNotAllowed


@pytest.mark.parametrize(
    "header", ["forwarded", "x_forwarded_for", "x_forwarded_host", "x_forwarded_proto"]
)
def test_what_came_through_a_proxy_is_refused(header: str) -> None:
    assert refusal("localhost", **{header: ""}) is ForwardedNotAllowed
    assert refusal("localhost", x_forwarded="") is None


def test_the_host_is_looked_at_before_the_origin() -> None:
    assert refusal("evil.example", origin="http://evil.example") is HostNotAllowed


def test_a_refusal_says_what_to_do_and_does_not_fill_the_screen() -> None:
    for headers in ({"host": "x" * 9999}, {"host": "localhost", "origin": "x" * 9999}):
        refused = OURS.refusal(headers)
        assert refused is not None
        assert refused.hint
        assert len(refused.detail) < 300


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_foreign_host_gets_in_whatever_the_origin(host: str, origin: str) -> None:
    assert refusal(f"{host}.evil.example", origin=origin) is HostNotAllowed


@pytest.mark.parametrize("host", ["", "localhost", "evil.example:80", "x"])
def test_at_a_unix_socket_any_host_passes_and_no_origin(host: str) -> None:
    assert UNIX.refusal({"host": host}) is None
    assert UNIX.refusal({}) is None
    for origin in (f"http://{host}", "app://foux", "null", ""):
        assert isinstance(UNIX.refusal({"host": host, "origin": origin}), OriginNotAllowed)
    assert isinstance(UNIX.refusal({"forwarded": "for=x"}), ForwardedNotAllowed)
