"""`AsyncClient`: what a program begins with."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from codex_http_server.client import calls
from codex_http_server.client.aio.connection import AsyncConnection
from codex_http_server.client.aio.conversation import AsyncConversation
from codex_http_server.client.aio.server import AsyncServerMethods
from codex_http_server.client.aio.streams import AsyncAllEvents
from codex_http_server.client.calls import Call, Query
from codex_http_server.client.follow import FollowAll
from codex_http_server.client.types import (
    AllEventsFilter,
    Approval,
    ConversationFilter,
    ConversationInfo,
    CreateOptions,
    RemovedRule,
    Rule,
    SearchFilter,
    SearchHit,
    Upload,
)


class AsyncClient(AsyncServerMethods):
    """A client of the server at `base_url` (`http://…`, `unix:PATH`), of `CODEX_HTTP_URL`, or of
    the one that runs on the Codex home. `token`: else that of `CODEX_HTTP_TOKEN`, else none.

    `patience`: seconds to wait for a server that has answered before and is away. All methods
    raise `ClientError`. It belongs to one event loop. Use it with `async with`, or close it.
    """

    def __init__(
        self,
        base_url: str | None = None,
        token: str | None = None,
        *,
        codex_home: str | os.PathLike[str] | None = None,
        patience: float = 60.0,
    ) -> None:
        super().__init__(AsyncConnection(base_url, token, codex_home, patience))

    async def create(
        self, working_directory: str | os.PathLike[str], **options: Unpack[CreateOptions]
    ) -> AsyncConversation:
        """Start a conversation in a directory of the server's machine."""
        made = await self._connection.ask(calls.create(working_directory, options))
        return self.conversation(made["id"])

    def conversation(self, conversation_id: str) -> AsyncConversation:
        """The conversation with this id. Asks nothing yet."""
        return AsyncConversation(self._connection, conversation_id)

    def conversations(
        self, **wanted: Unpack[ConversationFilter]
    ) -> AsyncIterator[ConversationInfo]:
        """All conversations that fit, newest first, page after page as you go on."""
        return self._connection.each(calls.conversations(wanted))

    def search(self, q: str, **wanted: Unpack[SearchFilter]) -> AsyncIterator[SearchHit]:
        """What has all these words ("phrases", beginnings*): titles first, then newest first, page
        after page as you go on."""
        return self._connection.each(calls.search(q, wanted))

    def approvals(self) -> AsyncIterator[Approval]:
        """What the core asks and nobody has answered, in all conversations, newest first."""
        return self._connection.each(Call("GET", "/approvals"))

    def events(
        self,
        after: str | None = None,
        *,
        log: str | None = None,
        **wanted: Unpack[AllEventsFilter],
    ) -> AsyncAllEvents:
        """The events of everything after a position, and those that come. `latest`: only those
        that come after the `async with` block was entered; None: from the first on."""
        follow = FollowAll(after, log, wanted, self._connection.contact)
        return AsyncAllEvents(self._connection, follow)

    async def rules(self) -> list[Rule]:
        """What Codex need not ask about, or must refuse: remembered, or written by hand."""
        return (await self._connection.ask(Call("GET", "/rules")))["data"]

    async def remove_rule(self, rule_id: str) -> RemovedRule:
        """Take one back (scope `admin`). `held_by` names conversations that still go by it."""
        return await self._connection.ask(calls.rule(rule_id))

    async def upload(self, image: bytes | str | Path, media_type: str | None = None) -> Upload:
        """Send an image (a file, or its bytes with their media type) for messages to name."""
        return await self._connection.ask(calls.upload(image, media_type))

    async def request(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        params: Query | None = None,
        key: str | None = None,
    ) -> Any:
        """Any other route: the JSON of its answer, or None. `key`: a POST's Idempotency-Key."""
        return await self._connection.ask(calls.any_request(method, path, json, params, key))

    async def close(self) -> None:
        """Close all connections."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
