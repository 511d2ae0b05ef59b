"""Messages in turns: which is awaited, which runs, which was never read."""

from __future__ import annotations

from codex_http_server.conversations.underway import Underway
from codex_http_server.records import SubmitRecord, SubmitState


def sent(name: str, state: SubmitState = "started", turn: str = "t") -> SubmitRecord:
    return SubmitRecord(
        id=name, conversation_id="c", key=None, body_hash="", state=state, turn_id=turn, message=[]
    )


def test_a_message_is_underway_from_the_cores_yes_to_the_end_of_its_turn() -> None:
    underway, message = Underway(), sent("m")
    underway.expect(message)
    assert message in underway
    underway.started("t")
    assert underway.expected is None
    assert message in underway
    assert underway.ended("t") == []
    assert message not in underway


def test_a_turn_of_someone_else_starts_nothing_of_ours() -> None:
    underway, message = Underway(), sent("m")
    underway.expect(message)
    underway.started("another")
    assert underway.expected is message


def test_a_turn_that_ends_without_its_start_ends_its_message() -> None:
    underway, message = Underway(), sent("m")
    underway.expect(message)
    assert underway.ended("t") == []
    assert message not in underway


def test_steered_messages_that_were_never_shown_come_back_last_first() -> None:
    underway = Underway()
    one, two, three = (sent(name, "steered") for name in ("one", "two", "three"))
    for record in (one, two, three):
        underway.join(record)
    underway.shown("two")
    underway.shown(None)
    assert underway.ended("t") == [three, one]
    assert list(underway) == []


def test_only_the_messages_of_that_turn_end() -> None:
    underway, other = Underway(), sent("other", turn="u")
    underway.join(sent("m"))
    underway.join(other)
    underway.ended("t")
    assert list(underway) == [other]


def test_a_lost_core_leaves_the_awaited_message_in_doubt() -> None:
    underway, message = Underway(), sent("m")
    assert underway.lost() is None
    underway.expect(message)
    assert underway.lost() is message
    assert message not in underway
