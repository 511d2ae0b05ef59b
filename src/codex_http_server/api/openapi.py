"""The OpenAPI document: made from the routes, with every error code and event type."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from codex_http_server.api.problems import MEDIA_TYPE, STATUS
from codex_http_server.api.schemas import Problem
from codex_http_server.events import OURS

DESCRIPTION: Final = (
    "The Codex coding agent behind plain HTTP: REST to drive it, Server-Sent Events to watch"
    " it. Every event is on disk before a client sees it, has a number that is never used"
    " twice, and can be read again from any number on. Generated from the code; do not edit."
)


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
        _problems(document)
        document["x-error-codes"] = STATUS
        document["x-event-types"] = OURS
        app.openapi_schema = document
    return app.openapi_schema


def _problems(document: dict[str, Any]) -> None:
    """Every operation can answer with a problem; the framework's own error shape goes."""
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem | {
        "properties": problem["properties"] | {"code": {"type": "string", "enum": sorted(STATUS)}}
    }
    answer = {
        "description": "An error (RFC 9457); `code` says which.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = answer
