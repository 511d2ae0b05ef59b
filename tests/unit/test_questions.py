"""Requests of the core: each has a kind, and a no that the core understands."""

from __future__ import annotations

import copy
import time
from typing import Any

import msgspec
import pytest

from codex_http_server.engine import questions
from tests.support.schema import core_schemas, fits

# Each by its name in the core's schema. A request of the core that is in none of the lists
# fails the first test: it needs a kind and a decline.
ANSWERS = {
    "item/commandExecution/requestApproval": "CommandExecutionRequestApprovalResponse",
    "item/fileChange/requestApproval": "FileChangeRequestApprovalResponse",
    "item/permissions/requestApproval": "PermissionsRequestApprovalResponse",
    "item/tool/requestUserInput": "ToolRequestUserInputResponse",
    "item/tool/call": "DynamicToolCallResponse",
    "mcpServer/elicitation/request": "McpServerElicitationRequestResponse",
    "execCommandApproval": "ExecCommandApprovalResponse",
    "applyPatchApproval": "ApplyPatchApprovalResponse",
}
FACTS = {"currentTime/read": "CurrentTimeReadResponse"}
REFUSED = {"account/chatgptAuthTokens/refresh", "attestation/generate"}


def test_every_request_of_the_core_is_known_here() -> None:
    variants = core_schemas()["ServerRequest"]["oneOf"]
    asked = {variant["properties"]["method"]["enum"][0] for variant in variants}
    assert asked == ANSWERS.keys() | FACTS.keys() | REFUSED
    assert questions.KINDS.keys() == ANSWERS.keys()


@pytest.mark.parametrize("method", ANSWERS)
def test_a_decline_has_the_shape_that_the_core_wants(method: str) -> None:
    schema = core_schemas()[ANSWERS[method]]
    assert fits(questions.decline(method), schema, schema)


@pytest.mark.parametrize("method", ANSWERS)
def test_the_schema_check_would_notice_a_wrong_decline(method: str) -> None:
    schema, answer = core_schemas()[ANSWERS[method]], dict(questions.decline(method) or {})
    assert answer
    for field in answer:
        less = {name: value for name, value in answer.items() if name != field}
        assert not fits(less, schema, schema)
        assert not fits(answer | {field: 3}, schema, schema)


@pytest.mark.parametrize("method", ANSWERS)
def test_a_decline_never_says_yes(method: str) -> None:
    words = str(questions.decline(method)).lower()
    assert not [yes for yes in ("accept", "approved", "allow", "true", "session") if yes in words]


@pytest.mark.parametrize("method", FACTS)
def test_a_fact_is_answered_and_not_asked(method: str) -> None:
    schema, answer = core_schemas()[FACTS[method]], questions.duty(method)
    assert fits(answer, schema, schema)
    assert answer is not None
    assert abs(answer["currentTimeAt"] - time.time()) < 5
    assert questions.decline(method) is None


@pytest.mark.parametrize("method", [*sorted(REFUSED), "brand/new"])
def test_what_has_no_decline_is_refused_with_an_error(method: str) -> None:
    assert (questions.decline(method), questions.duty(method)) == (None, None)


@pytest.mark.parametrize("method", ANSWERS)
def test_a_question_of_a_decision_is_no_fact(method: str) -> None:
    assert questions.duty(method) is None


def test_a_decline_is_not_changed_by_who_uses_it() -> None:
    before = {method: copy.deepcopy(questions.decline(method)) for method in ANSWERS}
    assert {method: questions.decline(method) for method in ANSWERS} == before


@pytest.mark.parametrize(
    ("params", "ids"),
    [
        (b'{"threadId":"T","turnId":"t","itemId":"i"}', ("T", "t", "i")),
        (b'{"conversationId":"C","callId":"c"}', ("C", None, "c")),
        (b'{"threadId":null}', (None, None, None)),
        (b'{"threadId":7}', (None, None, None)),
        (b"null", (None, None, None)),
        (b"[1]", (None, None, None)),
    ],
)
def test_a_question_names_what_it_is_about(params: bytes, ids: tuple[Any, ...]) -> None:
    question = questions.question(7, "item/fileChange/requestApproval", msgspec.Raw(params))
    assert (question.thread_id, question.turn_id, question.item_id) == ids
    assert (question.kind, bytes(question.params)) == ("file_change", params)
    assert question.request_id == 7


def test_an_unknown_question_is_of_kind_unknown() -> None:
    assert questions.question("x", "brand/new", msgspec.Raw(b"{}")).kind == "unknown"
