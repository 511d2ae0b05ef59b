"""Every route of the server has a method of the Python client, or a reason for having none.

Each method is called on both clients, against a listener that notes what it is asked and refuses.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

import pytest

from codex_http_server.client import AsyncClient, AsyncLogin, Client, Login, NotFound
from codex_http_server.client.types_server import LoginInfo
from tests.unit.test_causes import OPERATIONS

NAMES: Final = {
    "conversation_id": "c",
    "turn_id": "t",
    "item_id": "i",
    "approval_id": "a",
    "submit_id": "s",
    "terminal_id": "p",
    "rule_id": "r",
    "login_id": "l",
}
PENDING: Final[LoginInfo] = {
    "id": "l", "method": "browser", "state": "pending", "url": None, "user_code": None,
    "created_at": "", "expires_at": "", "ended_at": None, "error": None, "note": None,
}  # fmt: skip

# A client, its conversation `c`, its login `l`.
Use = Callable[[Any, Any, Any], Any]
METHODS: Final[dict[tuple[str, str], list[Use]]] = {
    ("GET", "/health"): [lambda c, one, login: c.health()],
    ("GET", "/ready"): [lambda c, one, login: c.ready()],
    ("POST", "/interrupt"): [lambda c, one, login: c.interrupt()],
    ("POST", "/resume"): [lambda c, one, login: c.resume()],
    ("GET", "/auth/status"): [lambda c, one, login: c.auth_status()],
    ("POST", "/auth/login"): [lambda c, one, login: c.login("device_code")],
    ("GET", "/auth/login/{login_id}"): [lambda c, one, login: login.wait(1)],
    ("POST", "/auth/login/{login_id}"): [lambda c, one, login: login.finish("http://x")],
    ("DELETE", "/auth/login/{login_id}"): [lambda c, one, login: login.cancel()],
    ("POST", "/auth/logout"): [lambda c, one, login: c.logout()],
    ("GET", "/auth/usage"): [lambda c, one, login: c.usage(refresh=True)],
    ("GET", "/models"): [lambda c, one, login: c.models()],
    ("GET", "/skills"): [lambda c, one, login: c.skills("/x")],
    ("GET", "/search"): [lambda c, one, login: c.search("x")],
    ("GET", "/events"): [lambda c, one, login: c.events(account=True)],
    ("GET", "/approvals"): [lambda c, one, login: c.approvals()],
    ("GET", "/rules"): [lambda c, one, login: c.rules()],
    ("DELETE", "/rules/{rule_id}"): [lambda c, one, login: c.remove_rule("r")],
    ("POST", "/uploads"): [lambda c, one, login: c.upload(b"x", "image/png")],
    ("GET", "/files"): [lambda c, one, login: one.files("x", limit=3)],
    ("GET", "/files/search"): [lambda c, one, login: one.find_files("x")],
    ("POST", "/conversations"): [lambda c, one, login: c.create("/x", title="x")],
    ("GET", "/conversations"): [lambda c, one, login: c.conversations(q="x")],
    ("GET", "/conversations/{conversation_id}"): [
        lambda c, one, login: one.get(),
        lambda c, one, login: one.snapshot(),
    ],
    ("PATCH", "/conversations/{conversation_id}"): [lambda c, one, login: one.patch(title="x")],
    ("DELETE", "/conversations/{conversation_id}"): [lambda c, one, login: one.delete()],
    ("GET", "/conversations/{conversation_id}/items"): [lambda c, one, login: one.items(turn="t")],
    ("GET", "/conversations/{conversation_id}/turns"): [lambda c, one, login: one.turns(before=9)],
    ("GET", "/conversations/{conversation_id}/turns/{turn_id}"): [
        lambda c, one, login: one.turn("t")
    ],
    ("GET", "/conversations/{conversation_id}/turns/{turn_id}/items/{item_id}/output"): [
        lambda c, one, login: one.output("t", "i", offset=2)
    ],
    ("GET", "/conversations/{conversation_id}/diff"): [
        lambda c, one, login: one.diff("t"),
        lambda c, one, login: one.work_tree_diff(),
    ],
    ("GET", "/conversations/{conversation_id}/export"): [
        lambda c, one, login: one.export(io.BytesIO(), "markdown"),
        lambda c, one, login: one.export_lines(),
    ],
    ("GET", "/conversations/{conversation_id}/usage"): [lambda c, one, login: one.usage(limit=1)],
    ("POST", "/conversations/{conversation_id}/interrupt"): [lambda c, one, login: one.interrupt()],
    ("POST", "/conversations/{conversation_id}/resume"): [lambda c, one, login: one.resume()],
    ("POST", "/conversations/{conversation_id}/revert"): [lambda c, one, login: one.revert("t")],
    ("POST", "/conversations/{conversation_id}/compact"): [lambda c, one, login: one.compact()],
    ("POST", "/conversations/{conversation_id}/review"): [lambda c, one, login: one.review()],
    ("POST", "/conversations/{conversation_id}/shell"): [lambda c, one, login: one.shell("x")],
    ("POST", "/conversations/{conversation_id}/archive"): [lambda c, one, login: one.archive()],
    ("POST", "/conversations/{conversation_id}/unarchive"): [lambda c, one, login: one.unarchive()],
    ("POST", "/conversations/{conversation_id}/fork"): [
        lambda c, one, login: one.fork(at_turn_id="t")
    ],
    ("GET", "/conversations/{conversation_id}/terminals"): [lambda c, one, login: one.terminals()],
    ("DELETE", "/conversations/{conversation_id}/terminals"): [
        lambda c, one, login: one.end_terminals()
    ],
    ("DELETE", "/conversations/{conversation_id}/terminals/{terminal_id}"): [
        lambda c, one, login: one.end_terminals("p")
    ],
    ("POST", "/conversations/{conversation_id}/messages"): [
        lambda c, one, login: one.send("x", wait=1),
        lambda c, one, login: one.stream("x"),
    ],
    ("POST", "/conversations/{conversation_id}/retry"): [
        lambda c, one, login: one.retry(anyway=True, wait=1)
    ],
    ("GET", "/conversations/{conversation_id}/queue"): [lambda c, one, login: one.queue()],
    ("PUT", "/conversations/{conversation_id}/queue"): [lambda c, one, login: one.reorder(["s"])],
    ("PATCH", "/conversations/{conversation_id}/queue/{submit_id}"): [
        lambda c, one, login: one.edit("s", "x")
    ],
    ("DELETE", "/conversations/{conversation_id}/queue/{submit_id}"): [
        lambda c, one, login: one.take_back("s")
    ],
    ("GET", "/conversations/{conversation_id}/approvals"): [lambda c, one, login: one.approvals()],
    ("GET", "/conversations/{conversation_id}/approvals/{approval_id}"): [
        lambda c, one, login: one.approval("a")
    ],
    ("POST", "/conversations/{conversation_id}/approvals/{approval_id}"): [
        lambda c, one, login: one.answer("a", "accept")
    ],
    ("GET", "/conversations/{conversation_id}/events"): [lambda c, one, login: one.events()],
}

ADMIN: Final = "Setting a server up is no work of a program: client.request, or the command line."
PAGE: Final = "For pages in a browser, which can't send a token; this client can."
WHY_NOT: Final = {
    ("GET", "/features"): ADMIN,
    ("PATCH", "/skills"): ADMIN,
    ("GET", "/config"): ADMIN,
    ("PATCH", "/config"): ADMIN,
    ("GET", "/mcp-servers"): ADMIN,
    ("GET", "/mcp-servers/{server_name}"): ADMIN,
    ("POST", "/mcp-servers/reload"): ADMIN,
    ("POST", "/mcp-servers/{server_name}/login"): ADMIN,
    ("GET", "/tokens"): ADMIN,
    ("POST", "/tokens"): ADMIN,
    ("DELETE", "/tokens/{name}"): ADMIN,
    ("GET", "/session"): PAGE,
    ("POST", "/session"): PAGE,
    ("DELETE", "/session"): PAGE,
    ("POST", "/tickets"): PAGE,
    ("POST", "/rpc"): "The core's own methods, with its own objects: client.request.",
    ("GET", "/app-server"): "A WebSocket of the core's own protocol, not HTTP.",
    ("GET", "/uploads/{upload_id}"): "upload answers all of it; images go by themselves.",
    ("DELETE", "/uploads/{upload_id}"): "upload answers all of it; images go by themselves.",
}
CASES = [
    pytest.param(route, use, id=f"{' '.join(route)}-{number}")
    for route, uses in METHODS.items()
    for number, use in enumerate(uses)
]


class Refusing(BaseHTTPRequestHandler):
    """Notes the request and answers 404, as the server would."""

    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path.partition("?")[0]))  # type: ignore[attr-defined]
        body = json.dumps({"code": "not_found", "detail": "No."}).encode()
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _refuse

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def listener() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def asked(listener: ThreadingHTTPServer) -> list[tuple[str, str]]:
    listener.asked = []  # type: ignore[attr-defined]
    return listener.asked  # type: ignore[attr-defined]


@pytest.fixture
def url(listener: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{listener.server_port}"


def test_every_route_has_a_method_or_a_reason() -> None:
    known = METHODS.keys() | WHY_NOT.keys()
    missing = sorted(OPERATIONS.keys() - known)
    assert not missing, f"give the Python client a method, or WHY_NOT a reason: {missing}"
    assert not known - OPERATIONS.keys()
    assert not METHODS.keys() & WHY_NOT.keys()


@pytest.mark.parametrize(("route", "use"), CASES)
def test_a_method_asks_its_route(
    route: tuple[str, str], use: Use, url: str, asked: list[tuple[str, str]]
) -> None:
    with Client(url) as client:
        login = Login(client._connection, PENDING)
        with pytest.raises(NotFound):
            next(iter(use(client, client.conversation("c"), login)))
    assert asked == [(route[0], route[1].format(**NAMES))]


@pytest.mark.parametrize(("route", "use"), CASES)
async def test_an_awaited_method_asks_its_route(
    route: tuple[str, str], use: Use, url: str, asked: list[tuple[str, str]]
) -> None:
    async with AsyncClient(url) as client:
        login = AsyncLogin(client._connection, PENDING)
        found = use(client, client.conversation("c"), login)
        with pytest.raises(NotFound):
            await _first(found)
    assert asked == [(route[0], route[1].format(**NAMES))]


async def _first(found: Coroutine[Any, Any, Any] | AsyncIterator[Any]) -> Any:
    return await found if isinstance(found, Coroutine) else await anext(aiter(found))
