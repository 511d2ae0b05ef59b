"""Event streams as iterators of the asynchronous client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import httpx

from codex_http_server.client.aio.connection import AsyncConnection
from codex_http_server.client.errors import ClientError
from codex_http_server.client.follow import (
    Ask,
    Deliver,
    Follow,
    FollowAll,
    FollowConversation,
    FollowTurn,
    Open,
    Step,
    Wait,
)
from codex_http_server.client.types import Event, Reset


class _Stream:
    """Does what a `Follow` says. Where it raises, the next step goes on from there."""

    def __init__(self, connection: AsyncConnection, follow: Follow) -> None:
        self._connection = connection
        self._follow = follow
        self._held = AsyncExitStack()
        self._chunks: AsyncIterator[bytes] | None = None

    async def _next(self) -> Event | Reset:
        while (step := self._follow.step()) != "end":
            if isinstance(step, Deliver):
                return step.item
            await self._do(step)
        await self.close()
        raise StopAsyncIteration

    async def _do(self, step: Step) -> None:
        match step:
            case Ask(call):
                self._follow.answered(await self._connection.ask(call))
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case _:
                try:
                    await self._move(step)
                except (httpx.TransportError, ClientError) as error:
                    await self.close()
                    self._follow.lost(error)
                except BaseException:  # cancelled in the middle of a piece
                    await self.close()
                    raise

    async def _move(self, step: Step) -> None:
        """Open the stream, or read on."""
        if isinstance(step, Open):
            answer = await self._connection.open(step.call, self._held)
            self._chunks = answer.aiter_raw()
            self._follow.opened()
        elif self._chunks and (chunk := await anext(self._chunks, None)) is not None:
            self._follow.fed(chunk)
        else:
            await self._held.aclose()
            self._follow.ended()

    async def close(self) -> None:
        """Close the connection. A step after that would open it again where it was."""
        self._follow.closed()
        await self._held.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class AsyncEvents(_Stream):
    """The events of a conversation, and those that come, for ever. `seq` and `log_id` are what to
    keep for going on later: `events(after=seq, log=log_id)`."""

    _follow: FollowConversation

    def __aiter__(self) -> AsyncIterator[Event | Reset]:
        return self

    async def __anext__(self) -> Event | Reset:
        return await self._next()

    async def __aenter__(self) -> Self:
        """Fix where `after="latest"` is, before anything else happens."""
        while not self._follow.placed:
            await self._do(self._follow.step())
        return self

    @property
    def seq(self) -> int | None:
        """The number of the last event; None before it is known where `latest` is."""
        return self._follow.seq

    @property
    def log_id(self) -> str | None:
        """The log that `seq` belongs to."""
        return self._follow.log_id


class AsyncAllEvents(_Stream):
    """The events of all conversations, of the account and the server, for ever. `position` and
    `log_id` are what to keep for going on later: `events(after=position, log=log_id)`. Where the
    position means nothing any more comes a `feed/reset`: read anew what you show."""

    _follow: FollowAll

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        found = await self._next()
        assert isinstance(found, Event)
        return found

    async def __aenter__(self) -> Self:
        """Fix where `after="latest"` is, before anything else happens."""
        while not self._follow.placed:
            await self._do(self._follow.step())
        return self

    @property
    def position(self) -> str | None:
        """The place of the last event; None where nothing has come from the beginning yet."""
        return self._follow.position

    @property
    def log_id(self) -> str | None:
        """The log that `position` belongs to."""
        return self._follow.log_id


class AsyncTurn(_Stream):
    """The events of one message's turn; ends with it."""

    _follow: FollowTurn

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        found = await self._next()
        assert isinstance(found, Event)
        return found

    @property
    def turn_id(self) -> str | None:
        """The turn's id, once it has begun."""
        return self._follow.turn_id

    @property
    def outcome(self) -> str | None:
        """How it ended: `completed`, `interrupted`, `failed`, or `removed` where the message never
        got a turn; None before its end."""
        return self._follow.outcome
