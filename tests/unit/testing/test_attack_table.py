"""No route without a row, no row without an attack."""

from __future__ import annotations

from codex_http_server import __version__
from codex_http_server.api.app import routes
from codex_http_server.auth.table import SCOPES
from codex_http_server.testing.attack.scopes import NONE, ROUTES, asked
from codex_http_server.testing.attack.stage import Stage
from codex_http_server.testing.attack.target import Target

STAGE = Stage(Target("http://127.0.0.1:3032", "127.0.0.1:3032"))


def test_the_attacked_routes_are_those_of_the_app_and_of_the_table() -> None:
    served = {
        (method, route.path)
        for route in routes(__version__).state.routes
        for method in route.methods - {"HEAD"}
    }
    assert served == set(SCOPES), "a route without a scope: auth/table.py"
    assert served == set(ROUTES), "a route without an attack: testing/attack/scopes.py"


def test_a_route_is_asked_without_doing_harm() -> None:
    for route in ROUTES:
        data = asked(STAGE, route, "")
        head, _, body = data.partition(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n")[0].split(b" ")
        assert method.decode() == route[0]
        assert b"{" not in path
        if "{conversation_id}" in route[1]:
            assert NONE.encode() in path
        if method != b"GET":
            assert body == b"attack"
            assert b"Content-Type: text/plain" in head
            assert b"Idempotency-Key: " + b"k" * 256 in head
