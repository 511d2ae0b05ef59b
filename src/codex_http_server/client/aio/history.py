"""What a conversation has had and has now: the part of `AsyncConversation` that only looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import BinaryIO, Unpack

from codex_http_server.client import looking
from codex_http_server.client.aio.connection import AsyncConnection
from codex_http_server.client.types_history import (
    ConversationUsage,
    Directory,
    ExportFormat,
    File,
    FileHit,
    FileOptions,
    ItemOptions,
    ItemPage,
    Output,
    PageOptions,
    Terminal,
    TurnDiff,
    TurnEntry,
    TurnPage,
    WorkTreeDiff,
)


class AsyncHistoryMethods:
    """One conversation's past and its surroundings."""

    def __init__(self, connection: AsyncConnection, conversation_id: str) -> None:
        self._connection = connection
        self.id = conversation_id

    async def turns(self, **page: Unpack[PageOptions]) -> TurnPage:
        """A page of its turns: the newest, or those `before` or `after` the seq of a start."""
        return await self._connection.ask(looking.turns(self.id, page))

    async def turn(self, turn_id: str) -> TurnEntry:
        """One turn, running or ended."""
        return await self._connection.ask(looking.turn(self.id, turn_id))

    async def items(self, **page: Unpack[ItemOptions]) -> ItemPage:
        """A page of its items: the newest, or those `before` or `after` the seq of an end."""
        return await self._connection.ask(looking.items(self.id, page))

    async def output(
        self, turn_id: str, item_id: str, *, offset: int = 0, limit: int | None = None
    ) -> Output:
        """A piece of a command's output, while it runs too."""
        return await self._connection.ask(looking.output(self.id, turn_id, item_id, offset, limit))

    async def diff(self, turn_id: str | None = None) -> TurnDiff:
        """What a turn changed, by default the newest."""
        return await self._connection.ask(looking.diff(self.id, turn_id))

    async def work_tree_diff(self) -> WorkTreeDiff:
        """What git sees changed in its directory since the last commit, whoever changed it."""
        return await self._connection.ask(looking.work_tree_diff(self.id))

    async def export(self, file: BinaryIO, format: ExportFormat = "jsonl") -> None:  # noqa: A002
        """Write all of it to a file that is open for bytes, as it comes. `ConnectionLost` where
        it breaks off: the file is not whole then."""
        async with aclosing(self._connection.pieces(looking.export(self.id, format))) as pieces:
            async for piece in pieces:
                await asyncio.to_thread(file.write, piece)

    def export_lines(self, format: ExportFormat = "jsonl") -> AsyncGenerator[str]:  # noqa: A002
        """The same line by line as you go on; `jsonl` begins with the conversation."""
        return self._connection.lines(looking.export(self.id, format))

    async def usage(
        self, *, before: str | None = None, limit: int | None = None
    ) -> ConversationUsage:
        """What it took. `before`: turns before this one (`next_before`)."""
        page = {"before": before, "limit": limit}
        return await self._connection.ask(looking.usage(self.id, page))

    # --- its directory ----------------------------------------------------------------------

    async def terminals(self) -> list[Terminal]:
        """The commands that the agent runs, also those that have outlived their turn."""
        return await self._connection.ask(looking.terminals(self.id))

    async def files(self, path: str = "", **part: Unpack[FileOptions]) -> File | Directory:
        """A part of a file, or a page of a directory: `["type"]` says which."""
        return await self._connection.ask(looking.files(self.id, path, part))

    async def find_files(self, q: str) -> list[FileHit]:
        """Files and directories by some letters of their path, the best first."""
        return await self._connection.ask(looking.find_files(self.id, q))
