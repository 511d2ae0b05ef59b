"""The OpenAPI document: made from the routes, with every error code and event type."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from codex_http_server.api import eventschemas, examples, refusals
from codex_http_server.api.idempotency import KEY_MAX
from codex_http_server.api.problems import STATUS
from codex_http_server.api.recognise import STREAMS
from codex_http_server.auth.table import SCOPES
from codex_http_server.events import OURS

DESCRIPTION: Final = (
    "The Codex coding agent behind plain HTTP: REST to drive it, Server-Sent Events to watch"
    " it. Every event is on disk before a client sees it, has a number that is never used"
    " twice, and can be read again from any number on. Generated from the code; do not edit."
)

SCHEMES: Final = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "Callers on this machine need none, but for some scopes.",
    }
}
PARAMETERS: Final = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key and body are one request, however often it is sent.",
        "schema": {"type": "string", "minLength": 1, "maxLength": KEY_MAX},
    },
    "LastEventId": {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "As `after`, and before it; browsers send it when they come back.",
        "schema": {"type": "string"},
    },
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The document of `app`, kept on it after the first call."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version="3.1.0",
            description=DESCRIPTION,
            routes=app.routes,
        )
        refusals.add(document)
        eventschemas.add(document)
        examples.add(document)
        _who_may(document)
        _headers(document)
        document["x-error-codes"] = STATUS
        document["x-event-types"] = OURS
        app.openapi_schema = document
    return app.openapi_schema


def _who_may(document: dict[str, Any]) -> None:
    """How a caller shows who it is, and the scope that each operation needs."""
    document["components"]["securitySchemes"] = SCHEMES
    document["security"] = [{}, {"token": []}]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            scope = SCOPES[(method.upper(), path)]
            operation["x-scope"] = None if scope is None else str(scope)


def _headers(document: dict[str, Any]) -> None:
    """The headers that are read outside the routes."""
    document["components"]["parameters"] = PARAMETERS
    for path, operations in document["paths"].items():
        if "post" in operations:
            _take(operations["post"], "IdempotencyKey")
        if STREAMS.fullmatch(path):
            _take(operations["get"], "LastEventId")


def _take(operation: dict[str, Any], name: str) -> None:
    reference = {"$ref": f"#/components/parameters/{name}"}
    operation["parameters"] = [*operation.get("parameters", ()), reference]
