"""The messages of one conversation that wait for a turn, in order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_http_server.conversations import views
from codex_http_server.conversations.outbox import LIMIT, Outbox
from codex_http_server.errors import Invalid, MessageNotFound, QueueFull
from codex_http_server.records import Stated, SubmitRecord


def message(uid: str, **fields: Any) -> SubmitRecord:
    values = {"conversation_id": "c", "key": None, "body_hash": "", "state": "starting"} | fields
    return SubmitRecord(id=uid, message=[{"type": "text", "text": uid}], **values)


def order(outbox: Outbox) -> str:
    return "".join(record.id for record in outbox)


@pytest.fixture
def outbox() -> Outbox:
    """Three messages: a, b, c."""
    made = Outbox()
    for uid in "abc":
        made.add(message(uid))
    return made


def test_messages_wait_in_the_order_they_came(outbox: Outbox) -> None:
    assert (order(outbox), len(outbox)) == ("abc", 3)
    assert [record.state for record in outbox] == ["queued"] * 3
    first = outbox.first()
    assert first is not None
    assert first.id == "a"


def test_an_empty_outbox_has_no_first() -> None:
    assert (Outbox().first(), len(Outbox()), Outbox().index("a")) == (None, 0, None)


def test_a_message_may_be_put_first_and_a_later_one_before_it(outbox: Outbox) -> None:
    outbox.add(message("x"), first=True)
    outbox.add(message("y"), first=True)
    outbox.add(message("z"))
    assert order(outbox) == "yxabcz"


def test_a_message_is_taken_out_by_its_id(outbox: Outbox) -> None:
    assert outbox.take("b").id == "b"
    assert order(outbox) == "ac"
    with pytest.raises(MessageNotFound, match="No message b"):
        outbox.take("b")
    with pytest.raises(MessageNotFound):
        outbox.get("b")
    assert outbox.get("c").id == "c"


def test_the_messages_are_put_in_a_given_order_which_later_ones_follow(outbox: Outbox) -> None:
    assert [record.id for record in outbox.reorder(["c", "a", "b"])] == ["c", "a", "b"]
    outbox.add(message("z"))
    outbox.add(message("x"), first=True)
    assert order(outbox) == "xcabz"


@pytest.mark.parametrize("wrong", ["ab", "abcd", "aab", "abd", "", "aabc"])
def test_an_order_that_does_not_name_each_message_once_changes_nothing(
    outbox: Outbox, wrong: str
) -> None:
    with pytest.raises(Invalid, match="every waiting message once") as error:
        outbox.reorder(list(wrong))
    assert error.value.extra["errors"][0]["field"] == "order"
    assert order(outbox) == "abc"


def test_a_full_outbox_takes_a_message_only_in_front() -> None:
    outbox = Outbox()
    for number in range(LIMIT):
        outbox.add(message(str(number)))
    late = message("late")
    with pytest.raises(QueueFull, match="1000 messages wait"):
        outbox.add(late)
    assert (len(outbox), late.state) == (LIMIT, "starting")
    outbox.add(late, first=True)
    assert outbox.first() is late


def test_what_was_taken_out_can_be_put_back_in_its_place(outbox: Outbox) -> None:
    taken = outbox.take("b")
    assert [record.id for record in outbox] == ["a", "c"]
    outbox.put_back(taken)
    assert [record.id for record in outbox] == ["a", "b", "c"]


def test_what_the_log_has_comes_back_by_its_places_with_its_states() -> None:
    outbox = Outbox()
    outbox.restore([message("b", place=2.0), message("a", place=-1.0)])
    assert order(outbox) == "ab"
    assert {record.state for record in outbox} == {"starting"}
    outbox.add(message("c"))
    assert order(outbox) == "abc"


def test_the_outbox_may_change_while_someone_goes_through_it(outbox: Outbox) -> None:
    for record in outbox:
        outbox.take(record.id)
    assert len(outbox) == 0


def test_a_waiting_message_is_shown_with_its_overrides(outbox: Outbox) -> None:
    outbox.add(message("x", overrides=Stated(model="m"), created_ms=1))
    shown = views.queued(list(outbox)[-1])
    assert (shown["submit_id"], shown["status"]) == ("x", "queued")
    assert (shown["input"], shown["overrides"]) == ([{"type": "text", "text": "x"}], {"model": "m"})


@given(st.lists(st.tuples(st.sampled_from(["last", "first", "take", "turn"]), st.integers(0, 9))))
def test_the_order_is_the_one_a_list_would_have(steps: list[tuple[str, int]]) -> None:
    outbox, model = Outbox(), list[str]()
    for number, (what, which) in enumerate(steps):
        if what in ("last", "first"):
            outbox.add(message(str(number)), first=what == "first")
            model.insert(0 if what == "first" else len(model), str(number))
        elif what == "take" and model:
            outbox.take(model.pop(which % len(model)))
        else:
            model = model[which:] + model[:which]
            outbox.reorder(model)
        assert [record.id for record in outbox] == model
        places = [record.place for record in outbox]
        assert places == sorted(set(places))
