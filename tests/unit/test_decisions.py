"""What each question of the core offers, and what the core is told for each answer."""

from __future__ import annotations

from typing import Any

import pytest

from codex_http_server.engine import decisions
from codex_http_server.engine.decisions import Given
from codex_http_server.errors import DecisionNotOffered, Invalid
from tests.support.schema import core_schemas, fits

COMMAND = "item/commandExecution/requestApproval"
FILES = "item/fileChange/requestApproval"
PERMISSIONS = "item/permissions/requestApproval"
QUESTION = "item/tool/requestUserInput"
TOOL = "item/tool/call"
ELICITATION = "mcpServer/elicitation/request"
ANSWERS = {
    COMMAND: "CommandExecutionRequestApprovalResponse",
    FILES: "FileChangeRequestApprovalResponse",
    PERMISSIONS: "PermissionsRequestApprovalResponse",
    QUESTION: "ToolRequestUserInputResponse",
    TOOL: "DynamicToolCallResponse",
    ELICITATION: "McpServerElicitationRequestResponse",
    "execCommandApproval": "ExecCommandApprovalResponse",
    "applyPatchApproval": "ApplyPatchApprovalResponse",
}
AMENDMENT = {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["touch"]}}


def network(action: str) -> dict[str, Any]:
    rule = {"host": "example.org", "action": action}
    return {"applyNetworkPolicyAmendment": {"network_policy_amendment": rule}}


QUESTIONS = {"questions": [{"id": "a"}, {"id": "pin", "isSecret": True}]}
FORM = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    (COMMAND, {}),
    (COMMAND, {"availableDecisions": ["accept", AMENDMENT, "cancel"]}),
    (COMMAND, {"availableDecisions": ["accept", network("allow"), network("deny"), "decline"]}),
    (FILES, {"grantRoot": None}),
    (FILES, {"grantRoot": "/root"}),
    (PERMISSIONS, {"permissions": {"network": {"enabled": True}}}),
    (QUESTION, QUESTIONS),
    (TOOL, {"tool": "t"}),
    (ELICITATION, {"mode": "form", "requestedSchema": FORM}),
    (ELICITATION, {"mode": "url", "url": "https://example.org"}),
    (ELICITATION, {"mode": "form", "requestedSchema": {"properties": {}},
                   "_meta": {"persist": ["session", "always"]}}),
    ("execCommandApproval", {}),
    ("applyPatchApproval", {}),
]  # fmt: skip
PARTS: dict[str | None, Given] = {
    None: Given(),
    "answers": Given(answers={"a": ["yes"]}),
    "content": Given(content={"colour": "red"}),
    "result": Given(result={"success": True, "contentItems": []}),
}


def ids(method: str, request: Any) -> list[str]:
    return [each.id for each in decisions.offered(method, request)]


@pytest.mark.parametrize(("method", "request_"), REQUESTS)
def test_every_decision_becomes_an_answer_that_the_core_takes(method: str, request_: Any) -> None:
    schema = core_schemas()[ANSWERS[method]]
    found = decisions.offered(method, request_)
    assert len({each.id for each in found}) == len(found)
    for decision in found:
        answer = decisions.compose(decision, PARTS[decision.takes], request_)
        assert fits(answer, schema, schema), answer


@pytest.mark.parametrize(("method", "request_"), REQUESTS)
def test_the_default_is_a_plain_no(method: str, request_: Any) -> None:
    found = decisions.offered(method, request_)
    no = next(each for each in found if each.id == decisions.default(found))
    assert (no.takes, no.elevate) == (None, False)
    assert no.id in {"decline", "denied"}


def test_the_cores_own_list_is_passed_on_in_its_order() -> None:
    offered = ["accept", AMENDMENT, network("allow"), network("deny"), "cancel"]
    found = decisions.offered(COMMAND, {"availableDecisions": offered})
    assert [each.answer["decision"] for each in found if each.offered] == offered
    assert [each.id for each in found] == [
        "accept",
        "acceptWithExecpolicyAmendment",
        "applyNetworkPolicyAmendment:allow",
        "applyNetworkPolicyAmendment:deny",
        "cancel",
        "decline",
    ]
    assert [each.id for each in found if each.elevate] == [
        "acceptWithExecpolicyAmendment",
        "applyNetworkPolicyAmendment:allow",
        "applyNetworkPolicyAmendment:deny",
    ]
    assert [each.id for each in found if not each.offered] == ["decline"]


def test_a_decline_that_is_listed_is_not_added_again() -> None:
    offered = ["decline", "accept", "brandNew", {"brandNewRule": 1}, {"brandNewRule": 2}]
    found = decisions.offered(COMMAND, {"availableDecisions": offered})
    wanted = ["decline", "accept", "brandNew", "brandNewRule", "brandNewRule:2"]
    assert [each.id for each in found] == wanted
    assert all(each.offered for each in found)
    assert [each.elevate for each in found] == [False, False, False, True, True]


def test_a_whole_folder_is_opened_only_by_who_may() -> None:
    for root, wanted in ((None, set[str]()), ("/x", {"accept", "acceptForSession"})):
        found = decisions.offered(FILES, {"grantRoot": root})
        assert {each.id for each in found if each.elevate} == wanted


def test_what_a_tool_call_may_be_remembered_for_is_the_cores_to_say() -> None:
    for persist, wanted in (
        (None, ["accept", "decline", "cancel"]),
        ("session", ["accept", "acceptForSession", "decline", "cancel"]),
        (["session", "always"],
         ["accept", "acceptForSession", "acceptAlways", "decline", "cancel"]),
    ):  # fmt: skip
        request = {"mode": "form", "_meta": {"persist": persist}}
        assert ids(ELICITATION, request) == wanted


@pytest.mark.parametrize("request_", [None, [], "x", 7, {"availableDecisions": 3}])
def test_a_request_of_another_shape_still_has_its_decisions(request_: Any) -> None:
    for method in ANSWERS:
        assert decisions.default(decisions.offered(method, request_)) is not None


def test_an_unknown_question_has_no_decision() -> None:
    assert decisions.offered("brand/new", {}) == []
    assert decisions.default([]) is None


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        (Given(decision="accept"), "accept"),
        (Given(decision=AMENDMENT), "acceptWithExecpolicyAmendment"),
        (Given(decision="acceptWithExecpolicyAmendment"), "acceptWithExecpolicyAmendment"),
        (Given(decision="acceptForSession"), None),
        (Given(decision={"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["rm"]}}), None),
        (Given(decision={}), None),
        (Given(decision=""), None),
        (Given(), None),
    ],
)
def test_a_decision_is_chosen_by_its_id_or_the_cores_form(given: Given, chosen: str) -> None:
    found = decisions.offered(COMMAND, {"availableDecisions": ["accept", AMENDMENT, "cancel"]})
    if chosen is None:
        with pytest.raises(DecisionNotOffered) as caught:
            decisions.choose(found, given)
        assert caught.value.extra["offered"] == [each.id for each in found]
    else:
        assert decisions.choose(found, given).id == chosen


def test_answers_and_results_say_their_decision_themselves() -> None:
    question = decisions.offered(QUESTION, QUESTIONS)
    assert decisions.choose(question, PARTS["answers"]).id == "answer"
    assert decisions.choose(decisions.offered(TOOL, {}), PARTS["result"]).id == "result"


@pytest.mark.parametrize(
    ("method", "request_", "given", "field"),
    [
        (QUESTION, QUESTIONS, Given("answer"), "answers"),
        (QUESTION, QUESTIONS, Given("answer", answers={}), "answers"),
        (QUESTION, QUESTIONS, Given("answer", answers={"b": ["x"]}), "answers.b"),
        (QUESTION, QUESTIONS, Given("decline", answers={"a": ["x"]}), "answers"),
        (COMMAND, {}, Given("accept", content={"a": 1}), "content"),
        (TOOL, {}, Given("result"), "result"),
        (ELICITATION, {"mode": "form", "requestedSchema": FORM}, Given("accept"), "content"),
        (ELICITATION, {"mode": "form", "requestedSchema": FORM}, Given("accept", content={}),
         "content.colour"),
        (ELICITATION, {"mode": "url"}, Given("accept", content={"a": 1}), "content"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_its_field(
    method: str, request_: Any, given: Given, field: str
) -> None:
    decision = decisions.choose(decisions.offered(method, request_), given)
    with pytest.raises(Invalid) as caught:
        decisions.compose(decision, given, request_)
    assert [each["field"] for each in caught.value.extra["errors"]] == [field]


def test_what_is_secret_is_not_shown() -> None:
    answer = {"answers": {"a": {"answers": ["yes"]}, "pin": {"answers": ["1234"]}}}
    shown = decisions.shown(answer, QUESTIONS)
    assert shown["answers"]["a"] == {"answers": ["yes"]}
    assert "1234" not in str(shown)
    assert "1234" in str(answer)
    proof = {"action": "accept", "content": {"proof": "p"}}
    assert "proof" not in str(decisions.shown(proof, {"mode": decisions.VERIFICATION}))
    assert decisions.shown(proof, {"mode": "form"}) == proof
