"""How long a conversation says that the core tries its model again, and the plan of a turn."""

from __future__ import annotations

import pytest

from codex_http_server.conversations import views
from codex_http_server.events import Draft, Event
from codex_http_server.state import Open
from tests.support import drafts


@pytest.fixture
def state() -> Open:
    """A conversation whose turn `t` is being retried."""
    made = Open()
    made.apply(drafts.turn_started())
    made.apply(drafts.retry())
    return made


def told(state: Open) -> str | None:
    found = views.retrying(state.retrying)
    return None if found is None else f"{found['turn_id']}: {found['message']}"


def test_a_retry_is_told_with_its_turn_and_the_core_s_words(state: Open) -> None:
    assert views.retrying(state.retrying) == {
        "turn_id": "t",
        "message": "broke",
        "error": {"message": "broke"},
    }


@pytest.mark.parametrize(
    "after",
    [
        drafts.item_started("m"),
        drafts.item_started("c", "commandExecution"),
        drafts.item_completed("m"),  # as the core's history tells it: without a start
        drafts.item_completed("s", "contextCompaction"),  # it was open when its summary broke
        drafts.turn_completed(),
        drafts.turn_completed(status="failed"),
        drafts.said("error", {"turnId": "t", "error": {"message": "no"}, "willRetry": False}),
    ],
)
def test_it_is_over_when_its_turn_brings_something_or_ends(state: Open, after: Draft) -> None:
    state.apply(after)
    assert told(state) is None


@pytest.mark.parametrize(
    "after",
    [
        drafts.item_completed("c", "commandExecution"),
        drafts.delta("c", "out", "item/commandExecution/outputDelta"),
        drafts.item_started("m", turn="u"),
        drafts.turn_completed("u"),
        drafts.retry("never-begun"),
        drafts.diff("+1"),
    ],
)
def test_it_goes_on_whatever_else_happens(state: Open, after: Draft) -> None:
    state.apply(after)
    assert told(state) == "t: broke"


def test_a_turn_that_has_ended_is_not_retried(state: Open) -> None:
    state.apply(drafts.turn_completed())
    state.apply(drafts.retry())
    assert told(state) is None


def test_a_lost_core_tries_no_more(state: Open) -> None:
    for end in state.lost("core_lost", drafts.NOW):
        state.apply(end)
    assert told(state) is None


# --- plans --------------------------------------------------------------------------------------


def event(draft: Draft) -> Event:
    return Event(
        seq=1, position=1, conversation_id="c", turn_id=draft.turn_id, item_id=None,
        type=draft.type, item_type=None, text=None, status=draft.status, synthetic=None,
        at_ms=draft.at_ms, core="", data=draft.data, log_tag="",
    )  # fmt: skip


def plan(**said: object) -> Event:
    return event(drafts.said("turn/plan/updated", {"turnId": "t"} | said))


def test_a_turn_has_its_newest_plan() -> None:
    steps = [{"step": "look", "status": "inProgress"}]
    done = [{"step": "look", "status": "completed"}]
    (turn,) = views.turns(
        [event(drafts.turn_started()), plan(plan=steps, explanation="So."), plan(plan=done)]
    )
    assert turn["plan"] == {"explanation": None, "steps": done}
    assert views.turns([event(drafts.turn_started())])[0]["plan"] is None


def test_a_plan_in_a_shape_that_is_not_known_is_none() -> None:
    assert views.turns([event(drafts.turn_started()), plan(plan="first this")])[0]["plan"] is None
