"""What is open in one conversation, and that everything that starts ends once."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_http_server import events
from codex_http_server.events import Draft
from codex_http_server.state import DECISIONS, ENDED_KEPT, TEXT_MAX, Action, Open, Phase, WhileBusy
from tests.support import drafts
from tests.support.drafts import NOW
from tests.support.shapes import validator

ENDS = (events.ITEM_COMPLETED, events.ITEM_DISCARDED)


class Life:
    """One conversation's state beside all that was appended, fed as `Conversation` does it."""

    def __init__(self) -> None:
        self.open = Open()
        self.log: list[Draft] = []

    def take(self, *said: Draft) -> list[Draft]:
        """Take events of the core; what was appended for them."""
        new: list[Draft] = []
        for draft in said:
            new += self.append(self.open.admit(draft, will_retry=draft.type == events.ERROR))
        return new

    def append(self, added: list[Draft]) -> list[Draft]:
        for draft in added:
            self.open.apply(draft)
        self.log += added
        return added

    def lose(self, reason: str = "core_lost") -> list[Draft]:
        return self.append(self.open.lost(reason, NOW + 5000))


def short(added: list[Draft]) -> list[tuple[str, str | None, str | None]]:
    """Type, item (else turn) and our reason of each."""
    return [(draft.type, draft.item_id or draft.turn_id, draft.synthetic) for draft in added]


def last_form(draft: Draft) -> dict[str, Any]:
    return msgspec.json.decode(draft.data)["item"]


def forms(state: Open) -> dict[tuple[str, str], dict[str, Any]]:
    return {key: item.form() for key, item in state.items.items()}


@pytest.fixture
def life() -> Life:
    """A conversation with a running turn `t`."""
    made = Life()
    made.take(drafts.turn_started())
    return made


# --- reviews -------------------------------------------------------------------------------


def test_a_review_is_one_turn_though_the_core_begins_another_one_within() -> None:
    life = Life()
    turn = {"id": "inner", "rootTurnId": "review", "items": [], "status": "inProgress"}
    life.take(drafts.item_started("in", "enteredReviewMode", "review"))
    life.take(drafts.item_completed("in", "enteredReviewMode", "review"))
    life.take(drafts.said("turn/started", {"turn": turn}))
    assert list(life.open.turns) == ["review"]
    life.take(drafts.item_started("raw", turn="review"))
    left = life.take(drafts.item_started("out", "exitedReviewMode", "review"))
    assert short(left)[0] == (events.ITEM_DISCARDED, "raw", "replaced")
    life.take(drafts.item_completed("out", "exitedReviewMode", "review"))
    assert short(life.take(drafts.turn_completed("review"))) == [
        (events.TURN_COMPLETED, "review", None)
    ]
    assert not life.open


# --- decisions -----------------------------------------------------------------------------


def test_there_is_a_decision_for_every_phase_and_every_wish() -> None:
    assert set(DECISIONS) == set(product(Phase, get_args(WhileBusy)))
    assert set(DECISIONS.values()) == set(get_args(Action))


def test_an_idle_conversation_starts_whatever_was_wished() -> None:
    assert {DECISIONS[Phase.IDLE, wish] for wish in get_args(WhileBusy)} == {"start"}


def test_a_busy_conversation_never_starts_a_second_turn() -> None:
    busy = [action for (phase, _), action in DECISIONS.items() if phase is not Phase.IDLE]
    assert "start" not in busy


def test_only_a_running_turn_is_steered() -> None:
    steered = [phase for (phase, _), action in DECISIONS.items() if action == "steer"]
    assert steered == [Phase.RUNNING]


# --- what is open --------------------------------------------------------------------------


def test_a_turn_and_its_items_are_open_from_start_to_end(life: Life) -> None:
    life.take(drafts.item_started("m"))
    assert (set(life.open.turns), set(life.open.items)) == ({"t"}, {("t", "m")})
    life.take(drafts.item_completed("m"), drafts.turn_completed())
    assert not life.open
    assert [draft.synthetic for draft in life.log] == [None] * 4


def test_the_newest_turn_is_the_current_one(life: Life) -> None:
    life.take(drafts.turn_started("u"))
    assert life.open.current is life.open.turns["u"]
    life.take(drafts.turn_completed("u"))
    assert life.open.current is life.open.turns["t"]


def test_an_item_s_id_counts_only_within_its_turn(life: Life) -> None:
    life.take(drafts.turn_started("u"), drafts.item_started("m"))
    life.take(drafts.item_started("m", turn="u"), drafts.item_completed("m"))
    assert set(life.open.items) == {("u", "m")}


# --- what the core does not end itself -----------------------------------------------------


def test_a_retry_discards_the_open_items_of_the_model_before_its_error(life: Life) -> None:
    life.take(drafts.item_started("m"), drafts.delta("m", "Hal"))
    life.take(drafts.item_started("r", "reasoning"), drafts.item_started("p", "plan"))
    added = life.take(drafts.retry())
    assert short(added) == [
        ("item/discarded", "m", "retried"),
        ("item/discarded", "r", "retried"),
        ("item/discarded", "p", "retried"),
        ("error", "t", None),
    ]


def test_a_retry_leaves_a_running_command_and_the_turn(life: Life) -> None:
    life.take(drafts.item_started("c", "commandExecution"), drafts.item_started("f", "fileChange"))
    assert short(life.take(drafts.retry())) == [("error", "t", None)]
    assert set(life.open.items) == {("t", "c"), ("t", "f")}
    assert life.open.current


def test_a_retry_leaves_the_items_of_another_turn(life: Life) -> None:
    life.take(drafts.turn_started("u"), drafts.item_started("m", turn="u"))
    life.take(drafts.retry("t"))
    assert set(life.open.items) == {("u", "m")}


def test_an_error_that_is_final_discards_nothing_itself(life: Life) -> None:
    life.take(drafts.item_started("m"))
    assert life.open.admit(drafts.retry(), will_retry=False)[0].type == "error"


def test_after_a_steer_the_next_item_of_the_model_discards_the_open_message(life: Life) -> None:
    life.take(drafts.item_started("m"), drafts.delta("m", "Half a sen"))
    life.open.steered("t")
    added = life.take(drafts.item_started("m2"))
    assert short(added) == [("item/discarded", "m", "steered"), ("item/started", "m2", None)]
    assert last_form(added[0])["text"] == "Half a sen"


@pytest.mark.parametrize("kind", ["userMessage", "commandExecution", "fileChange"])
def test_after_a_steer_an_item_that_is_not_the_model_s_discards_nothing(
    life: Life, kind: str
) -> None:
    life.take(drafts.item_started("m"))
    life.open.steered("t")
    assert short(life.take(drafts.item_started("x", kind))) == [("item/started", "x", None)]


def test_after_a_steer_the_running_command_goes_on(life: Life) -> None:
    life.take(drafts.item_started("c", "commandExecution"))
    life.open.steered("t")
    life.take(drafts.item_started("m"))
    assert ("t", "c") in life.open.items


def test_without_a_steer_a_second_open_message_is_nothing_strange(life: Life) -> None:
    life.take(drafts.item_started("m"), drafts.item_started("m2"))
    assert set(life.open.items) == {("t", "m"), ("t", "m2")}


def test_a_steer_of_a_turn_that_has_ended_is_forgotten(life: Life) -> None:
    life.take(drafts.turn_completed())
    life.open.steered("t")
    assert not life.open


def test_a_steered_turn_that_completes_discards_its_message_as_steered(life: Life) -> None:
    life.take(drafts.item_started("m"))
    life.open.steered("t")
    added = life.take(drafts.turn_completed())
    assert short(added) == [("item/discarded", "m", "steered"), ("turn/completed", "t", None)]


@pytest.mark.parametrize(
    ("status", "reason"),
    [("interrupted", "interrupted"), ("failed", "failed"), ("completed", "failed")],
)
def test_a_turn_s_end_discards_what_it_left_open(life: Life, status: str, reason: str) -> None:
    life.take(drafts.item_started("m"), drafts.item_started("f", "fileChange"))
    added = life.take(drafts.turn_completed(status=status))
    assert short(added) == [
        ("item/discarded", "m", reason),
        ("item/discarded", "f", reason),
        ("turn/completed", "t", None),
    ]
    assert not life.open


def test_a_turn_s_end_leaves_the_items_of_another_turn(life: Life) -> None:
    life.take(drafts.turn_started("u"), drafts.item_started("m", turn="u"))
    assert short(life.take(drafts.turn_completed("t"))) == [("turn/completed", "t", None)]


def test_the_core_s_late_end_of_a_discarded_item_is_swallowed(life: Life) -> None:
    life.take(drafts.item_started("m"), drafts.retry())
    assert life.take(drafts.item_completed("m")) == []


def test_the_core_s_second_end_of_an_item_or_a_turn_is_swallowed(life: Life) -> None:
    life.take(drafts.item_started("m"), drafts.item_completed("m"), drafts.turn_completed())
    assert life.take(drafts.item_completed("m"), drafts.turn_completed()) == []


def test_the_core_s_late_end_of_a_turn_that_we_ended_is_swallowed(life: Life) -> None:
    life.lose()
    assert life.take(drafts.turn_completed(status="completed")) == []


def test_an_item_of_the_same_id_may_start_again_after_a_retry_and_end(life: Life) -> None:
    life.take(drafts.item_started("m"), drafts.retry(), drafts.item_started("m"))
    assert short(life.take(drafts.item_completed("m"))) == [("item/completed", "m", None)]
    assert life.take(drafts.item_completed("m")) == []


def test_an_end_is_remembered_for_the_next_few_hundred_ends(life: Life) -> None:
    life.take(drafts.item_started("m"), drafts.retry())
    for number in range(ENDED_KEPT - 1):
        life.take(drafts.item_started(str(number)), drafts.item_completed(str(number)))
    assert life.take(drafts.item_completed("m")) == []


@pytest.mark.parametrize("item", [{"type": "new"}, None, {"id": "", "type": "new"}])
def test_the_end_of_an_item_without_an_id_is_not_taken_for_the_end_of_its_turn(
    life: Life, item: Any
) -> None:
    life.take(drafts.said("item/completed", {"turnId": "t", "item": item}))
    assert short(life.take(drafts.turn_completed())) == [("turn/completed", "t", None)]
    assert not life.open


def test_a_turn_that_has_ended_neither_starts_nor_ends_again(life: Life) -> None:
    life.lose()
    assert life.take(drafts.turn_started(), drafts.turn_completed()) == []
    assert not life.open


# --- commands outlive their turn -----------------------------------------------------------


@pytest.mark.parametrize("status", ["completed", "interrupted", "failed"])
def test_a_command_outlives_its_turn_and_ends_by_itself(life: Life, status: str) -> None:
    life.take(drafts.item_started("c", "commandExecution"))
    assert short(life.take(drafts.turn_completed(status=status))) == [("turn/completed", "t", None)]
    assert set(life.open.items) == {("t", "c")}
    life.take(drafts.delta("c", "still here\n", "item/commandExecution/outputDelta"))
    assert forms(life.open)["t", "c"]["aggregatedOutput"] == "still here\n"
    assert short(life.take(drafts.item_completed("c", "commandExecution"))) == [
        ("item/completed", "c", None)
    ]
    assert not life.open


def test_a_background_command_past_its_limit_expires(life: Life) -> None:
    life.take(drafts.item_started("c", "commandExecution", at_ms=NOW))
    life.take(drafts.turn_completed())
    assert life.open.expired(NOW, NOW + 9) == []
    added = life.append(life.open.expired(NOW + 1, NOW + 9))
    assert short(added) == [("item/discarded", "c", "expired")]
    assert (added[0].at_ms, added[0].status) == (NOW + 9, "discarded")
    assert not life.open
    assert life.take(drafts.item_completed("c", "commandExecution")) == []


def test_a_command_of_a_running_turn_never_expires(life: Life) -> None:
    life.take(drafts.item_started("c", "commandExecution"))
    assert life.open.expired(NOW + 10**9, NOW) == []


# --- repeats -------------------------------------------------------------------------------


def test_an_unchanged_diff_is_not_repeated(life: Life) -> None:
    assert len(life.take(drafts.diff("a"), drafts.diff("a"))) == 1
    assert len(life.take(drafts.diff("b"), drafts.diff("a"))) == 2


def test_the_diffs_of_two_turns_are_apart(life: Life) -> None:
    assert len(life.take(drafts.diff("a", "t"), drafts.diff("a", "u"))) == 2


@pytest.mark.parametrize("kind", events.DELTA_OF)
def test_the_start_of_an_item_that_was_missed_has_the_shape_of_the_core_s(
    life: Life, kind: str
) -> None:
    body = {"threadId": "t", "turnId": "A", "itemId": "new", "delta": "x"}
    delta = Draft(kind, events.raw(body), NOW, turn_id="A", item_id="new", text="x")
    start, gap, _ = life.take(delta)
    assert (start.synthetic, gap.type) == ("history", events.ITEM_GAP)
    data = msgspec.json.decode(start.data)
    assert validator("Codex_ItemStartedNotification").is_valid(data), data
    assert validator("ItemGap").is_valid(msgspec.json.decode(gap.data))


def test_an_event_that_no_rule_is_about_passes_unchanged(life: Life) -> None:
    odd = drafts.said("item/brandNew/progress", {"turnId": "t", "x": 1})
    assert life.take(odd) == [odd]
    assert life.take(odd) == [odd]


# --- a lost core ---------------------------------------------------------------------------


def test_a_lost_core_ends_all_items_then_all_turns_once(life: Life) -> None:
    life.take(drafts.item_started("m"), drafts.item_started("c", "commandExecution"))
    life.take(drafts.turn_started("u"))
    assert short(life.lose("server_restarted")) == [
        ("item/discarded", "m", "core_lost"),
        ("item/discarded", "c", "core_lost"),
        ("turn/completed", "t", "server_restarted"),
        ("turn/completed", "u", "server_restarted"),
    ]
    assert not life.open
    assert life.lose() == []


def test_the_end_of_a_turn_that_the_core_did_not_send_has_the_core_s_shape(life: Life) -> None:
    (end,) = life.lose("core_lost")
    assert (end.status, end.turn_id, end.at_ms) == ("interrupted", "t", NOW + 5000)
    body = msgspec.json.decode(end.data)
    assert body["threadId"] == drafts.THREAD
    assert body["turn"] == {
        "id": "t",
        "items": [],
        "itemsView": "notLoaded",
        "status": "interrupted",
        "startedAt": NOW // 1000,
        "completedAt": NOW // 1000 + 5,
        "durationMs": 5000,
    }


@pytest.mark.parametrize(
    "turn",
    [
        {},
        None,
    ],
)
def test_a_lost_core_ends_a_turn_whose_start_had_an_odd_shape(turn: Any) -> None:
    life = Life()
    life.take(drafts.said("turn/started", {"turnId": "t", "turn": turn}))
    assert short(life.lose()) == [("turn/completed", "t", "core_lost")]


def test_a_clock_that_went_back_makes_no_negative_duration(life: Life) -> None:
    (end,) = life.open.lost("core_lost", NOW - 60_000)
    assert msgspec.json.decode(end.data)["turn"]["durationMs"] == 0


# --- the last form of a discarded item -----------------------------------------------------


@pytest.mark.parametrize("kind", ["agentMessage", "plan"])
def test_a_discarded_text_carries_all_that_was_said(life: Life, kind: str) -> None:
    life.take(drafts.item_started("m", kind, phase="x", text=""))
    for piece in ("Hé", "llo ", "\U0001f642\n"):
        life.take(drafts.delta("m", piece, f"item/{kind}/delta"))
    form = last_form(life.lose()[0])
    assert form == {"id": "m", "type": kind, "phase": "x", "text": "Héllo \U0001f642\n"}


def test_a_discarded_item_without_a_delta_keeps_the_text_that_it_started_with(life: Life) -> None:
    life.take(drafts.item_started("m", text="already"))
    assert last_form(life.lose()[0])["text"] == "already"


def test_a_discarded_reasoning_keeps_its_summaries_and_contents_apart(life: Life) -> None:
    life.take(drafts.item_started("r", "reasoning", summary=[], content=[]))
    summary, content = "item/reasoning/summaryTextDelta", "item/reasoning/textDelta"
    for index, text in ((0, "a"), (1, "b"), (0, "A"), (10, "k"), (2, "c")):
        life.take(drafts.delta("r", text, summary, summaryIndex=index))
    for index, text in ((0, "x"), (1, "y"), (0, "X")):
        life.take(drafts.delta("r", text, content, contentIndex=index))
    form = last_form(life.lose()[0])
    assert (form["summary"], form["content"]) == (["aA", "b", "c", "k"], ["xX", "y"])


def test_a_discarded_command_carries_its_output(life: Life) -> None:
    life.take(drafts.item_started("c", "commandExecution", command="ls", aggregatedOutput=None))
    for piece in ("a\n", "b\n"):
        life.take(drafts.delta("c", piece, "item/commandExecution/outputDelta"))
    form = last_form(life.lose()[0])
    assert (form["command"], form["aggregatedOutput"]) == ("ls", "a\nb\n")


@pytest.mark.parametrize("piece", [1, 1000, TEXT_MAX // 2 + 1, 5 * TEXT_MAX])
def test_a_command_s_output_is_kept_up_to_the_limit(life: Life, piece: int) -> None:
    life.take(drafts.item_started("c", "commandExecution"))
    item = life.open.items["t", "c"]
    text = drafts.delta("c", "x" * piece, "item/commandExecution/outputDelta")
    for _ in range(2 * TEXT_MAX // piece + 2):
        item.add(text)
    assert len(item.form()["aggregatedOutput"]) <= TEXT_MAX + piece
    assert len(item.form()["aggregatedOutput"]) >= TEXT_MAX


def test_the_text_of_a_message_has_no_limit(life: Life) -> None:
    life.take(drafts.item_started("m"))
    for _ in range(3):
        life.take(drafts.delta("m", "x" * TEXT_MAX))
    assert len(forms(life.open)["t", "m"]["text"]) == 3 * TEXT_MAX


def test_a_discarded_item_names_its_turn_its_reason_and_itself(life: Life) -> None:
    life.take(drafts.item_started("m"))
    gone = life.take(drafts.retry())[0]
    assert (gone.item_type, gone.status) == ("agentMessage", "discarded")
    body = msgspec.json.decode(gone.data)
    assert (body["turnId"], body["itemId"], body["reason"]) == ("t", "m", "retried")


# --- any sequence --------------------------------------------------------------------------

KINDS = ("agentMessage", "reasoning", "plan", "commandExecution", "fileChange", "userMessage")
DELTAS = {
    "agentMessage": "item/agentMessage/delta",
    "plan": "item/plan/delta",
    "reasoning": "item/reasoning/summaryTextDelta",
    "commandExecution": "item/commandExecution/outputDelta",
}
WHICH = st.integers(0, 3)
STEPS = st.one_of(
    st.tuples(st.just("turn")),
    st.tuples(st.just("item"), WHICH, WHICH, st.sampled_from(KINDS)),
    st.tuples(st.just("delta"), WHICH, WHICH, st.text(max_size=5)),
    st.tuples(st.just("done"), WHICH, WHICH),
    st.tuples(st.just("diff"), WHICH, WHICH),
    st.tuples(st.just("retry"), WHICH),
    st.tuples(st.just("steer"), WHICH),
    st.tuples(st.just("end"), WHICH, st.sampled_from(["completed", "interrupted", "failed"])),
    st.tuples(st.just("lost")),
)


def say(life: Life, turn: str, what: str, *how: Any) -> Draft:
    """What the core says in this turn."""
    match what, how:
        case "item", (number, kind):
            return drafts.item_started(f"item-{number}", kind, turn)
        case "delta", (number, text):
            open_item = life.open.items.get((turn, f"item-{number}"))
            kind = DELTAS.get(str(open_item.item_type) if open_item else "", DELTAS["plan"])
            return drafts.delta(f"item-{number}", text, kind, turn)
        case "done", (number,):
            return drafts.item_completed(f"item-{number}", turn=turn)
        case "diff", (number,):
            return drafts.diff(str(number), turn)
        case "end", (status,):
            return drafts.turn_completed(turn, status)
        case _:
            return drafts.retry(turn)


def step(life: Life, started: list[str], what: str, which: int = 0, *how: Any) -> None:
    """Let one thing happen, in the `which`-th of the last turns where it happens in one."""
    if what == "turn":
        started.append(f"turn-{len(started)}")
        life.take(drafts.turn_started(started[-1]))
    elif what == "lost":
        life.lose()
    elif started:
        turn = started[-1 - which % len(started)]
        if what == "steer":
            life.open.steered(turn)
        else:
            life.take(say(life, turn, what, *how))


def ends_without_a_start(log: list[Draft]) -> list[tuple[str | None, str | None]]:
    """Items that ended twice with no start in between."""
    ended: set[tuple[str | None, str | None]] = set()
    wrong: list[tuple[str | None, str | None]] = []
    for draft in log:
        key = (draft.turn_id, draft.item_id)
        if draft.type == events.ITEM_STARTED:
            ended.discard(key)
        elif draft.type in ENDS:
            wrong += [key] if key in ended else []
            ended.add(key)
    return wrong


@settings(max_examples=400, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_whatever_happens_what_starts_ends_at_most_once_and_all_ends_when_the_core_is_lost(
    steps: list[tuple[Any, ...]],
) -> None:
    life, started = Life(), list[str]()
    for each in steps:
        step(life, started, *each)
        turn_ends = Counter(d.turn_id for d in life.log if d.type == events.TURN_COMPLETED)
        assert all(count == 1 for count in turn_ends.values())
        assert ends_without_a_start(life.log) == []
    life.lose()
    assert not life.open
    assert Counter(d.turn_id for d in life.log if d.type == events.TURN_COMPLETED) == Counter(
        started
    )
    begun = {(d.turn_id, d.item_id) for d in life.log if d.type == events.ITEM_STARTED}
    assert begun <= {(d.turn_id, d.item_id) for d in life.log if d.type in ENDS}
    assert ends_without_a_start(life.log) == []


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_a_replay_of_what_was_appended_gives_the_same_open_set(
    steps: list[tuple[Any, ...]],
) -> None:
    life, started = Life(), list[str]()
    for each in steps:
        step(life, started, *each)
        again = Open()
        for draft in life.log:
            again.apply(draft)
        assert list(again.turns) == list(life.open.turns)
        assert forms(again) == forms(life.open)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_admit_and_lost_change_nothing_until_their_events_are_applied(
    steps: list[tuple[Any, ...]],
) -> None:
    life, started = Life(), list[str]()
    for each in steps:
        step(life, started, *each)
        before = (list(life.open.turns), list(life.open.items))
        life.open.lost("core_lost", NOW)
        for turn in started:
            life.open.admit(drafts.turn_completed(turn))
        assert (list(life.open.turns), list(life.open.items)) == before


@pytest.mark.parametrize(
    ("decision", "status", "reason"),
    [
        ("waits", "interrupted", "interrupted"),
        ("waits", "completed", "failed"),
        ("decline", "completed", "declined"),
        ("cancel", "interrupted", "declined"),
        ("accept", "completed", None),
        ("accept", "interrupted", None),
        (None, "completed", None),  # another client decided: it may run
    ],
)
def test_a_command_that_was_never_allowed_does_not_outlive_its_turn(
    decision: str | None, status: str, reason: str | None
) -> None:
    def about(kind: str, **data: Any) -> Draft:
        return Draft(kind, events.raw(data), NOW, turn_id="t", item_id="c")

    life = Life()
    life.take(drafts.turn_started(), drafts.item_started("c", "commandExecution"))
    life.append([about(events.APPROVAL_REQUESTED)])
    if decision != "waits":
        life.append([about(events.APPROVAL_RESOLVED, decision=decision)])
    found = short(life.take(drafts.turn_completed(status=status)))
    ends = [] if reason is None else [(events.ITEM_DISCARDED, "c", reason)]
    assert found == [*ends, (events.TURN_COMPLETED, "t", None)]


def test_a_command_that_was_refused_an_input_runs_on() -> None:
    def about(kind: str, approval: str, **data: Any) -> Draft:
        body = events.raw({"approval_id": approval} | data)
        return Draft(kind, body, NOW, turn_id="t", item_id="c")

    life = Life()
    life.take(drafts.turn_started(), drafts.item_started("c", "commandExecution"))
    life.append([about(events.APPROVAL_REQUESTED, "one", request={"approvalId": None})])
    life.append([about(events.APPROVAL_RESOLVED, "one", decision="accept")])
    life.append([about(events.APPROVAL_REQUESTED, "two", request={"approvalId": "x"})])
    life.append([about(events.APPROVAL_RESOLVED, "two", decision="decline")])
    assert short(life.take(drafts.turn_completed())) == [(events.TURN_COMPLETED, "t", None)]
    assert [item.item_id for item in life.open.items.values()] == ["c"]
