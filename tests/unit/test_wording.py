"""What is wrong with a request, said as a person would."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from codex_http_server.api import wording
from codex_http_server.api.bodies import CreateConversation, Interrupt, SendMessage


def errors(body: Any, given: Any) -> list[dict[str, Any]]:
    """What pydantic finds, as FastAPI places it."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(body).validate_python(given)
    return [{**each, "loc": ("body", *each["loc"])} for each in caught.value.errors()]


@pytest.mark.parametrize(
    ("body", "given", "said"),
    [
        (CreateConversation, {}, "working_directory: is missing."),
        (CreateConversation, {"working_directory": 1}, "working_directory: must be text."),
        (Interrupt, {"clear_queue": 0}, "clear_queue: must be true or false."),
        (Interrupt, {"clear": True}, "clear: is not a field here."),
        (Interrupt, [], "body: must be an object."),
        (SendMessage, {"input": "x"}, "input: must be a list."),
        (
            SendMessage,
            {"message": "x", "while_busy": "wait"},
            "while_busy: must be 'queue', 'steer', 'reject' or 'interrupt'.",
        ),
        (
            CreateConversation,
            {"working_directory": "/", "approval_deadline": -1},
            "approval_deadline: must be at least 0.",
        ),
        (
            CreateConversation,
            {"working_directory": "/", "title": ""},
            "title: must have at least 1 character.",
        ),
    ],
)
def test_what_is_wrong(body: Any, given: Any, said: str) -> None:
    assert wording.sentence(wording.fields(errors(body, given))) == said


def test_what_was_meant() -> None:
    given = {"working_directory": "/", "titel": "x", "aproval_policy": "never", "zzz": 1}
    found = errors(CreateConversation, given)
    meant = wording.meant(found, CreateConversation)
    assert meant == "Did you mean title for titel, approval_policy for aproval_policy?"
    optional = wording.meant(errors(Interrupt, {"clear_queues": True}), Interrupt | None)
    assert optional == "Did you mean clear_queue for clear_queues?"
    assert wording.meant(errors(Interrupt, {"zzz": 1}), Interrupt) is None
    assert wording.meant(errors(Interrupt, {"zzz": 1}), None) is None


def test_where_a_body_stops_being_json() -> None:
    text = '{"a": 1,\n bad}'
    found = {"type": "json_invalid", "loc": ("body", 10), "ctx": {"error": "Expecting X"}}
    said = wording.not_json([found], text)
    assert said == "The body is not JSON: line 2, column 2: expecting x."
    assert wording.not_json([{**found, "loc": ("body",)}], None) == "The body is not JSON."
