"""The least HTTP client: JSON in, JSON out, and many POSTs at once without a thread."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import urlsplit

DEADLINE: Final = 60.0  # seconds for an answer


def get(url: str, path: str) -> Any:
    """GET; the JSON of a 200."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=DEADLINE)
    try:
        return get_on(connection, path)
    finally:
        connection.close()


def get_on(connection: HTTPConnection, path: str) -> Any:
    """GET on a connection that stays open."""
    connection.request("GET", path)
    answer = connection.getresponse()
    body = json.load(answer)
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {body}")
    return body


def post_all(url: str, requests: Sequence[tuple[str, object]]) -> list[Any]:
    """POST all at once, each on a connection of its own; their answers, in order."""
    sockets = [_sent(url, path, body) for path, body in requests]
    return [_answer(each) for each in sockets]


def _sent(url: str, path: str, body: object) -> socket.socket:
    address, data = urlsplit(url), json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    connection = socket.create_connection((address.hostname, address.port), DEADLINE)
    connection.sendall(head.encode() + data)
    return connection


def _answer(connection: socket.socket) -> Any:
    with connection:
        parts: list[bytes] = []
        while part := connection.recv(1 << 16):
            parts.append(part)
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201", b"HTTP/1.1 202")):
        raise RuntimeError(f"{head[:60]!r} {body[:400]!r}")
    return json.loads(body)
