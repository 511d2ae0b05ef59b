"""The app: routes in one list, middleware in one list."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp

from codex_http_server import __version__
from codex_http_server.api import problems
from codex_http_server.api.doorkeeper import Doorkeeper
from codex_http_server.api.idempotency import Idempotency
from codex_http_server.api.limits import InFlight
from codex_http_server.api.middleware import BodyCheck, GateKeeper, RequestLog
from codex_http_server.api.openapi import describe
from codex_http_server.api.routes import (
    account,
    app_server,
    approvals,
    config,
    conversations,
    diff,
    events,
    files,
    fork,
    health,
    history,
    mcp,
    messages,
    offers,
    ownturns,
    page,
    retry,
    revert,
    rpc,
    rules,
    search,
    session,
    shelf,
    stop,
    terminals,
    tokens,
    turns,
    uploads,
    usage,
)
from codex_http_server.api.services import Services
from codex_http_server.api.tunnels import ToAppServer
from codex_http_server.errors import ServerError

ROUTERS = (
    health.router,
    account.router,
    usage.router,
    conversations.router,
    turns.router,
    diff.router,
    history.router,
    messages.router,
    retry.router,
    revert.router,
    ownturns.router,
    uploads.router,
    stop.router,
    shelf.router,
    fork.router,
    terminals.router,
    files.router,
    approvals.router,
    rules.router,
    events.router,
    search.router,
    offers.router,
    config.router,
    mcp.router,
    rpc.router,
    app_server.router,
    session.router,
    tokens.router,
    page.router,
)


def routes(version: str) -> FastAPI:
    """The app without its middleware: enough to describe it."""
    app = FastAPI(
        title="codex-http-server",
        version=version,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,  # what generated clients call it
    )
    for router in ROUTERS:
        app.include_router(router)
    own = [route for route in app.routes if isinstance(route, Route)]  # /openapi.json
    app.state.routes = own + [route for router in ROUTERS for route in router.routes]
    app.add_exception_handler(ServerError, problems.on_server_error)
    app.add_exception_handler(RequestValidationError, problems.on_invalid)
    app.add_exception_handler(HTTPException, problems.on_http)
    app.add_exception_handler(Exception, problems.on_unexpected)
    app.openapi = lambda: describe(app)
    return app


def document() -> dict[str, Any]:
    """The OpenAPI document of this version, without a server."""
    return describe(routes(__version__))


def build(services: Services) -> ASGIApp:
    """The whole app. The first wrapper below is the innermost."""
    app = routes(services.version)
    app.state.services = services
    wrapped: ASGIApp = app
    wrapped = Idempotency(wrapped, services.log)
    wrapped = BodyCheck(wrapped, services.max_body, services.max_upload)
    wrapped = InFlight(wrapped, services.max_requests)
    wrapped = Doorkeeper(wrapped, app.state.routes, services.recognise)
    wrapped = CORSMiddleware(
        wrapped,
        allow_origins=sorted(services.gate.origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID",
                       "X-Request-Id"],
        expose_headers=["Location", "Retry-After", "X-Request-Id"],
        max_age=600,
    )  # fmt: skip
    wrapped = GateKeeper(wrapped, services.gate)
    wrapped = RequestLog(wrapped)
    return ToAppServer(wrapped)
