"""An MCP server over HTTP that wants a login, and the issuer of that login, on loopback.

Just enough of OAuth for a client that registers itself: discovery, registration, a page that
says yes to everybody, tokens. Owns its thread; `stop` ends it.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from codex_http_server.testing.tokens import SECRET_MARK

TOKEN = f"{SECRET_MARK}-of-an-mcp-server"
TOOL = {"name": "weather", "inputSchema": {"type": "object", "properties": {}}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _here(self) -> str:
        assert isinstance(self.server, _Server)
        return self.server.url

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        here = self._here
        if parts.path.startswith("/.well-known/oauth-protected-resource"):
            self._say(200, {"resource": f"{here}/mcp", "authorization_servers": [here]})
        elif parts.path.startswith("/.well-known/oauth-authorization-server"):
            self._say(200, self._about(here))
        elif parts.path == "/authorize":
            asked = dict(parse_qsl(parts.query))
            found = urlencode({"code": "yes", "state": asked["state"]})
            self._say(302, {}, Location=f"{asked['redirect_uri']}?{found}")
        else:
            self._say(405, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/register":
            self._say(201, json.loads(body) | {"client_id": "core"})
        elif self.path == "/token":
            self._say(200, {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600})
        elif self.headers["Authorization"] != f"Bearer {TOKEN}":
            where = f"{self._here}/.well-known/oauth-protected-resource"
            self._say(401, {}, **{"WWW-Authenticate": f'Bearer resource_metadata="{where}"'})
        else:
            self._speak_mcp(json.loads(body))

    @staticmethod
    def _about(here: str) -> dict[str, Any]:
        return {
            "issuer": here,
            "authorization_endpoint": f"{here}/authorize",
            "token_endpoint": f"{here}/token",
            "registration_endpoint": f"{here}/register",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
        }

    def _speak_mcp(self, asked: dict[str, Any]) -> None:
        if "id" not in asked:
            self._say(202, None)
            return
        result: dict[str, Any] = {}
        if asked["method"] == "initialize":
            result = {
                "protocolVersion": asked["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "weatherman", "version": "1"},
            }
        elif asked["method"] == "tools/list":
            result = {"tools": [TOOL]}
        self._say(200, {"jsonrpc": "2.0", "id": asked["id"], "result": result})

    def _say(self, status: int, body: Any, **headers: str) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class OAuthMcp:
    """A running one; `url` is what an MCP client is told."""

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"{self._server.url}/mcp"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
