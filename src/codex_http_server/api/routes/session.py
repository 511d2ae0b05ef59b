"""How a browser gets in without a token in its hands: the page's session, and tickets."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from codex_http_server.api.bodies import BeginSession, MakeTicket
from codex_http_server.api.doorkeeper import Calling
from codex_http_server.api.recognise import STREAMS, cookie_name, near, page_cookie
from codex_http_server.api.schemas import NewTicket, SessionView
from codex_http_server.api.services import Use
from codex_http_server.auth import pages, tickets
from codex_http_server.auth.callers import NOBODY, Scope
from codex_http_server.auth.policy import own_page
from codex_http_server.auth.tickets import Stream
from codex_http_server.clock import now_ms, rfc3339
from codex_http_server.errors import Invalid, OriginNotAllowed

router = APIRouter(tags=["access"])

NO_STORE: Final = {"Cache-Control": "no-store"}
FILTERS: Final = {"/events": {"conversation", "account"}}  # of a conversation's stream: none


@router.get("/session", response_model=SessionView)
async def get_session(caller: Calling) -> JSONResponse:
    """How you are known here, and what you may do."""
    scopes = [str(scope) for scope in Scope if caller.may(scope)]
    return JSONResponse({"via": caller.via, "scopes": scopes}, headers=NO_STORE)


@router.post("/session", status_code=204)
async def begin_session(body: BeginSession, request: Request, services: Use) -> Response:
    """Turn the code of `codex-http-server open` into the page's cookie."""
    if not near(request.scope):
        NOBODY.need(Scope.READ)
    if not own_page(request.headers):
        raise OriginNotAllowed("Only this server's own page may begin a session.")
    pages.take_code(services.page_codes, body.code)
    answer = Response(status_code=204, headers=NO_STORE)
    name = cookie_name(request.scope)
    if name is not None:
        secret, life = services.sessions.begin(), int(pages.LIFE)
        answer.set_cookie(name, secret, max_age=life, httponly=True, samesite="strict")
    return answer


@router.delete("/session", status_code=204)
async def end_session(request: Request, services: Use) -> Response:
    """End the session of this page's cookie."""
    secret, name = page_cookie(request.scope), cookie_name(request.scope)
    answer = Response(status_code=204)
    if secret is not None and name is not None:
        services.sessions.end(secret)
        answer.delete_cookie(name, httponly=True, samesite="strict")
    return answer


@router.post("/tickets", status_code=201, response_model=NewTicket)
async def make_ticket(body: MakeTicket, services: Use, caller: Calling) -> JSONResponse:
    """A ticket for one event stream, for an EventSource, which can't send a token. It opens the
    stream within a minute and then only resumes it. `Idempotency-Key`: see `answer_not_kept`."""
    path, query = _stream_of(body.path)
    if path != "/events":
        await services.manager.get(path.split("/")[2])
    for name, value in query:
        if name == "conversation":
            await services.manager.get(value)
    until = now_ms() + int(tickets.FIRST * 1000)
    secret = services.tickets.make(Stream.of(path, query), caller)
    made = {
        "ticket": secret,
        "expires_at": rfc3339(until),
        "url": f"{path}?{urlencode([*query, ('ticket', secret)])}",
    }
    return JSONResponse(made, 201, NO_STORE)


def _stream_of(given: str) -> tuple[str, list[tuple[str, str]]]:
    """The path and query of an event stream. Raises `Invalid` for anything else."""
    parts = urlsplit(given)
    query = parse_qsl(parts.query, keep_blank_values=True)
    allowed = FILTERS.get(parts.path, set()) | tickets.FREE - {"ticket"}
    plain = not (parts.scheme or parts.netloc or parts.fragment)
    if not plain or not STREAMS.fullmatch(parts.path):
        raise _invalid("must be /events or /conversations/{id}/events")
    unknown = [name for name, _ in query if name not in allowed]
    if unknown:
        raise _invalid(f"has a parameter that this stream does not take: {unknown[0][:100]}")
    return parts.path, query


def _invalid(message: str) -> Invalid:
    return Invalid(f"path {message}.", errors=[{"field": "path", "message": message}])
