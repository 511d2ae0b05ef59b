"""A server that other machines can reach: a token or nothing; and directories outside the roots."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from codex_http_server.auth.pages import leave_code
from codex_http_server.auth.tokenfile import TokenFile
from codex_http_server.testing.reader import Reader
from tests.support.access import bearer, from_outside, lan_address, make_token, token_file
from tests.support.codes import refused
from tests.support.server import Server, Site, start
from tests.support.shared import server_at

LAN = lan_address()
TOKEN = "a-token-of-the-environment"
GOOD = bearer(TOKEN)
needs_lan = pytest.mark.skipif(LAN is None, reason="this machine has no address but loopback")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on every address."""
    if LAN is None:
        pytest.skip("this machine has no address but loopback")
    root = tmp_path_factory.mktemp("beyond")
    environment = {"CODEX_HTTP_TOKEN": TOKEN}
    with server_at(
        root, "--host", "0.0.0.0", "--allow-origin", "app://foux", environment=environment
    ) as running:
        yield running


@pytest.fixture
def outside(server: Server) -> Iterator[httpx.Client]:
    """A client that comes from beyond loopback."""
    assert LAN is not None
    with from_outside(server, LAN) as client:
        yield client


# --- who comes from beyond ------------------------------------------------------------------


def test_from_beyond_loopback_a_token_is_needed(server: Server, outside: httpx.Client) -> None:
    for method, path in (("GET", "/conversations"), ("POST", "/interrupt"), ("GET", "/events")):
        answer = outside.request(method, path)
        refused(answer, 401, "token_required")
        assert outside.request(method, path, headers=GOOD | {"Accept": "*/*"}).status_code < 300
    assert server.get("/conversations")["data"] == []  # on this machine none is


def test_what_is_public_says_little_to_strangers(outside: httpx.Client) -> None:
    assert set(outside.get("/health").json()) == {"status", "version"}
    assert outside.get("/session").json() == {"via": "none", "scopes": []}
    assert outside.get("/").status_code == 200
    assert "core" in outside.get("/health", headers=GOOD).json()


def test_neither_code_nor_cookie_is_taken_from_beyond_loopback(
    server: Server, outside: httpx.Client
) -> None:
    folder = token_file(server.site).with_name("page-codes")
    refused(outside.post("/session", json={"code": leave_code(folder)}), 401, "token_required")
    port = server.url.rpartition(":")[2]
    local = httpx.Client(base_url=f"http://127.0.0.1:{port}")
    with local:
        assert local.post("/session", json={"code": leave_code(folder)}).status_code == 204
        cookie = "; ".join(f"{name}={value}" for name, value in local.cookies.items())
    for path in ("/conversations", "/events"):
        refused(outside.get(path, headers={"Cookie": cookie}), 401, "token_required")


def test_its_own_address_is_a_good_host_and_a_name_is_not(outside: httpx.Client) -> None:
    port = outside.base_url.port
    for host in (f"{LAN}:{port}", str(LAN), f"localhost:{port}"):
        assert outside.get("/health", headers={"Host": host}).status_code == 200
    for host in (f"evil.example:{port}", "192.0.2.77", "0.0.0.0", f"{LAN}.evil.example"):
        answer = outside.get("/health", headers={"Host": host} | GOOD)
        refused(answer, 421, "host_not_allowed")


def test_a_preflight_needs_no_token_and_gives_no_credentials(outside: httpx.Client) -> None:
    headers = {
        "Origin": "app://foux",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = outside.options("/conversations", headers=headers | {"X-Forwarded-For": "1.2.3.4"})
    assert answer.status_code == 200
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in answer.headers
    foreign = outside.options(
        "/conversations", headers=headers | {"Origin": "https://evil.example"}
    )
    refused(foreign, 403, "origin_not_allowed")


def test_a_ticket_opens_a_stream_from_beyond_loopback(outside: httpx.Client) -> None:
    made = outside.post("/tickets", json={"path": "/events"}, headers=GOOD).json()
    with Reader(str(outside.base_url), made["url"]) as reader:
        reader.wait_type("core/state")


def test_the_start_warns_that_nothing_is_encrypted(server: Server) -> None:
    assert any("not encrypted" in line for line in server.log)


@needs_lan
def test_when_the_last_token_goes_everything_from_beyond_is_401(site: Site) -> None:
    path = site.root / "tokens.json"
    headers = bearer(make_token(path, "only"))
    with start(site, "--host", "0.0.0.0", "--token-file", str(path)) as server:
        assert LAN is not None
        with from_outside(server, LAN) as outside:
            assert outside.get("/conversations", headers=headers).status_code == 200
            TokenFile(path).remove("only")
            refused(outside.get("/conversations", headers=headers), 401, "invalid_token")
            refused(outside.get("/conversations"), 401, "token_required")
            assert outside.get("/health").status_code == 200


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6")
def test_a_server_on_every_ipv6_address_takes_ipv4_as_what_it_is(site: Site) -> None:
    given = {"CODEX_HTTP_TOKEN": TOKEN}
    with start(site, "--host", "::", environment=given) as server:
        port = server.url.rpartition(":")[2]
        for host in ("127.0.0.1", "[::1]"):
            found = httpx.get(f"http://{host}:{port}/session").json()
            assert found["via"] == "local"
        if LAN is not None:
            with from_outside(server, LAN) as outside:
                assert outside.get("/session").json()["via"] == "none"
                assert outside.get("/session", headers=GOOD).json()["via"] == "token"


# --- directories ----------------------------------------------------------------------------


def create(client: httpx.Client, path: object, headers: dict[str, str]) -> httpx.Response:
    return client.post("/conversations", json={"working_directory": str(path)}, headers=headers)


def test_from_beyond_loopback_work_is_below_the_home_of_the_user(
    server: Server, outside: httpx.Client
) -> None:
    low = bearer(make_token(token_file(server.site), "low"))
    home = server.site.root / "user"
    (home / "work").mkdir(exist_ok=True)
    for inside in (home, home / "work", f"{home}/work/../work/"):
        assert create(outside, inside, low).status_code == 201
    for path in ("/", "/etc", "/no/such/place", server.site.project, f"{home}/../project"):
        refused(create(outside, path, low), 403, "outside_roots")
    assert create(outside, server.site.project, GOOD).status_code == 201  # it may elevate
    assert create(server.client, server.site.project, low).status_code == 201
    assert create(server.client, server.site.project, {}).status_code == 201


@pytest.fixture
def rooted(site: Site) -> Iterator[tuple[Server, Path]]:
    """A server with one root, and the root."""
    root = site.root / "allowed"
    (root / "inner").mkdir(parents=True)
    (site.root / "allowed-not").mkdir()
    (root / "out").symlink_to(site.root / "project")
    (root / "in").symlink_to(root / "inner")
    (root / "broken").symlink_to(site.root / "nothing")
    (root / "file").touch()
    (root / "loop").symlink_to(root / "loop")
    with start(site, "--root", str(root)) as server:
        server.wait_ready()
        yield server, root


def test_roots_hold_for_local_callers_too_and_links_count_by_where_they_lead(
    rooted: tuple[Server, Path],
) -> None:
    server, root = rooted
    site = server.site
    for inside in (root, f"{root}/", root / "inner", root / "in", f"{root}/inner/../inner/."):
        assert create(server.client, inside, {}).status_code == 201
    outside = (site.project, root / "out", f"{root}/out/.", f"{root}/../project", root.parent)
    for path in (*outside, f"{root}-not", "/", f"{root}/inner/../../project"):
        refused(create(server.client, path, {}), 403, "outside_roots")
    high = bearer(make_token(token_file(site), "high", ["drive", "elevate"]))
    assert create(server.client, site.project, high).status_code == 201


def test_nothing_is_said_about_what_is_outside(rooted: tuple[Server, Path]) -> None:
    server, root = rooted
    site = server.site
    (site.root / "a-file").touch()
    said = set[str]()
    for path in ("project", "no-such", "a-file", "allowed/out", "allowed/broken", "x" * 300):
        found = refused(create(server.client, site.root / path, {}), 403, "outside_roots")
        said.add(found["detail"].replace(path, "").replace("x" * 300, "") + str(found.get("hint")))
    assert len({text.partition("is outside")[2] for text in said}) == 1
    for path in (root / "no-such", root / "file", root / "loop"):
        refused(create(server.client, path, {}), 422, "invalid_working_directory")
    refused(create(server.client, "allowed", {}), 422, "invalid_working_directory")
    refused(create(server.client, "/\0", {}), 422, "invalid_working_directory")


def test_a_root_may_be_a_link(site: Site) -> None:
    link = site.root / "link"
    link.symlink_to(site.project)
    with start(site, "--root", str(link)) as server:
        server.wait_ready()
        for path in (link, site.project):
            assert create(server.client, path, {}).status_code == 201
        refused(create(server.client, site.root, {}), 403, "outside_roots")
        link.unlink()
        refused(create(server.client, site.project, {}), 403, "outside_roots")
