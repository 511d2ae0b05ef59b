"""Every method of the recorded core has a row that says how it is reached, or why it is not."""

from __future__ import annotations

from codex_http_server.api.app import document
from codex_http_server.engine.coverage import (
    ALSO,
    ANSWERED,
    TOLD,
    WHY_NOT,
    answer,
    event,
    markdown,
    way,
)
from codex_http_server.engine.passing import OWNED, passes
from codex_http_server.engine.protocol import recorded
from codex_http_server.engine.questions import KINDS, duty

METHODS = recorded()["methods"]
CLIENT, ASKED, TOLD_OF = (
    set(METHODS[union]) for union in ("ClientRequest", "ServerRequest", "ServerNotification")
)
WHERE = "in engine/coverage.py"


def test_a_method_that_is_not_passed_says_why_or_where_else() -> None:
    missing = sorted(m for m in CLIENT - OWNED.keys() - WHY_NOT.keys() if not passes(m))
    assert not missing, (
        f"add these to OWNED in engine/passing.py (a route does it) or WHY_NOT {WHERE}: {missing}"
    )


def test_no_row_says_why_not_where_there_is_a_way() -> None:
    wrong = sorted(m for m in WHY_NOT if m in OWNED or passes(m))
    assert not wrong, f"there is a way now; remove these rows of WHY_NOT {WHERE}: {wrong}"
    twice = sorted(ALSO.keys() & OWNED.keys())
    assert not twice, f"not passed on any more; remove these rows of ALSO {WHERE}: {twice}"


def test_no_row_is_for_a_method_that_is_gone() -> None:
    gone = sorted((ALSO.keys() | WHY_NOT.keys()) - CLIENT)
    assert not gone, f"the core has these methods no more; remove their rows {WHERE}: {gone}"
    gone = sorted(ANSWERED.keys() - ASKED) + sorted(TOLD.keys() - TOLD_OF)
    assert not gone, f"the core says these no more; remove their rows {WHERE}: {gone}"


def test_every_request_of_the_core_becomes_an_approval_or_is_answered() -> None:
    missing = sorted(ASKED - KINDS.keys() - ANSWERED.keys())
    assert not missing, (
        f"give these a kind in engine/questions.py or a row in ANSWERED {WHERE}: {missing}"
    )
    assert not KINDS.keys() & ANSWERED.keys()
    facts = {method for method in ASKED if duty(method) is not None}
    assert facts == {m for m, said in ANSWERED.items() if said.startswith("Answered")}


def test_the_routes_that_are_named_are_there() -> None:
    known = {
        f"{method.upper()} {path.replace('{conversation_id}', '{id}')}"
        for path, methods in document()["paths"].items()
        for method in methods
    }
    assert set(ALSO.values()) <= known


def test_the_page_has_every_method_once() -> None:
    page = markdown().splitlines()
    for method in CLIENT:
        assert page.count(f"| `{method}` | {way(method)} |") == 1
    for method in ASKED:
        assert page.count(f"| `{method}` | {answer(method)} |") == 1
    for method in TOLD_OF:
        assert page.count(f"| `{method}` | {event(method)} |") == 1
