"""What is due: commands that outlived their time, turns gone silent, a core grown too large.

Owns the limits and when they were last acted on; `look` is called every few seconds and does
not wait. Whatever it does is seen: as an event, or as a line in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from codex_http_server.conversations.conversation import Conversation
from codex_http_server.engine.base import Engine
from codex_http_server.logs import get_logger

log = get_logger(__name__)

OBEY: Final = 30_000  # milliseconds for a turn to end after it was interrupted for its silence
REST: Final = 600_000  # milliseconds between two recyclings, so that a small budget is no loop
CAP: Final = 2  # times the budget of memory at which no new turn is started


@dataclass(frozen=True)
class Limits:
    """What is allowed. 0 is no limit, but for `item_ms`."""

    item_ms: int = 86_400_000  # that a background command may outlive its turn
    silence_ms: int = 0  # that a turn which waits for the model may be silent
    grace: float = 5.0  # seconds that processes of an interrupted turn have to end
    core_memory: int = 0  # bytes that a core may hold before it is recycled


class Entry(Protocol):
    """A loaded conversation, as the manager has it."""

    @property
    def conversation(self) -> Conversation: ...

    @property
    def is_quiet(self) -> bool: ...

    @property
    def is_at_rest(self) -> bool: ...


class Watchdog:
    """Looks after all loaded conversations and the core they share."""

    def __init__(self, limits: Limits, interrupt: Callable[[Conversation], None]) -> None:
        self._limits = limits
        self._interrupt = interrupt
        self._recycled_ms = -REST
        self._stuck: dict[str, int] = {}  # turns that were told to end, and when
        self.holds_back = False
        self._renew = False

    def renew(self) -> None:
        """The core is to be started anew as soon as no turn runs: it holds an old login."""
        self._renew = self.holds_back = True

    def renewed(self) -> None:
        """There is a new core."""
        self._renew = self.holds_back = False

    def look(self, entries: Iterable[Entry], engine: Engine, now: int) -> None:
        """Act on what is due at `now` (ms)."""
        loaded = list(entries)
        if self._renew and all(entry.is_at_rest for entry in loaded):
            log.info("the core is started anew for another login")
            engine.recycle()
            return
        for entry in loaded:
            entry.conversation.expire(now - self._limits.item_ms)
            self._look_at_turn(entry.conversation, now)
        if not engine.state.joined:
            self._look_at_memory(loaded, engine, now)

    def _look_at_turn(self, conversation: Conversation, now: int) -> None:
        """A turn without any sign: interrupt it, once."""
        turn, limit = conversation.open.current, self._limits.silence_ms
        if not limit or turn is None or conversation.thread.behind:
            return
        waits = conversation.approvals.holds(turn.turn_id)
        waits = waits or not conversation.may_stop(turn.turn_id)
        if waits or not conversation.open.waits_for_model(turn.turn_id):
            return
        if conversation.heard_ms > self._stuck.get(turn.turn_id, now):
            del self._stuck[turn.turn_id]  # it has given a sign since
        silent = now - max(conversation.heard_ms, turn.started_ms)
        if silent > limit and turn.turn_id not in self._stuck:
            self._stuck[turn.turn_id] = now
            log.warning("a turn is silent and is interrupted", turn_id=turn.turn_id, ms=silent)
            conversation.stalled(turn.turn_id, silent)
            self._interrupt(conversation)

    def _look_at_memory(self, loaded: list[Entry], engine: Engine, now: int) -> None:
        """Recycle a core that is too large, does not end a turn, or is not the one that this
        server would start, once all is quiet."""
        turns = {turn for entry in loaded for turn in entry.conversation.open.turns}
        self._stuck = {turn: since for turn, since in self._stuck.items() if turn in turns}
        deaf = {turn for turn, since in self._stuck.items() if now - since > OBEY}
        budget, memory = self._limits.core_memory, engine.memory
        rested = now - self._recycled_ms >= REST
        self.holds_back = self._renew or bool(budget and rested and memory > CAP * budget)
        wanted = bool(budget and memory > budget) or bool(deaf) or engine.outdated
        if wanted and rested and all(self._is_quiet(entry, deaf) for entry in loaded):
            self._recycled_ms, self.holds_back = now, self._renew
            log.info(
                "the core is recycled",
                memory=memory,
                deaf_turns=len(deaf),
                outdated=engine.outdated,
            )
            engine.recycle()

    @staticmethod
    def _is_quiet(entry: Entry, deaf: set[str]) -> bool:
        return entry.is_quiet or bool(deaf & entry.conversation.open.turns.keys())
