"""Makes the requests of the asynchronous client and opens its streams."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
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
        return await self._tried(call, self._once)

    async def _tried(self, call: Call[T], once: Callable[[Call[T]], Awaitable[R]]) -> R:
        attempts = Attempts(call, self.contact)
        while True:
            try:
                return await once(call)
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

    async def pieces(self, call: Call[Any]) -> AsyncGenerator[bytes]:
        """A long answer as it comes. One that breaks off is not begun anew: `ConnectionLost`."""
        async with AsyncExitStack() as held:
            answer = await self._tried(call, lambda call: self.open(call, held))
            try:
                async for piece in answer.aiter_bytes():
                    yield piece
            except httpx.TransportError as error:
                raise broke_off(error) from error

    async def lines(self, call: Call[Any]) -> AsyncGenerator[str]:
        """The same, line by line."""
        lines = Lines()
        async with aclosing(self.pieces(call)) as pieces:
            async for piece in pieces:
                for line in lines.feed(piece):
                    yield line
        for line in lines.end():
            yield line

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
