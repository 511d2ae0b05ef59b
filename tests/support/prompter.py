"""Lets tests in another language play the model and restart the server, over HTTP.

Serves the page that such tests run in too, so that its origin is one that can be allowed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self, cast

from codex_http_server.testing.answers import Act, Command, Gate, Patch, Reasoning, Text
from tests.support.server import Server, Site, start

Json = Any
PAGE = b"<!doctype html><link rel=icon href=data:,><script type=module src=/tests.js></script>"


class Prompter(ThreadingHTTPServer):
    """`POST /expect`, `/open`, `/restart` as tests/harness.ts of the client sends them; `GET /` is
    the page and `/tests.js` its script. Owns the server under test, which the tests can do
    without (`serves`). Use with `with`."""

    daemon_threads = True

    def __init__(self, site: Site, script: Path, *, serves: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.site, self.script = site, script
        self.origin = f"http://127.0.0.1:{self.server_address[1]}"
        self._gates: dict[str, Gate] = {}
        self._server = start(site, "--allow-origin", self.origin) if serves else None
        self._serving = threading.Thread(target=self.serve_forever)

    @property
    def server(self) -> Server:
        """The server under test."""
        assert self._server, "the tests start their own"
        return self._server

    def setting(self) -> Json:
        """What the tests are told."""
        url = self._server and self._server.url
        return {"url": url, "stage": self.origin, "project": str(self.site.project)}

    def expect(self, body: Json) -> None:
        """Queue what the next response of the model is made of."""
        self.site.provider.expect(*(self._step(step) for step in body["steps"]))

    def open(self, body: Json) -> None:
        """Let the model go on."""
        self._gates.pop(body["gate"]).open()

    def restart(self, body: Json) -> None:
        """End the server and start it again at the same address."""
        old = self.server
        old.kill() if body["signal"] == "SIGKILL" else old.stop()
        self._server = _again(self.site, old, self.origin)

    def _step(self, step: Json) -> Act:
        match step:
            case {"text": parts}:
                return Text([p if isinstance(p, str) else self._gate(p["gate"]) for p in parts])
            case {"reasoning": summary}:
                return Reasoning(summary)
            case {"patch": text}:
                return Patch(text)
            case _:
                return Command(step["command"], escalate=step.get("escalate", False))

    def _gate(self, name: str) -> Gate:
        return self._gates.setdefault(name, Gate(name))

    def __enter__(self) -> Self:
        self._serving.start()
        if self._server:
            self._server.wait_ready()
        return self

    def __exit__(self, *details: object) -> None:
        self.shutdown()
        self._serving.join(5)
        self.server_close()
        if self._server:
            self._server.__exit__(None, None, None)


def _again(site: Site, old: Server, origin: str) -> Server:
    port = old.url.rpartition(":")[2]
    return start(site, "--port", port, "--allow-origin", origin)


class _Handler(BaseHTTPRequestHandler):
    @property
    def prompter(self) -> Prompter:
        return cast(Prompter, self.server)

    def do_GET(self) -> None:
        if self.path == "/tests.js":
            self._answer(200, "text/javascript", self.prompter.script.read_bytes())
        else:
            self._answer(200 if self.path == "/" else 404, "text/html; charset=utf-8", PAGE)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        work: dict[str, Callable[[Json], None]] = {
            "/expect": self.prompter.expect,
            "/open": self.prompter.open,
            "/restart": self.prompter.restart,
        }
        try:
            work[self.path](body)
        except Exception as error:  # noqa: BLE001 # told to the test that asked
            self._answer(500, "text/plain", repr(error).encode())
        else:
            self._answer(200, "text/plain", b"")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass
