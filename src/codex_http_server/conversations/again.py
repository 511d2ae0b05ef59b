"""The messages of a turn that was interrupted or failed, once more: `/retry`.

A turn that did nothing but talk is forgotten by the core first, else the model would read the
message twice (measured). One that ran commands or changed files stays in its memory, and its
messages are only sent again where the caller says so. Before: api. After: messages.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from codex_http_server.conversations import policy
from codex_http_server.conversations.conversation import Conversation
from codex_http_server.conversations.queue import Queue
from codex_http_server.conversations.submission import Submission
from codex_http_server.errors import ConversationBusy, NothingToRetry, TurnHadEffects
from codex_http_server.records import SubmitRecord, TurnRecord
from codex_http_server.state import MODEL_ITEMS

TALK: Final = MODEL_ITEMS | {"userMessage"}


async def again(
    wanted: Submission, conversation: Conversation, queue: Queue, *, anyway: bool
) -> Submission:
    """`wanted` with what the last turn was sent. Raises `NothingToRetry`, `TurnHadEffects`,
    `ConversationBusy`, `ElevateRequired`."""
    if conversation.open.current is not None or conversation.starting:
        raise ConversationBusy("A turn is running in this conversation.")
    if len(queue):  # they were sent later, and would run first
        raise ConversationBusy(
            "Messages wait in this conversation.",
            hint="Let them go on, or take them back: DELETE …/queue/{submit_id}.",
        )
    await conversation.log.durable()  # what is read below must be as new as what is in memory
    turn = await _last_turn(conversation)
    records = await _messages(conversation, turn)
    done = await _has_done(conversation, turn.turn_id)
    if done and not anyway:
        raise TurnHadEffects(
            "That turn had run something before it ended; it could be done twice.",
            hint='Send {"anyway": true} to send its message again all the same.',
            turn_id=turn.turn_id,
        )
    overrides = records[0].overrides
    policy.check_ceiling(overrides, policy.resolved(conversation.record), wanted.caller)
    return replace(
        wanted,
        message=[part for record in records for part in record.message],
        overrides=overrides,
        output_schema=records[0].output_schema,
        revert=None if done else turn.turn_id,
    )


async def _last_turn(conversation: Conversation) -> TurnRecord:
    found = await conversation.log.ledger(conversation.id, None, 1, reverted=False)
    if not found or found[0].status not in ("interrupted", "failed"):
        raise NothingToRetry("The last turn of this conversation was not interrupted or failed.")
    return found[0]


async def _messages(conversation: Conversation, turn: TurnRecord) -> list[SubmitRecord]:
    """What the turn was sent, in order: what started it, then what was steered into it."""
    found = await conversation.log.submits_of(conversation.id, [turn.turn_id])
    records = [record for record in found if record.state in ("started", "steered", "ended")]
    if not records or turn.thread_id not in ("", conversation.record.thread_id):
        raise NothingToRetry("The last turn was not started by a message of this server.")
    return sorted(records, key=lambda record: (record.state == "steered", record.created_ms))


async def _has_done(conversation: Conversation, turn_id: str) -> bool:
    """Whether the turn did more than talk."""
    events = await conversation.log.turn_events(conversation.id, turn_id)
    running = any(item.turn_id == turn_id for item in conversation.open.items.values())
    return running or any(
        event.item_type is not None and event.item_type not in TALK for event in events
    )
