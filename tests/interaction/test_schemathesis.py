"""Every operation holds what the document says of it, whatever it is sent.

Schemathesis makes up requests that fit the document, requests that do not, and those at the edges
of each value. The answer must be one that the document names, with the body, the media type and the
headers that it says, and never our own failure.

`OPENAPI_EXAMPLES=200 OPENAPI_SEED=7 .venv/bin/pytest tests/interaction/test_schemathesis.py` makes
up more, and others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, strategies
from schemathesis import APIOperation, Case, GenerationMode, Response
from schemathesis.specs.openapi.checks import allow_header_conformance

from codex_http_server.api.app import document
from codex_http_server.auth.callers import Scope
from tests.support import generated
from tests.support.access import bearer, make_token, token_file
from tests.support.driven import DRIVEN
from tests.support.server import Server
from tests.support.shared import server_at
from tests.support.things import Things

EXAMPLES: Final = int(os.environ.get("OPENAPI_EXAMPLES", "4"))  # of each operation, that fit or not
SEED: Final = int(os.environ.get("OPENAPI_SEED", "1"))
LEFT_OUT: Final = {
    "GET /app-server": "becomes a WebSocket; test_app_server.py",
    "POST /auth/login": "takes ports that a machine has once; test_login.py",
}
# What is valid by more than the schema of a field says. These may be refused as `invalid_request`.
MORE_RULES: Final = {
    "POST /conversations/{conversation_id}/messages": "`message` or `input`, and not empty",
    "PATCH /conversations/{conversation_id}/queue/{submit_id}": "`message` or `input`, not empty",
    "PUT /conversations/{conversation_id}/queue": "all that wait, each once",
    "POST /conversations/{conversation_id}/approvals/{approval_id}": "one decision, said once",
    "POST /conversations/{conversation_id}/review": "`instructions` are not blank",
    "POST /conversations/{conversation_id}/shell": "`command` is not blank",
    "GET /search": "`q` is not blank, and has at most 32 words",
    "PATCH /skills": "`path` is absolute",
    "POST /tickets": "`path` is that of a stream",
    "POST /tokens": "`expires_at` is to come",
}
# Where another operation has the same path for some of its ids, its methods are allowed there, too.
SAME_PATH: Final = {"POST /mcp-servers/reload": "GET /mcp-servers/{server_name}"}

SCHEMA = schemathesis.openapi.from_dict(generated.quick(document()))
SCHEMA.config.checks.positive_data_acceptance.enabled = False  # by its code, and not its status
REJECTION = SCHEMA.config.checks.negative_data_rejection
REJECTION.expected_statuses = [*REJECTION.expected_statuses, "413", "414", "431"]
FOUND = {operation.label: operation for operation in generated.operations(SCHEMA)}
DRIVEN_HERE = [each for label, each in FOUND.items() if label not in LEFT_OUT]
CAN_BE_WRONG = [each for each in DRIVEN_HERE if generated.can_be_wrong(each)]
LIMITS = hypothesis.settings(
    max_examples=EXAMPLES,
    database=None,
    deadline=None,
    phases=[hypothesis.Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class Caller:
    """Who may do everything, on a server where there is something of each kind."""

    def __init__(self, server: Server, session: requests.Session) -> None:
        self.things = Things(server)
        self._url = server.url
        self._headers = bearer(make_token(token_file(server.site), "everything", list(Scope)))
        self._session = session
        session.trust_env = False  # no proxy, no .netrc

    def send(self, case: Case) -> Response:
        """Send it, and hold the answer to the document."""
        generated.bound(case)
        answer = case.call(self._url, self._session, self._headers, timeout=30)
        generated.note(case, answer)
        same = [allow_header_conformance] if case.operation.label in SAME_PATH else []
        case.validate_response(answer, headers=self._headers, excluded_checks=same)
        return answer


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """One server for all: what they leave behind is no business of the next."""
    root = tmp_path_factory.mktemp("generated")
    with DRIVEN.uncounted(), server_at(root) as server, requests.Session() as session:
        yield Caller(server, session)


of_each = pytest.mark.parametrize("operation", DRIVEN_HERE, ids=lambda each: each.label)


@pytest.mark.parametrize("label", LEFT_OUT)
def test_what_is_left_out_is_there_and_has_a_reason(label: str) -> None:
    assert label in FOUND, "not in the document"
    pytest.skip(f"{label}: {LEFT_OUT[label]}")


@of_each
def test_what_fits_the_document_is_taken(caller: Caller, operation: APIOperation) -> None:
    made = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    with generated.things_for(operation, caller.things) as things:

        @hypothesis.seed(SEED)
        @LIMITS
        @hypothesis.given(case=made, real=strategies.booleans())
        def drive(case: Case, real: bool) -> None:
            if real:
                generated.name(case, things)
            code = generated.code_of(caller.send(case))
            taken = code != "invalid_request" or operation.label in MORE_RULES
            assert taken, case.as_curl_command()

        drive()


@pytest.mark.parametrize("operation", CAN_BE_WRONG, ids=lambda each: each.label)
def test_what_does_not_fit_the_document_is_refused(caller: Caller, operation: APIOperation) -> None:
    with generated.things_for(operation, caller.things) as things:
        there = generated.there(operation, things)
        made = operation.as_strategy(GenerationMode.NEGATIVE, path_parameters=there or None)

        @hypothesis.seed(SEED)
        @LIMITS
        @hypothesis.given(case=made)
        def drive(case: Case) -> None:
            caller.send(case)

        drive()


@of_each
def test_the_edges_of_each_value(caller: Caller, operation: APIOperation) -> None:
    settings = SCHEMA.config.generation_for(operation=operation, phase="coverage")
    with generated.things_for(operation, caller.things) as things:
        for case in SCHEMA.iter_coverage_cases(
            operation, generation_modes=list(GenerationMode), generation_config=settings
        ):
            if case.meta and case.meta.generation.mode is GenerationMode.POSITIVE:
                generated.name(case, things)
            caller.send(case)
