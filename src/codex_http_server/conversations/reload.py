"""Having the core load a conversation's thread anew, so that it reads its files again.

Owns the one way in which a thread is unloaded: it is archived and taken back at once, which the
core has no shorter word for (measured: the next turn loads it again, with all that it had). What
runs in it would end, so a thread that is not quiet is left alone until it is.
Before: rules. After: manager.
"""

from __future__ import annotations

import asyncio
from typing import Final

from codex_http_server.clock import now_ms
from codex_http_server.conversations.manager import Manager, Open
from codex_http_server.errors import ConversationBusy, ConversationNotFound, ServerError
from codex_http_server.logs import bind, get_logger

log = get_logger(__name__)

AGAIN: Final = 5.0  # seconds after which it is looked again, if nothing was heard before


async def reload(manager: Manager, entry: Open) -> bool:
    """Now, if it is quiet: then its next turn is under what the files say by then. Else as soon as
    it is, also by a later server; False."""
    conversation = entry.conversation
    try:
        done = await _unload(entry)
    except ServerError as error:
        log.info("a conversation could not be unloaded", reason=error.detail)
        done = False
    if not done and not conversation.record.reload:
        conversation.record.reload = True
        conversation.save()
        follow(manager, entry)
    return done


def follow(manager: Manager, entry: Open) -> None:
    """Do it as soon as the conversation is quiet."""
    manager.spawn(_as_soon_as_quiet(entry))


async def _as_soon_as_quiet(entry: Open) -> None:
    conversation = entry.conversation
    with bind(conversation_id=conversation.id):
        while conversation.record.reload:
            try:
                if await _unload(entry):
                    return
            except ConversationNotFound:
                return
            except ServerError as error:
                log.info("a conversation is not unloaded yet", reason=error.detail)
            try:
                async with asyncio.timeout(AGAIN):
                    await conversation.changed()
            except TimeoutError:
                pass


async def _unload(entry: Open) -> bool:
    """False where something runs or waits. Raises as the engine."""
    conversation = entry.conversation
    if not entry.is_quiet:
        return False
    try:
        async with entry.messages.alone():
            if not entry.is_quiet:
                return False
            control, thread_id = conversation.engine.control, conversation.record.thread_id
            if thread_id in await control.loaded() and not conversation.record.archived:
                await control.archive(thread_id)
                await control.unarchive(thread_id)
                conversation.record.archived = False  # the core's word of it is still to come
                conversation.record.unloaded_ms = now_ms()
                conversation.thread.loaded = False
            conversation.record.reload = False
            conversation.save()
    except ConversationBusy:
        return False
    return True
