"""From the start of the process to the first answer, and to a core that takes messages."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

from benchmarks.bench import Bench
from benchmarks.report import Measure, at_most
from benchmarks.sites import READY, Server

KNOCK = 0.005  # seconds between tries to connect


def run(bench: Bench) -> list[Measure]:
    """On a fresh home, then again on the same."""
    cold: list[tuple[float, float]] = []
    warm: list[tuple[float, float]] = []
    for _ in range(bench.rounds):
        with bench.site() as site:
            for found in (cold, warm):
                with Server(site) as server:
                    found.append(_start(server))
    return [
        Measure("/health, fresh home", [each[0] for each in cold], "s", at_most(0.8)),
        Measure("core ready, fresh home", [each[1] for each in cold], "s"),
        Measure("/health, used home", [each[0] for each in warm], "s"),
        Measure("core ready, used home", [each[1] for each in warm], "s"),
    ]


def _start(server: Server) -> tuple[float, float]:
    healthy = _first_answer(server) - server.started
    server.wait_ready()
    return healthy, time.monotonic() - server.started


def _first_answer(server: Server) -> float:
    """When /health was answered. The port is bound before the server answers."""
    address = urlsplit(server.url)
    ask = f"GET /health HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n"
    while True:
        try:
            with socket.create_connection((address.hostname, address.port), READY) as caller:
                caller.sendall(ask.encode())
                if caller.recv(4096).startswith(b"HTTP/1.1 200"):
                    return time.monotonic()
        except ConnectionError:
            if time.monotonic() - server.started > READY:
                raise
        time.sleep(KNOCK)
