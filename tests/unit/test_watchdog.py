"""When a turn is silent, when a core is too large, and when all is quiet enough to act."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from codex_http_server.conversations.conversation import Conversation
from codex_http_server.conversations.watchdog import OBEY, REST, Limits, Watchdog
from codex_http_server.engine.base import CoreState, Engine
from codex_http_server.state import Open
from tests.support import drafts
from tests.support.drafts import NOW

MINUTE = 60_000


class Talk:
    """A conversation as far as the watchdog looks at it."""

    def __init__(self, *said: Any) -> None:
        self.open = Open()
        for draft in said:
            self.open.apply(draft)
        self.heard_ms = NOW
        self.is_ours = True
        self.thread = SimpleNamespace(behind=False)
        self.told: list[tuple[str, int]] = []
        self.asked: str | None = None  # the turn that waits for a decision
        self.approvals = SimpleNamespace(holds=lambda turn_id: turn_id == self.asked)

    def expire(self, before_ms: int) -> None:
        """Nothing here outlives its turn."""

    def may_stop(self, _: str) -> bool:
        return self.is_ours

    def stalled(self, turn_id: str, silent_ms: int) -> None:
        self.told.append((turn_id, silent_ms))


@dataclass
class Core:
    memory: int = 0
    state: CoreState = CoreState("ready")  # noqa: RUF009 # a frozen value
    outdated: bool = False
    recycled: int = 0

    def recycle(self) -> None:
        self.recycled += 1


@dataclass
class Watch:
    """A watchdog with its core and conversations, and what it did."""

    limits: Limits
    talks: list[Talk]
    core: Core = field(default_factory=Core)
    interrupted: list[Talk] = field(default_factory=list)
    busy: bool = False

    def __post_init__(self) -> None:
        interrupt = cast(Any, self.interrupted.append)
        self.dog = Watchdog(self.limits, interrupt)

    def look(self, now: int) -> None:
        entries = [
            SimpleNamespace(
                conversation=cast(Conversation, talk), is_quiet=not talk.open and not self.busy
            )
            for talk in self.talks
        ]
        self.dog.look(cast(Any, entries), cast(Engine, self.core), now)


def silent(*said: Any) -> Watch:
    return Watch(Limits(silence_ms=MINUTE), [Talk(drafts.turn_started(), *said)])


def test_a_turn_that_waits_for_the_model_in_silence_is_interrupted_once() -> None:
    watch = silent(drafts.item_started("m"))
    watch.look(NOW + MINUTE)
    assert watch.interrupted == []
    watch.look(NOW + MINUTE + 1)
    watch.look(NOW + 2 * MINUTE)
    assert watch.talks[0].told == [("t", MINUTE + 1)]
    assert len(watch.interrupted) == 1


def test_a_turn_with_a_running_command_or_tool_may_be_silent() -> None:
    for kind in ("commandExecution", "mcpToolCall", "dynamicToolCall"):
        watch = silent(drafts.item_started("c", kind))
        watch.look(NOW + 100 * MINUTE)
        assert watch.interrupted == []


def test_a_turn_that_waits_for_a_decision_may_be_silent() -> None:
    watch = silent()
    watch.talks[0].asked = "t"
    watch.look(NOW + 100 * MINUTE)
    assert watch.interrupted == []
    watch.talks[0].asked = None
    watch.look(NOW + 100 * MINUTE)
    assert len(watch.interrupted) == 1


def test_no_limit_no_turn_or_no_connection_is_no_silence() -> None:
    without = Watch(Limits(), [Talk(drafts.turn_started())])
    idle = Watch(Limits(silence_ms=MINUTE), [Talk()])
    behind = silent()
    behind.talks[0].thread.behind = True
    for watch in (without, idle, behind):
        watch.look(NOW + 100 * MINUTE)
        assert watch.interrupted == []


def test_a_core_that_does_not_end_a_silent_turn_is_recycled_once_all_else_is_quiet() -> None:
    watch = silent()
    watch.look(NOW + 2 * MINUTE)
    watch.talks.append(Talk(drafts.turn_started("other"), drafts.item_started("c", "mcpToolCall")))
    watch.look(NOW + 2 * MINUTE + OBEY + 1)
    assert watch.core.recycled == 0
    watch.talks.pop()
    watch.look(NOW + 2 * MINUTE + OBEY + 2)
    assert watch.core.recycled == 1


def test_a_turn_that_gave_a_sign_after_all_is_not_deaf_and_may_be_silent_again() -> None:
    watch = silent()
    watch.look(NOW + 2 * MINUTE)
    watch.talks[0].heard_ms = NOW + 3 * MINUTE
    watch.look(NOW + 3 * MINUTE + OBEY)
    assert watch.core.recycled == 0
    watch.look(NOW + 5 * MINUTE)
    assert len(watch.interrupted) == 2


def test_a_large_core_is_recycled_when_nothing_runs_and_not_again_at_once() -> None:
    watch = Watch(Limits(core_memory=100), [Talk()], Core(memory=101), busy=True)
    watch.look(NOW)
    assert watch.core.recycled == 0
    watch.busy = False
    watch.look(NOW)
    watch.look(NOW + REST - 1)
    assert watch.core.recycled == 1
    watch.look(NOW + REST)
    assert watch.core.recycled == 2


def test_a_core_at_twice_its_budget_holds_new_turns_back_until_it_is_recycled() -> None:
    watch = Watch(Limits(core_memory=100), [Talk()], Core(memory=201), busy=True)
    watch.look(NOW)
    assert watch.dog.holds_back
    watch.busy = False
    watch.look(NOW)
    assert watch.core.recycled == 1
    assert not watch.dog.holds_back
    watch.busy = True
    watch.look(NOW + 1)  # the next one is as large: turns must not wait for ever
    assert not watch.dog.holds_back


def test_a_core_within_its_budget_or_without_one_stays() -> None:
    for limits, memory in ((Limits(core_memory=100), 100), (Limits(), 10**12)):
        watch = Watch(limits, [Talk()], Core(memory=memory))
        watch.look(NOW)
        assert watch.core.recycled == 0


def test_a_core_that_we_would_not_start_is_replaced_when_nothing_runs() -> None:
    watch = Watch(Limits(), [Talk()], Core(outdated=True))
    watch.look(NOW)
    assert watch.core.recycled == 1


def test_a_joined_core_is_never_recycled() -> None:
    joined = Core(memory=1000, outdated=True, state=CoreState("ready", joined=True))
    watch = Watch(Limits(core_memory=100, silence_ms=MINUTE), [Talk(drafts.turn_started())], joined)
    watch.look(NOW + 2 * MINUTE)
    watch.look(NOW + 2 * MINUTE + OBEY + 1)
    assert len(watch.interrupted) == 1
    assert watch.core.recycled == 0
    assert not watch.dog.holds_back


def test_a_silent_turn_of_another_client_is_left_alone() -> None:
    watch = silent()
    watch.talks[0].is_ours = False
    watch.look(NOW + 100 * MINUTE)
    assert watch.interrupted == []
