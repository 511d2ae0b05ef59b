"""A webhook's other side: it checks every signature, and answers as the test says."""

from __future__ import annotations

import json
import queue
import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from codex_http_server.client import verify_webhook


@dataclass
class Hook:
    """One request that came, its signature found right."""

    id: str
    headers: dict[str, str]
    type: str
    data: dict[str, Any]


@dataclass
class Receiver:
    """What came, in order. `answers`: the next statuses, with a Retry-After or not; then 200."""

    url: str
    secret: str = ""
    answers: deque[int] = field(default_factory=deque[int])
    got: queue.SimpleQueue[Hook | Exception] = field(
        default_factory=queue.SimpleQueue[Hook | Exception]
    )

    def next(self, timeout: float = 20) -> Hook:
        """The next one that comes. Raises what was wrong with it."""
        found = self.got.get(timeout=timeout)
        if isinstance(found, Exception):
            raise found
        return found

    def is_empty(self) -> bool:
        """Whether nothing came that was not taken."""
        return self.got.empty()


@contextmanager
def receiver(port: int = 0) -> Generator[Receiver]:
    """A receiver on this machine, until the block ends."""
    made: list[Receiver] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = made[0].answers.popleft() if made[0].answers else 200
            made[0].got.put(_checked(made[0].secret, dict(self.headers), body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Not on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    made.append(Receiver(f"http://127.0.0.1:{server.server_address[1]}/hook"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made[0]
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def _checked(secret: str, headers: dict[str, str], body: bytes) -> Hook | Exception:
    try:
        told = verify_webhook(headers, body, secret)
    except Exception as error:  # noqa: BLE001 # raised again where the test takes it
        return error
    given = {name.lower(): value for name, value in headers.items()}
    assert told == json.loads(body)
    return Hook(given["webhook-id"], given, told["type"], told["data"])
