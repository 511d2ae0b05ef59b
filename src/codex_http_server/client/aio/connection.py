"""Makes the requests of the asynchronous client and opens its streams."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import httpx

from codex_http_server.client.attempts import Attempts
from codex_http_server.client.calls import Call
from codex_http_server.client.errors import ClientError
from codex_http_server.client.where import Address
from codex_http_server.client.wire import Setup, pages

T = TypeVar("T")


class AsyncConnection:
    """The way to one server, for any number of tasks of one event loop."""

    def __init__(
        self,
        base_url: str | None,
        token: str | None,
        codex_home: str | os.PathLike[str] | None,
        patience: float,
    ) -> None:
        self._setup = Setup(base_url, token, codex_home, patience)
        self.contact = self._setup.contact
        self._clients: dict[Address, httpx.AsyncClient] = {}

    async def ask(self, call: Call[T]) -> T:
        """Make a request; again, where that is safe and of use."""
        attempts = Attempts(call, self.contact)
        while True:
            try:
                return await self._once(call)
            except (httpx.TransportError, ClientError) as error:
                wait = attempts.after(error)
            await asyncio.sleep(wait)

    async def _once(self, call: Call[T]) -> T:
        address = self._setup.locator.find()
        answer = await self._client(address).request(**self._setup.arguments(address, call))
        return self._setup.read(call, answer)

    async def each(self, call: Call[Any]) -> AsyncIterator[Any]:
        """All entries of a list, page after page."""
        cursor = None
        while True:
            page = await self.ask(pages(call, cursor))
            for each in page["data"]:
                yield each
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    async def open(self, call: Call[Any], held: AsyncExitStack) -> httpx.Response:
        """Open a stream, which `held` closes. Raises `ClientError`, `httpx.TransportError`."""
        address = self._setup.locator.find()
        asked = self._client(address).stream(**self._setup.arguments(address, call))
        answer = await held.enter_async_context(asked)
        if not answer.is_success:
            await answer.aread()
        self._setup.check(answer)
        return answer

    def _client(self, address: Address) -> httpx.AsyncClient:
        if address not in self._clients:
            options = self._setup.options(address)
            if address.socket is not None:
                options["transport"] = httpx.AsyncHTTPTransport(uds=address.socket)
            self._clients[address] = httpx.AsyncClient(**options)
        return self._clients[address]

    async def close(self) -> None:
        """Close all connections."""
        while self._clients:
            await self._clients.popitem()[1].aclose()
