"""Who may call at all: the Host, Origin and proxy checks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_http_server.auth.policy import forwarded, gate, is_loopback, own_page
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
def test_what_came_through_a_proxy_is_found(header: str) -> None:
    assert isinstance(forwarded({header.replace("_", "-"): ""}), ForwardedNotAllowed)
    assert forwarded({"x-forwarded": ""}) is None


@pytest.mark.parametrize(
    ("host", "arrived"),
    [
        ("192.168.1.5:3032", "192.168.1.5"),
        ("192.168.1.5", "::ffff:192.168.1.5"),
        ("[fd00::5]:3032", "fd00::5"),
        ("[FD00:0::5]", "fd00::5"),
        ("[fe80::1]", "fe80::1%eth0"),
        ("127.0.0.2:1", "127.0.0.2"),
    ],
)
def test_the_address_at_which_a_connection_arrived_is_a_name(host: str, arrived: str) -> None:
    assert OURS.refusal({"host": host}, arrived) is None
    assert isinstance(OURS.refusal({"host": host}, "10.0.0.1"), HostNotAllowed)
    assert isinstance(OURS.refusal({"host": host}), HostNotAllowed)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "192.168.1.50", "192.168.001.5", "3232235781", "0xc0a80105", "[192.168.1.5]"]
    + ["192.168.1.5.evil.example", "[::ffff:192.168.1.5]x", "::ffff:192.168.1.5", ""],
)
def test_no_other_spelling_is_that_address(host: str) -> None:
    assert isinstance(OURS.refusal({"host": host}, "192.168.1.5"), HostNotAllowed)


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-origin", "origin": "http://localhost:3032"}, True),
        ({"origin": "http://localhost:3033"}, False),
        ({"origin": "app://foux"}, False),
        ({"origin": "null"}, False),
    ],
)
def test_what_comes_from_the_own_page(headers: dict[str, str], own: bool) -> None:
    assert own_page({"host": "localhost:3032"} | headers) is own


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True)]
    + [("::ffff:127.0.0.1", True), ("0.0.0.0", False), ("::", False), ("192.168.1.5", False)]
    + [("::ffff:192.168.1.5", False), ("example.org", False), ("", False), ("127.1", False)],
)
def test_which_addresses_are_of_this_machine_only(address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback


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
