"""Makes the requests of the synchronous client and opens its streams."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from typing import Any, TypeVar

import httpx

from codex_http_server.client.attempts import Attempts
from codex_http_server.client.calls import Call
from codex_http_server.client.errors import ClientError
from codex_http_server.client.lines import Lines
from codex_http_server.client.where import Address
from codex_http_server.client.wire import Setup, broke_off, pages

T = TypeVar("T")
R = TypeVar("R")


class Connection:
    """The way to one server, for any number of threads."""

    def __init__(
        self,
        base_url: str | None,
        token: str | None,
        codex_home: str | os.PathLike[str] | None,
        patience: float,
    ) -> None:
        self._setup = Setup(base_url, token, codex_home, patience)
        self.contact = self._setup.contact
        self._lock = threading.Lock()
        self._clients: dict[Address, httpx.Client] = {}

    def ask(self, call: Call[T]) -> T:
        """Make a request; again, where that is safe and of use."""
        return self._tried(call, self._once)

    def _tried(self, call: Call[T], once: Callable[[Call[T]], R]) -> R:
        attempts = Attempts(call, self.contact)
        while True:
            try:
                return once(call)
            except (httpx.TransportError, ClientError) as error:
                wait = attempts.after(error)
            time.sleep(wait)

    def _once(self, call: Call[T]) -> T:
        address = self._setup.locator.find()
        answer = self._client(address).request(**self._setup.arguments(address, call))
        return self._setup.read(call, answer)

    def each(self, call: Call[Any]) -> Iterator[Any]:
        """All entries of a list, page after page."""
        cursor = None
        while True:
            page = self.ask(pages(call, cursor))
            yield from page["data"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def pieces(self, call: Call[Any]) -> Generator[bytes]:
        """A long answer as it comes. One that breaks off is not begun anew: `ConnectionLost`."""
        with ExitStack() as held:
            answer = self._tried(call, lambda call: self.open(call, held))
            try:
                yield from answer.iter_bytes()
            except httpx.TransportError as error:
                raise broke_off(error) from error

    def lines(self, call: Call[Any]) -> Generator[str]:
        """The same, line by line."""
        lines = Lines()
        with closing(self.pieces(call)) as pieces:
            for piece in pieces:
                yield from lines.feed(piece)
        yield from lines.end()

    def open(self, call: Call[Any], held: ExitStack) -> httpx.Response:
        """Open a stream, which `held` closes. Raises `ClientError`, `httpx.TransportError`."""
        address = self._setup.locator.find()
        asked = self._client(address).stream(**self._setup.arguments(address, call))
        answer = held.enter_context(asked)
        if not answer.is_success:
            answer.read()
        self._setup.check(answer)
        return answer

    def _client(self, address: Address) -> httpx.Client:
        with self._lock:
            if address not in self._clients:
                options = self._setup.options(address)
                if address.socket is not None:
                    options["transport"] = httpx.HTTPTransport(uds=address.socket)
                self._clients[address] = httpx.Client(**options)
            return self._clients[address]

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            while self._clients:
                self._clients.popitem()[1].close()
