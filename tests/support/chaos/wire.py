"""One HTTP call of a client that expects the server to die under it; pauses of the one dice."""

from __future__ import annotations

import json
import time
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

PATIENCE: Final = 15.0  # seconds for an answer; a frozen server comes back sooner

Json = Any
BROKEN = (OSError, HTTPException, ValueError)


class Address:
    """Where the server listens now; None while there is none."""

    def __init__(self) -> None:
        self.url: str | None = None


def connect(url: str, timeout: float = PATIENCE) -> HTTPConnection:
    """A connection that is not made yet."""
    return HTTPConnection(urlsplit(url).netloc, timeout=timeout)


def call(url: str, method: str, path: str, body: Json = None, key: str = "") -> tuple[int, Json]:
    """Status and JSON of the answer. Raises one of `BROKEN` if there is none."""
    headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
    connection = connect(url)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None
    finally:
        connection.close()


def pause(seconds: float) -> None:
    """Let things run on for a while that the dice chose."""
    time.sleep(seconds)  # noqa: TID251 # a random moment is what chaos is about
