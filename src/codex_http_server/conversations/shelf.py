"""Putting a conversation away, taking it back, and deleting it.

Owns the order of these: the core first, then the log, so that what is cut off in between can be
asked for again. Knows neither the core's files nor the log's.
"""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from codex_http_server import events
from codex_http_server.auth.callers import Caller
from codex_http_server.clock import now_ms
from codex_http_server.conversations.conversation import Conversation
from codex_http_server.conversations.manager import Manager, Open
from codex_http_server.engine.base import Deletion
from codex_http_server.errors import ConversationBusy, ConversationHasForks, ServerError
from codex_http_server.events import Draft, raw
from codex_http_server.logs import get_logger
from codex_http_server.state import Phase

log = get_logger(__name__)

GRACE: Final = 5.0  # seconds that an interrupted turn has for its end before it is deleted anyhow


class Deleted(NamedTuple):
    """What was deleted, and what had to be ended for it."""

    at_ms: int
    turn_id: str | None
    removed_messages: int
    wiped: bool
    codex: Deletion


async def archive(entry: Open) -> None:
    """Put it away: it is listed with `archived=true` only and takes no messages. What it runs in
    the background ends. Nothing happens if it is archived. Raises `ConversationBusy`."""
    conversation = entry.conversation
    async with entry.messages.alone():
        _check_empty(entry)
        if not conversation.record.archived:
            await conversation.engine.control.archive(conversation.record.thread_id)
            conversation.thread.loaded = False
            conversation.append(conversation.open.lost("core_lost", now_ms()))
            _mark(entry, archived=True)
        await conversation.log.durable()


async def unarchive(entry: Open) -> None:
    """Take it back. Nothing happens if it is not archived."""
    conversation = entry.conversation
    async with entry.messages.alone():
        if conversation.record.archived:
            await conversation.engine.control.unarchive(conversation.record.thread_id)
            _mark(entry, archived=False)
        await conversation.log.durable()


def _mark(entry: Open, *, archived: bool) -> None:
    entry.conversation.record.archived = archived
    entry.conversation.tell()


def _check_empty(entry: Open) -> None:
    if len(entry.messages.queue):
        raise ConversationBusy(
            "Messages wait in this conversation.", hint="Remove them, or wait for their turns."
        )


async def delete(
    manager: Manager, entry: Open, caller: Caller, *, force: bool, keep: bool
) -> Deleted:
    """Remove all that is kept of it, in the core too unless it is to `keep` its copy there. With
    `force` what runs and waits is ended first. Raises `ConversationBusy`, `ConversationHasForks`,
    `StorageFull`."""
    if not keep:
        await _check_forks(entry.conversation)
    removed, turn_id = await _end(entry) if force else (0, None)
    conversation = entry.conversation
    async with entry.messages.alone():
        _check_empty(entry)
        state: Deletion = "kept"
        if not keep and conversation.record.thread_id:
            state = await conversation.engine.control.delete(conversation.record.thread_id)
        elif conversation.open:
            await conversation.end_all_commands()
        conversation.on_core_lost("core_lost")  # ends what is still open, approvals too
        body = {"conversation_id": conversation.id, "by": caller.name, "codex": state}
        told = Draft(events.CONVERSATION_DELETED, raw(body), now_ms(), status="deleted")
        manager.forget(conversation)
        wiped = await conversation.log.erase(conversation.id, conversation.record.thread_id, told)
    return Deleted(told.at_ms, turn_id, removed, wiped, state)


async def _check_forks(conversation: Conversation) -> None:
    """The core keeps the file of a thread for as long as a fork reads it: it refuses to delete it,
    but unloads it first, with what it runs (measured)."""
    await conversation.log.durable()  # what is read below must be as new as what is in memory
    found = await conversation.log.forks(conversation.id)
    forks = [each.id for each in found if each.forked_from and each.forked_from.turn_id]
    if forks:
        raise ConversationHasForks(
            f"Codex can't delete this conversation: {len(forks)} forks of it read on in its file.",
            hint="Delete the forks first, or send ?codex=keep to delete it here only.",
            forks=forks,
        )


async def _end(entry: Open) -> tuple[int, str | None]:
    """Take back what waits and end what runs; how many messages, and which turn."""
    entry.messages.hold()
    removed = await entry.messages.queue.clear()
    turn_id: str | None = None
    try:
        turn_id = await entry.messages.interrupt()
    except ServerError as error:  # nothing runs, or the core is away: its turns end with it
        log.info("nothing to interrupt", reason=error.detail)
    try:
        async with asyncio.timeout(GRACE):
            while entry.messages.phase is not Phase.IDLE:
                await entry.conversation.changed()
    except TimeoutError:
        log.warning("a turn did not end in time; it is ended with its thread", turn_id=turn_id)
        entry.conversation.on_core_lost("core_lost")
    return removed, turn_id
