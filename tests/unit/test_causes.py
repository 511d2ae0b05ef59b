"""Every operation says which error codes it may answer, and the document has them by status."""

from __future__ import annotations

from typing import Any

import pytest

from codex_http_server.api.app import document
from codex_http_server.api.causes import EVERYWHERE, ROWS, codes
from codex_http_server.api.problems import MEDIA_TYPE, STATUS

DOCUMENT = document()
OPERATIONS = {
    (method.upper(), path): operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
# The bases of the tree, which are never sent, and the router's own answer.
NOWHERE = {"unauthorized", "forbidden", "conflict", "unavailable", "method_not_allowed"}


def test_every_operation_has_a_row_and_every_row_an_operation() -> None:
    missing = sorted(OPERATIONS.keys() - ROWS.keys())
    assert not missing, (
        f"add a row to ROWS in api/causes.py, with the codes it may answer: {missing}"
    )
    gone = sorted(ROWS.keys() - OPERATIONS.keys())
    assert not gone, f"remove these rows from api/causes.py, they have no route: {gone}"


def test_the_rows_name_codes_that_there_are_and_all_of_them() -> None:
    named = EVERYWHERE.union(*(codes(*place, takes_input=True) for place in ROWS))
    assert named <= set(STATUS), f"no such code: {sorted(named - set(STATUS))}"
    left = set(STATUS) - named - NOWHERE
    assert not left, f"no row of api/causes.py names {sorted(left)}: which operation answers it?"


def answer(found: dict[str, Any]) -> dict[str, Any]:
    """A response, where it stands by itself."""
    if "$ref" not in found:
        return found
    return DOCUMENT["components"]["responses"][found["$ref"].rsplit("/", 1)[-1]]


def promised(operation: dict[str, Any]) -> dict[str, set[str]]:
    """Code → the statuses under which the document lists it."""
    found: dict[str, set[str]] = {}
    for status, response in operation["responses"].items():
        content = answer(response).get("content", {}).get(MEDIA_TYPE)
        if content is not None:
            problem, narrowed = content["schema"]["allOf"]
            assert problem == {"$ref": "#/components/schemas/Problem"}
            for code in narrowed["properties"]["code"]["enum"]:
                found.setdefault(code, set()).add(status)
    return found


@pytest.mark.parametrize("place", sorted(OPERATIONS), ids=" ".join)
def test_the_document_lists_the_codes_of_an_operation_by_status(place: tuple[str, str]) -> None:
    found = promised(OPERATIONS[place])
    assert ROWS[place] | EVERYWHERE <= found.keys()
    assert found == {code: {str(STATUS[code])} for code in found}


@pytest.mark.parametrize("place", sorted(OPERATIONS), ids=" ".join)
def test_what_an_operation_takes_says_what_it_may_be_refused_for(place: tuple[str, str]) -> None:
    found, operation = promised(OPERATIONS[place]).keys(), OPERATIONS[place]
    guarded = operation["x-scope"] is not None or place == ("POST", "/session")
    assert ("token_required" in found) == guarded
    assert ("body_timeout" in found) == (place[0] != "GET")
    assert "invalid_request" in found or "requestBody" not in operation
    keyed = {"$ref": "#/components/parameters/IdempotencyKey"} in operation.get("parameters", ())
    assert keyed == (place[0] == "POST")
    assert not keyed or "idempotency_key_reused" in found


def test_a_shared_answer_is_used() -> None:
    used = {
        response["$ref"].rsplit("/", 1)[-1]
        for operation in OPERATIONS.values()
        for response in operation["responses"].values()
        if "$ref" in response
    }
    assert used == set(DOCUMENT["components"]["responses"])
