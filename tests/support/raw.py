"""HTTP by hand: what is sent is sent as it is written, and what comes is read answer by answer."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from io import BytesIO
from typing import BinaryIO, Self
from urllib.parse import urlsplit

import httpx

HOST = b"Host: localhost\r\n"


class Line:
    """A connection."""

    def __init__(self, url: str, timeout: float = 10) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=timeout)
        self._file = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> httpx.Response:
        """The next answer. Raises EOFError if none comes any more."""
        return read_answer(self._file)

    def head(self) -> int:
        """The status of the next answer, which has no body."""
        status = self._file.readline()
        while self._file.readline().strip():
            pass
        return int(status.split()[1])

    def is_closed(self) -> bool:
        """Whether the server closes it now, without another word."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()


def get(path: str = "/health", *headers: bytes) -> bytes:
    """A request without a body."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"GET " + path.encode() + b" HTTP/1.1\r\n" + HOST + lines + b"\r\n"


def read_answer(file: BinaryIO) -> httpx.Response:
    """One answer with a length. Raises EOFError if none comes."""
    first = file.readline()
    if not first:
        raise EOFError
    lines = [line.decode("latin-1") for line in iter(file.readline, b"\r\n")]
    pairs = (line.strip().split(": ", 1) for line in lines)
    headers = httpx.Headers([(name, value) for name, value in pairs])
    body = file.read(int(headers["content-length"]))
    return httpx.Response(int(first.split()[1]), headers=headers, content=body)


def curl(url: str, path: str, *options: str, before: Sequence[str] = ()) -> httpx.Response:
    """What curl, a process of its own, is answered. `before`: a command that runs the command."""
    where = [url + path]
    if url.startswith("unix:"):
        where = ["--unix-socket", url.removeprefix("unix:"), "http://localhost" + path]
    command = [*before, "curl", "-s", "-i", "-m", "20", *options, *where]
    answer = subprocess.run(command, capture_output=True, check=False)
    assert answer.stdout, f"curl ended with {answer.returncode}"
    return read_answer(BytesIO(answer.stdout))
