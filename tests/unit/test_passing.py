"""Which methods of the core are passed on, and that the others name a route that is there."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from codex_http_server.api.app import document
from codex_http_server.engine.passing import NOT_HERE, OWNED, PASSED, instead, passes

RECORDED = json.loads(files("codex_http_server.engine").joinpath("protocol.json").read_text())
METHODS = set(RECORDED["methods"]["ClientRequest"])


def test_the_route_that_is_named_instead_is_there() -> None:
    known = {
        f"{method.upper()} {path.replace('{conversation_id}', '{id}')}"
        for path, methods in document()["paths"].items()
        for method in methods
    }
    assert set(OWNED.values()) <= known


@pytest.mark.parametrize("method", sorted(OWNED.keys() | NOT_HERE))
def test_what_this_server_owns_is_not_passed(method: str) -> None:
    assert not passes(method)
    assert instead(method) == OWNED.get(method)


def test_what_passes_of_threads_is_named_one_by_one() -> None:
    passed = {each for each in METHODS if each.startswith(("thread/", "turn/", "review/"))}
    assert {each for each in passed if passes(each)} == PASSED & METHODS
    assert not PASSED & OWNED.keys()
    for newer in ("thread/somethingNew", "turn/somethingNew", "review/somethingNew"):
        assert not passes(newer)


def test_everything_else_of_the_core_passes() -> None:
    for method in ("server/diagnostics", "permissionProfile/list", "hooks/list", "something/new"):
        assert passes(method)
