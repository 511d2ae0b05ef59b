"""Threads of agents that a turn of a conversation started: whose questions theirs are.

Owns which thread helps which turn. A helper's turn names the turn at its root (measured); its
events come to every client of the core, and its questions with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from codex_http_server import events
from codex_http_server.conversations.conversation import Conversation
from codex_http_server.events import Draft


class Helps(NamedTuple):
    """The conversation that a thread works for, and which turn of it."""

    conversation: Conversation
    turn_id: str | None


class _Turn(msgspec.Struct):
    rootTurnId: str | None = None


class _Started(msgspec.Struct):
    turn: _Turn = msgspec.field(default_factory=_Turn)


class Helpers:
    """See the head of this file."""

    def __init__(self) -> None:
        self._helps: dict[str, Helps] = {}

    def of(self, thread_id: str) -> Helps | None:
        """Whom this thread helps."""
        return self._helps.get(thread_id)

    def bind(self, thread_id: str, helps: Helps) -> None:
        """It is known already whom this thread helps."""
        self._helps[thread_id] = helps

    def hear(self, thread_id: str, draft: Draft, loaded: Iterable[Conversation]) -> None:
        """Take an event of a thread that is no conversation's own."""
        if draft.type == events.TURN_STARTED:
            root = _root(draft.data)
            for conversation in loaded:
                if root in conversation.open.turns:
                    self._helps[thread_id] = Helps(conversation, root)
        helps = self._helps.get(thread_id)
        if helps is None:
            return
        helps.conversation.approvals.hear(draft)
        if draft.type == events.TURN_COMPLETED:
            del self._helps[thread_id]


def _root(data: msgspec.Raw) -> str | None:
    try:
        return msgspec.json.decode(data, type=_Started).turn.rootTurnId
    except msgspec.MsgspecError:
        return None
