"""Who calls, and may they? Before a body is read. Pure ASGI.

Owns the order: the caller is recognised first, then the route's scope is looked up. Who a caller
is, `recognise` says; which scope a route needs, `auth/table.py`. The caller is left in the scope
of the request for what only the route understands (`elevate`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final

from fastapi import Depends
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as RequestScope

from codex_http_server.api.problems import problem
from codex_http_server.auth.callers import Caller, Scope
from codex_http_server.auth.table import SCOPES
from codex_http_server.errors import ServerError

CALLER: Final = "codex_http_server.caller"  # in the scope of a request

Recognise = Callable[[RequestScope], Awaitable[Caller]]


class Doorkeeper:
    """Answers for the app where the caller is refused, else lets the request in."""

    def __init__(self, app: ASGIApp, routes: Sequence[Route], recognise: Recognise) -> None:
        self._app = app
        self._recognise = recognise
        self._needs = [(route, needs(route)) for route in routes]

    async def __call__(self, scope: RequestScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                await self._admit(scope)
            except ServerError as error:
                await problem(error, scope["request_id"])(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _admit(self, scope: RequestScope) -> None:
        caller = scope[CALLER] = await self._recognise(scope)
        wanted = self._wanted(scope["method"], scope["path"])
        if wanted is not None:
            caller.need(wanted)

    def _wanted(self, method: str, path: str) -> Scope | None:
        """The scope of the route; None also where there is no such route: the router says so."""
        for route, scopes in self._needs:
            if method in scopes and route.path_regex.fullmatch(path):
                return scopes[method]
        return None


def needs(route: Route) -> dict[str, Scope | None]:
    """The scope by method of one route. Raises KeyError for a route without a row."""
    methods = (route.methods or set[str]()) - {"HEAD"}
    return {method: SCOPES[(method, route.path)] for method in methods}


async def caller(request: Request) -> Caller:
    """The caller of this request."""
    found = request.scope[CALLER]
    assert isinstance(found, Caller)
    return found


Calling = Annotated[Caller, Depends(caller)]
