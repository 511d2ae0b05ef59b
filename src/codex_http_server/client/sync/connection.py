"""Makes the requests of the synchronous client and opens its streams."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, TypeVar

import httpx

from codex_http_server.client.attempts import Attempts
from codex_http_server.client.calls import Call
from codex_http_server.client.errors import ClientError
from codex_http_server.client.where import Address
from codex_http_server.client.wire import Setup, pages

T = TypeVar("T")


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
        attempts = Attempts(call, self.contact)
        while True:
            try:
                return self._once(call)
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
