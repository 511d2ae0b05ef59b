"""Scopes, callers, and the table of routes."""

from __future__ import annotations

import pytest

from codex_http_server.api.app import routes
from codex_http_server.api.doorkeeper import needs
from codex_http_server.auth.callers import LOCAL, MEANING, Scope
from codex_http_server.auth.table import SCOPES
from codex_http_server.errors import ScopeRequired


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    found = {(method, route.path) for route in routes("0").state.routes for method in needs(route)}
    assert found == set(SCOPES)


# A ticket only reads, and a session only begins with a code.
CHANGES_NOTHING = {("POST", "/tickets"), ("POST", "/session"), ("DELETE", "/session")}


def test_what_changes_something_needs_more_than_read() -> None:
    for (method, path), scope in SCOPES.items():
        if method != "GET" and (method, path) not in CHANGES_NOTHING:
            assert scope is not None, f"{method} {path}"
            assert scope is not Scope.READ, f"{method} {path}"


def test_every_scope_is_explained() -> None:
    assert set(MEANING) == set(Scope)


def test_a_caller_without_a_token_may_neither_elevate_nor_administer() -> None:
    LOCAL.need(Scope.DRIVE)
    for scope in (Scope.ELEVATE, Scope.ADMIN):
        with pytest.raises(ScopeRequired) as refused:
            LOCAL.need(scope)
        assert str(scope) in refused.value.detail
        assert refused.value.hint
