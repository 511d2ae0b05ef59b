"""Tokens over HTTP: list, make, end. The same file as `codex-http-server token`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from codex_http_server.api.bodies import MakeToken
from codex_http_server.api.doorkeeper import Calling
from codex_http_server.api.routes.session import NO_STORE
from codex_http_server.api.schemas import NewToken, TokenList
from codex_http_server.api.services import Services, Use
from codex_http_server.auth import tokens
from codex_http_server.auth.tokens import Token
from codex_http_server.clock import rfc3339
from codex_http_server.errors import Invalid, TokenFileUnusable, TokensUnusable
from codex_http_server.logs import get_logger

router = APIRouter(tags=["access"])
log = get_logger(__name__)
T = TypeVar("T")


@router.get("/tokens", response_model=TokenList)
async def list_tokens(services: Use) -> JSONResponse:
    """All tokens, without the tokens themselves: only their hashes are kept."""
    data = [_view(services, token) for token in services.keyring.all()]
    return JSONResponse({"data": data}, headers=NO_STORE)


@router.post("/tokens", status_code=201, response_model=NewToken)
async def make_token(body: MakeToken, services: Use, caller: Calling) -> JSONResponse:
    """Make a token, with scopes that you have yourself. The answer shows it, this once."""
    scopes = tokens.GIVEN if body.scopes is None else body.scopes
    for scope in scopes:
        caller.need(scope)
    if body.name == tokens.ENV:
        raise _invalid("name", f"{tokens.ENV} is the name of the token in CODEX_HTTP_TOKEN")
    if body.expires_at is not None and body.expires_at <= datetime.now(UTC):
        raise _invalid("expires_at", "lies in the past")
    token, secret = tokens.make(body.name, scopes, body.expires_at)
    await _on_disk(lambda: services.keyring.file.add(token))
    log.info("a token was made", name=token.name, scopes=[str(scope) for scope in token.scopes])
    headers = {"Location": f"/tokens/{token.name}", **NO_STORE}
    return JSONResponse(_view(services, token) | {"token": secret}, 201, headers)


@router.delete("/tokens/{name}", status_code=204)
async def end_token(name: str, services: Use) -> Response:
    """End a token: it is refused from now on, and its open streams end within seconds."""
    if name == tokens.ENV:
        raise _invalid("name", "this token ends when the server is started without it")
    await _on_disk(lambda: services.keyring.file.remove(name))
    log.info("a token was ended", name=name)
    return Response(status_code=204)


def _view(services: Services, token: Token) -> dict[str, Any]:
    return {
        "name": token.name,
        "scopes": [str(scope) for scope in token.scopes],
        "created_at": _time(token.created_at),
        "expires_at": _time(token.expires_at) if token.expires_at else None,
        "expired": token.expired(),
        "source": "environment" if token == services.keyring.given else "file",
    }


def _time(moment: datetime) -> str:
    return rfc3339(int(moment.timestamp() * 1000))


async def _on_disk(change: Callable[[], T]) -> T:
    """Change the file, in a thread: another writer may hold it. Raises `TokensUnusable`."""
    try:
        return await asyncio.to_thread(change)
    except (TokenFileUnusable, OSError) as error:
        log.warning("the token file can't be changed", reason=str(error))
        raise TokensUnusable(
            "The token file can't be changed; nothing was done.",
            hint="The server's log says why.",
        ) from error


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(f"{field}: {message}.", errors=[{"field": field, "message": message}])
