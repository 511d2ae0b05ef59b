"""What a conversation has had and has now: the part of `Conversation` that only looks."""

from __future__ import annotations

from collections.abc import Generator
from typing import BinaryIO, Unpack

from codex_http_server.client import looking
from codex_http_server.client.sync.connection import Connection
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


class HistoryMethods:
    """One conversation's past and its surroundings."""

    def __init__(self, connection: Connection, conversation_id: str) -> None:
        self._connection = connection
        self.id = conversation_id

    def turns(self, **page: Unpack[PageOptions]) -> TurnPage:
        """A page of its turns: the newest, or those `before` or `after` the seq of a start."""
        return self._connection.ask(looking.turns(self.id, page))

    def turn(self, turn_id: str) -> TurnEntry:
        """One turn, running or ended."""
        return self._connection.ask(looking.turn(self.id, turn_id))

    def items(self, **page: Unpack[ItemOptions]) -> ItemPage:
        """A page of its items: the newest, or those `before` or `after` the seq of an end."""
        return self._connection.ask(looking.items(self.id, page))

    def output(
        self, turn_id: str, item_id: str, *, offset: int = 0, limit: int | None = None
    ) -> Output:
        """A piece of a command's output, while it runs too."""
        return self._connection.ask(looking.output(self.id, turn_id, item_id, offset, limit))

    def diff(self, turn_id: str | None = None) -> TurnDiff:
        """What a turn changed, by default the newest."""
        return self._connection.ask(looking.diff(self.id, turn_id))

    def work_tree_diff(self) -> WorkTreeDiff:
        """What git sees changed in its directory since the last commit, whoever changed it."""
        return self._connection.ask(looking.work_tree_diff(self.id))

    def export(self, file: BinaryIO, format: ExportFormat = "jsonl") -> None:  # noqa: A002
        """Write all of it to a file that is open for bytes, as it comes. `ConnectionLost` where
        it breaks off: the file is not whole then."""
        file.writelines(self._connection.pieces(looking.export(self.id, format)))

    def export_lines(self, format: ExportFormat = "jsonl") -> Generator[str]:  # noqa: A002
        """The same line by line as you go on; `jsonl` begins with the conversation."""
        return self._connection.lines(looking.export(self.id, format))

    def usage(self, *, before: str | None = None, limit: int | None = None) -> ConversationUsage:
        """What it took. `before`: turns before this one (`next_before`)."""
        page = {"before": before, "limit": limit}
        return self._connection.ask(looking.usage(self.id, page))

    # --- its directory ----------------------------------------------------------------------

    def terminals(self) -> list[Terminal]:
        """The commands that the agent runs, also those that have outlived their turn."""
        return self._connection.ask(looking.terminals(self.id))

    def files(self, path: str = "", **part: Unpack[FileOptions]) -> File | Directory:
        """A part of a file, or a page of a directory: `["type"]` says which."""
        return self._connection.ask(looking.files(self.id, path, part))

    def find_files(self, q: str) -> list[FileHit]:
        """Files and directories by some letters of their path, the best first."""
        return self._connection.ask(looking.find_files(self.id, q))
