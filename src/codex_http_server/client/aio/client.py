"""`AsyncClient` and `AsyncConversation`: what a program calls."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, Unpack

from codex_http_server.client import calls
from codex_http_server.client.aio.connection import AsyncConnection
from codex_http_server.client.aio.streams import AsyncEvents, AsyncTurn
from codex_http_server.client.calls import Call, Query
from codex_http_server.client.follow import FollowConversation, FollowTurn
from codex_http_server.client.types import (
    Answer,
    Approval,
    Cleared,
    ConversationFilter,
    ConversationInfo,
    ConversationOptions,
    CreateOptions,
    Json,
    MessageOptions,
    QueuedMessage,
    Ran,
    RemovedRule,
    Reverted,
    ReviewTarget,
    Rule,
    SearchFilter,
    SearchHit,
    Sent,
    TurnEnded,
    Upload,
)


class AsyncClient:
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
        self._connection = AsyncConnection(base_url, token, codex_home, patience)

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


class AsyncConversation:
    """One conversation, by its `id`."""

    def __init__(self, connection: AsyncConnection, conversation_id: str) -> None:
        self._connection = connection
        self.id = conversation_id

    # --- messages ---------------------------------------------------------------------------

    async def send(
        self,
        text: str | None = None,
        *,
        wait: float = 0.0,
        key: str | None = None,
        **options: Unpack[MessageOptions],
    ) -> Sent:
        """Send a message. With `wait`, in seconds, the answer comes when its turn has ended or the
        time is up, with `reply`. `key`: your own Idempotency-Key, to ask again later."""
        call = calls.message(self.id, text, options, key)
        end = time.monotonic() + wait
        sent = await self._connection.ask(calls.waiting(call, wait))
        while calls.goes_on(sent, left := end - time.monotonic()):
            sent = await self._connection.ask(calls.waiting(call, left))
        return sent

    def stream(
        self, text: str | None = None, *, key: str | None = None, **options: Unpack[MessageOptions]
    ) -> AsyncTurn:
        """Send a message when the first event is asked for, and get the events of its turn."""
        call = calls.message(self.id, text, options, key)
        return AsyncTurn(self._connection, FollowTurn(self.id, call, self._connection.contact))

    def events(self, after: int | Literal["latest"] = 0, *, log: str | None = None) -> AsyncEvents:
        """The events after a seq, and those that come. `latest`: only those that come after the
        `async with` block was entered (or the first one was asked for)."""
        follow = FollowConversation(self.id, after, log, self._connection.contact)
        return AsyncEvents(self._connection, follow)

    async def interrupt(self, *, clear_queue: bool = False, wait: float = 0.0) -> Cleared:
        """End the running turn. `wait`: seconds for the answer to say what was ended with it."""
        path = calls.within(self.id, f"/interrupt?wait={wait:g}" if wait else "/interrupt")
        return await self._connection.ask(calls.post(path, {"clear_queue": clear_queue}))

    async def revert(self, before_turn_id: str) -> Reverted:
        """Take back this turn and all after it. Files stay as they are."""
        path = calls.within(self.id, "/revert")
        return await self._connection.ask(calls.post(path, {"before_turn_id": before_turn_id}))

    # --- turns that no message starts -------------------------------------------------------

    async def compact(self, *, wait: float = 0.0) -> TurnEnded:
        """Put a summary in the place of what the model has read. `wait`: at most 600 seconds."""
        return await self._connection.ask(calls.own_turn(self.id, "compact", None, wait))

    async def review(self, target: ReviewTarget | None = None, *, wait: float = 0.0) -> TurnEnded:
        """Have changes reviewed: what is not committed, or `target`."""
        return await self._connection.ask(calls.review(self.id, target, wait))

    async def shell(self, command: str, *, timeout: float | None = None, wait: float = 0.0) -> Ran:
        """Run a command without sandbox (scope `elevate`); `timeout` is the command's."""
        return await self._connection.ask(calls.shell(self.id, command, timeout, wait))

    # --- the conversation itself ------------------------------------------------------------

    async def get(self) -> ConversationInfo:
        """How it stands."""
        return await self._connection.ask(Call("GET", calls.within(self.id)))

    async def snapshot(self) -> Json:
        """All that a first paint needs, at one `seq`."""
        return await self._connection.ask(calls.snapshot(self.id))

    async def patch(self, **options: Unpack[ConversationOptions]) -> ConversationInfo:
        """Change its title, or what its next turns run under."""
        return await self._connection.ask(Call("PATCH", calls.within(self.id), json=options))

    async def archive(self) -> ConversationInfo:
        """Put it away."""
        return await self._connection.ask(calls.post(calls.within(self.id, "/archive")))

    async def unarchive(self) -> ConversationInfo:
        """Take it back."""
        return await self._connection.ask(calls.post(calls.within(self.id, "/unarchive")))

    async def delete(self, *, force: bool = False, keep_codex_copy: bool = False) -> Json:
        """Delete it. `force`: interrupt its turn and take back what waits first."""
        call = calls.delete(self.id, force=force, keep_codex_copy=keep_codex_copy)
        return await self._connection.ask(call)

    # --- approvals --------------------------------------------------------------------------

    def approvals(self, *, ended: bool = False) -> AsyncIterator[Approval]:
        """What the core asks here, newest first; `ended`: with what has ended."""
        return self._connection.each(calls.approvals(self.id, ended=ended))

    async def approval(self, approval_id: str) -> Approval:
        """One of them, with its diff and what can be answered."""
        return await self._connection.ask(Call("GET", calls.approval(self.id, approval_id)))

    async def answer(
        self, approval_id: str, decision: str | None = None, **answer: Unpack[Answer]
    ) -> Approval:
        """Answer it, once: with the id of a decision, and with what that takes."""
        body = answer if decision is None else {"decision": decision, **answer}
        return await self._connection.ask(calls.post(calls.approval(self.id, approval_id), body))

    # --- the queue --------------------------------------------------------------------------

    async def queue(self) -> list[QueuedMessage]:
        """The messages that wait, in order."""
        return (await self._connection.ask(Call("GET", calls.within(self.id, "/queue"))))["data"]

    async def reorder(self, submit_ids: list[str]) -> list[QueuedMessage]:
        """Put them in another order, each named once."""
        call = Call[Any]("PUT", calls.within(self.id, "/queue"), json={"order": submit_ids})
        return (await self._connection.ask(call))["data"]

    async def edit(self, submit_id: str, text: str) -> QueuedMessage:
        """Change what one says."""
        path = calls.waiting_message(self.id, submit_id)
        return await self._connection.ask(Call("PATCH", path, json={"message": text}))

    async def take_back(self, submit_id: str) -> None:
        """Take one back."""
        await self._connection.ask(Call[Any]("DELETE", calls.waiting_message(self.id, submit_id)))
