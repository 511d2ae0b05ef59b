"""`Client`: what a program begins with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from codex_http_server.client import calls
from codex_http_server.client.calls import Call, Query
from codex_http_server.client.follow import FollowAll
from codex_http_server.client.sync.connection import Connection
from codex_http_server.client.sync.conversation import Conversation
from codex_http_server.client.sync.server import ServerMethods
from codex_http_server.client.sync.streams import AllEvents
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


class Client(ServerMethods):
    """A client of the server at `base_url` (`http://…`, `unix:PATH`), of `CODEX_HTTP_URL`, or of
    the one that runs on the Codex home. `token`: else that of `CODEX_HTTP_TOKEN`, else none.

    `patience`: seconds to wait for a server that has answered before and is away. All methods
    raise `ClientError`. Threads may share it, but not an iterator. Use it with `with`, or close it.
    """

    def __init__(
        self,
        base_url: str | None = None,
        token: str | None = None,
        *,
        codex_home: str | os.PathLike[str] | None = None,
        patience: float = 60.0,
    ) -> None:
        super().__init__(Connection(base_url, token, codex_home, patience))

    def create(
        self, working_directory: str | os.PathLike[str], **options: Unpack[CreateOptions]
    ) -> Conversation:
        """Start a conversation in a directory of the server's machine."""
        made = self._connection.ask(calls.create(working_directory, options))
        return self.conversation(made["id"])

    def conversation(self, conversation_id: str) -> Conversation:
        """The conversation with this id. Asks nothing yet."""
        return Conversation(self._connection, conversation_id)

    def conversations(self, **wanted: Unpack[ConversationFilter]) -> Iterator[ConversationInfo]:
        """All conversations that fit, newest first, page after page as you go on."""
        return self._connection.each(calls.conversations(wanted))

    def search(self, q: str, **wanted: Unpack[SearchFilter]) -> Iterator[SearchHit]:
        """What has all these words ("phrases", beginnings*): titles first, then newest first, page
        after page as you go on."""
        return self._connection.each(calls.search(q, wanted))

    def approvals(self) -> Iterator[Approval]:
        """What the core asks and nobody has answered, in all conversations, newest first."""
        return self._connection.each(Call("GET", "/approvals"))

    def events(
        self,
        after: str | None = None,
        *,
        log: str | None = None,
        **wanted: Unpack[AllEventsFilter],
    ) -> AllEvents:
        """The events of everything after a position, and those that come. `latest`: only those
        that come after the `with` block was entered; None: from the first on."""
        follow = FollowAll(after, log, wanted, self._connection.contact)
        return AllEvents(self._connection, follow)

    def rules(self) -> list[Rule]:
        """What Codex need not ask about, or must refuse: remembered, or written by hand."""
        return self._connection.ask(Call("GET", "/rules"))["data"]

    def remove_rule(self, rule_id: str) -> RemovedRule:
        """Take one back (scope `admin`). `held_by` names conversations that still go by it."""
        return self._connection.ask(calls.rule(rule_id))

    def upload(self, image: bytes | str | Path, media_type: str | None = None) -> Upload:
        """Send an image (a file, or its bytes with their media type) for messages to name."""
        return self._connection.ask(calls.upload(image, media_type))

    def request(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        params: Query | None = None,
        key: str | None = None,
    ) -> Any:
        """Any other route: the JSON of its answer, or None. `key`: a POST's Idempotency-Key."""
        return self._connection.ask(calls.any_request(method, path, json, params, key))

    def close(self) -> None:
        """Close all connections."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
