"""Errors as HTTP: the one table from code to status, and the problem+json body (RFC 9457).

The only place where a status is chosen. An error that is not in the tree becomes `internal`:
its text goes to the log, never to the caller.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from codex_http_server import errors
from codex_http_server.api import wording
from codex_http_server.errors import (
    InvalidToken,
    ServerError,
    StartError,
    Unauthorized,
    UpgradeRequired,
)
from codex_http_server.logs import get_logger, redact_value

log = get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
QUOTES: Final = 'In a shell, put the JSON between single quotes: -d \'{"message": "hi"}\''

STATUS: Final[dict[str, int]] = {
    "bad_request": 400,
    "bad_cursor": 400,
    "token_in_url": 400,
    "unauthorized": 401,
    "token_required": 401,
    "invalid_token": 401,
    "invalid_ticket": 401,
    "invalid_code": 401,
    "forbidden": 403,
    "origin_not_allowed": 403,
    "forwarded_not_allowed": 403,
    "scope_required": 403,
    "other_user": 403,
    "agent_self_access": 403,
    "peer_unknown": 403,
    "elevate_required": 403,
    "outside_roots": 403,
    "file_protected": 403,
    "not_found": 404,
    "conversation_not_found": 404,
    "item_not_found": 404,
    "turn_not_found": 404,
    "message_not_found": 404,
    "upload_not_found": 404,
    "rule_not_found": 404,
    "file_not_found": 404,
    "login_not_found": 404,
    "token_not_found": 404,
    "approval_not_found": 404,
    "skill_not_found": 404,
    "mcp_server_not_found": 404,
    "terminal_not_found": 404,
    "method_not_allowed": 405,
    "body_timeout": 408,
    "headers_timeout": 408,
    "conflict": 409,
    "conversation_busy": 409,
    "conversation_archived": 409,
    "conversation_has_forks": 409,
    "conversation_open_elsewhere": 409,
    "turn_not_steerable": 409,
    "override_needs_new_turn": 409,
    "no_running_turn": 409,
    "nothing_to_retry": 409,
    "turn_had_effects": 409,
    "message_reverted": 409,
    "approval_ended": 409,
    "queue_full": 409,
    "upload_in_use": 409,
    "rule_not_removable": 409,
    "login_required": 409,
    "login_in_progress": 409,
    "login_port_taken": 409,
    "login_ended": 409,
    "idempotency_key_reused": 409,
    "request_in_progress": 409,
    "answer_not_kept": 409,
    "token_name_taken": 409,
    "config_version_conflict": 409,
    "body_too_large": 413,
    "message_too_large": 413,
    "image_too_large": 413,
    "target_too_long": 414,
    "not_json": 415,
    "unsupported_image": 415,
    "host_not_allowed": 421,
    "invalid_request": 422,
    "invalid_working_directory": 422,
    "invalid_image": 422,
    "file_unreadable": 422,
    "core_refused": 422,
    "no_repository": 422,
    "method_not_passed": 422,
    "decision_not_offered": 422,
    "login_state_mismatch": 422,
    "upgrade_required": 426,
    "too_many_requests": 429,
    "headers_too_large": 431,
    "too_many_attempts": 429,
    "quota_exceeded": 429,
    "internal": 500,
    "log_damaged": 500,
    "unavailable": 503,
    "core_unavailable": 503,
    "core_timeout": 503,
    "login_issuer_failed": 503,
    "search_unavailable": 503,
    "stopping": 503,
    "too_many_connections": 503,
    "tokens_unusable": 503,
    "rules_unusable": 503,
    "storage_full": 507,
    "uploads_full": 507,
}


def problem(error: ServerError, request_id: str) -> Response:
    """The answer for an error. What it quotes, of the caller or of the core, is redacted."""
    status = STATUS[error.code]
    body: dict[str, Any] = {
        "type": f"urn:codex-http-server:error:{error.code}",
        "title": error.title,
        "status": status,
        "detail": error.detail,
        "code": error.code,
        "request_id": request_id,
    }
    if error.hint:
        body["hint"] = error.hint
    headers = {"Cache-Control": "no-store"}
    if error.retry_after:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, UpgradeRequired):  # RFC 9110, section 15.5.22
        headers |= {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    if isinstance(error, Unauthorized):  # RFC 6750, section 3
        wrong = isinstance(error, InvalidToken)
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"' if wrong else "Bearer"
    content = redact_value(body | error.extra)
    return JSONResponse(content, status, headers, media_type=MEDIA_TYPE)


def request_id(request: Request) -> str:
    """The id that the log knows this request by."""
    return str(request.scope.get("request_id", ""))


async def on_server_error(request: Request, error: Exception) -> Response:
    """A `ServerError` that a route raised."""
    assert isinstance(error, ServerError)
    return problem(error, request_id(request))


async def on_invalid(request: Request, error: Exception) -> Response:
    """Input that does not fit the schema: 400 if it can't be read, else 422 naming the field."""
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        refused: ServerError = errors.BadRequest(wording.not_json(found, error.body), hint=QUOTES)
    else:
        named = wording.fields(found)
        hint = wording.meant(found, _body_of(request))
        refused = errors.Invalid(wording.sentence(named), hint=hint, errors=named)
    return problem(refused, request_id(request))


def _body_of(request: Request) -> Any:
    """The type of the body that the route takes, None if it takes none."""
    field = getattr(request.scope.get("route"), "body_field", None)
    return None if field is None else field.field_info.annotation


async def on_http(request: Request, error: Exception) -> Response:
    """404 and 405 of the router, and what the framework itself refuses."""
    assert isinstance(error, HTTPException)
    path = request.url.path[:200]
    known: dict[int, ServerError] = {
        404: errors.NotFound(f"There is no route {path}.", hint="GET /openapi.json has them all."),
        405: errors.MethodNotAllowed(
            f"{request.method} is not a method of {path}.",
            hint=f"There is {', '.join(_methods(request))}.",
        ),
    }
    found = known.get(error.status_code, errors.BadRequest(str(error.detail)))
    answer = problem(found, request_id(request))
    if error.status_code == 405:
        answer.headers["Allow"] = ", ".join(_methods(request))
    return answer


def _methods(request: Request) -> list[str]:
    """What may be done at this path; the framework names the first route's methods only."""
    path = request.url.path
    routes: list[Route] = request.app.state.routes
    fit = [route.methods or set[str]() for route in routes if route.path_regex.fullmatch(path)]
    return sorted({method for methods in fit for method in methods})


async def on_unexpected(request: Request, error: Exception) -> Response:
    """Anything else: the trace goes to the log, the caller gets the request id."""
    log.error("a request failed", exc_info=error, path=request.url.path)
    return problem(errors.Internal("The server failed."), request_id(request))


def tree(base: type[ServerError] = ServerError) -> Iterator[type[ServerError]]:
    """Every error class that a caller can meet over HTTP."""
    yield base
    for child in base.__subclasses__():
        if not issubclass(child, StartError):
            yield from tree(child)


def markdown() -> str:
    """docs/errors.md, from the tree and the table."""
    lines = [
        "# Errors",
        "",
        "Every error is `application/problem+json` (RFC 9457): `type`, `title`, `status`,",
        "`detail` (what happened), `code` (stable, below), `request_id` (find it in the log)",
        "and, where it helps, `hint` (what to do) and `errors` (which fields).",
        "",
        "| status | code | meaning |",
        "|---|---|---|",
    ]
    seen: dict[str, str] = {}
    for each in tree():
        seen.setdefault(each.code, " ".join(inspect.cleandoc(each.__doc__ or "").split()))
    for code, status in sorted(STATUS.items(), key=lambda pair: (pair[1], pair[0])):
        lines.append(f"| {status} | `{code}` | {seen[code]} |")
    return "\n".join(lines) + "\n"
