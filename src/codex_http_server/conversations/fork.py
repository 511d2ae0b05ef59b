"""A new conversation that begins with the past of another: `/fork`.

Owns what a fork takes over, and that one request makes one. The core makes its thread at the end of
a turn that has ended: a fork during a turn leaves that as it is. Its past is told from the core as
that of a found conversation is (`found.py`), also when the server was killed meanwhile.
A thread that the core made and no conversation has is in none of the core's lists until it has a
turn of its own (measured), so nobody ever sees it. Before: api. After: manager, engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from codex_http_server.auth.callers import Caller
from codex_http_server.clock import new_id, now_ms
from codex_http_server.conversations import policy
from codex_http_server.conversations.conversation import Conversation
from codex_http_server.conversations.manager import KEYS_KEPT, Make, Manager, Open
from codex_http_server.engine.base import Thread
from codex_http_server.errors import (
    ConversationBusy,
    KeyReused,
    ServerError,
    TurnNotFound,
)
from codex_http_server.logs import get_logger
from codex_http_server.records import ConversationRecord, ForkedFrom

log = get_logger(__name__)


class Wanted(NamedTuple):
    """What a caller wants forked. `at_turn_id`: the last turn to share; None: the last that has
    ended."""

    at_turn_id: str | None
    working_directory: str
    title: str | None
    caller: Caller
    key: str | None
    body_hash: str


async def fork(manager: Manager, source: Conversation, wanted: Wanted) -> Open:
    """The fork, with its past in the log. The same key and body: the same fork.

    Raises `ConversationArchived`, `TurnNotFound`, `ConversationBusy` where the turn to share runs,
    `KeyReused`, `StorageFull`, `Stopping`, and as the engine.
    """
    source.check_usable()
    made = await _made_before(source, wanted)
    if made is not None:
        return await manager.get(made)
    entry = await manager.begin(await _record(source, wanted), _maker(manager, source, wanted))
    found = await manager.get(entry.conversation.id)
    await _name(found.conversation)
    return found


async def _made_before(source: Conversation, wanted: Wanted) -> str | None:
    """The fork that this key has made, where its answer was not kept: the server was killed."""
    if wanted.key is None:
        return None
    await source.log.durable()  # what is read below must be as new as what is in memory
    for record in await source.log.forks(source.id):
        made = record.forked_from
        if made is None or made.key != wanted.key or record.created_ms < now_ms() - KEYS_KEPT:
            continue
        if made.body_hash != wanted.body_hash:
            raise KeyReused("This Idempotency-Key came with another body before.")
        return record.id
    return None


async def _record(source: Conversation, wanted: Wanted) -> ConversationRecord:
    """What a fork takes over. What its maker may not ask for, it does not inherit either."""
    core = await source.engine.resolve_policy(wanted.working_directory)
    of, now = source.record, now_ms()
    return ConversationRecord(
        id=new_id(),
        thread_id="",
        working_directory=wanted.working_directory,
        title=wanted.title or of.title,
        forked_from=ForkedFrom(of.id, None, wanted.key, wanted.body_hash),
        stated=policy.within_ceiling(of.stated, core, wanted.caller),
        resolved_model=core.model,
        resolved_effort=core.reasoning_effort,
        resolved_approval=core.approval_policy,
        resolved_sandbox=core.sandbox_policy,
        approval_deadline=of.approval_deadline,
        tools=of.tools,
        created_ms=now,
        updated_ms=now,
    )


def _maker(manager: Manager, source: Conversation, wanted: Wanted) -> Make:
    async def make(conversation: Conversation, begun: Callable[[], None]) -> None:
        for turn_id in await _ends(source, wanted):
            try:
                forked = _binder(manager, conversation, turn_id, source, begun)
                await source.engine.control.fork(
                    source.record.thread_id, turn_id, wanted.working_directory, forked
                )
            except (ConversationBusy, TurnNotFound):  # it runs, or was just taken back
                if wanted.at_turn_id is not None:
                    raise
            else:
                return
        await _afresh(conversation, begun)

    return make


async def _ends(source: Conversation, wanted: Wanted) -> list[str]:
    """The turns that the fork may end with, the best first."""
    if wanted.at_turn_id is not None:
        return [wanted.at_turn_id]
    if not source.record.thread_id:
        return []
    return await source.engine.control.newest_turns(source.record.thread_id)


def _binder(
    manager: Manager,
    conversation: Conversation,
    turn_id: str,
    source: Conversation,
    begun: Callable[[], None],
) -> Callable[[str], None]:
    def forked(thread_id: str) -> None:
        record = conversation.record
        made = record.forked_from
        assert made is not None  # `_record` has set it
        record.thread_id, record.untold = thread_id, True
        record.preview = source.record.preview
        record.forked_from = ForkedFrom(source.id, turn_id, made.key, made.body_hash)
        manager.bind(thread_id, conversation)
        begun()

    return forked


async def _afresh(conversation: Conversation, begun: Callable[[], None]) -> None:
    """Nothing to share: a new conversation with the same settings."""

    def bound(thread: Thread) -> None:
        conversation.started(thread)
        begun()

    record = conversation.record
    await conversation.engine.start_thread(
        record.working_directory, record.stated.model, bound, record.tools
    )


async def _name(conversation: Conversation) -> None:
    """Give its thread the title too. Where that can't be done, ours stands all the same."""
    record = conversation.record
    if not record.title or not record.preview:
        return
    try:
        await conversation.engine.rename_thread(record.thread_id, record.title)
    except ServerError as error:
        log.info("the fork has no title in the core", reason=error.detail)
