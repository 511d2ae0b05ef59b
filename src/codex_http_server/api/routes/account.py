"""The account: who is signed in, signing in and out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from codex_http_server.accounts.logins import Login
from codex_http_server.api.bodies import LoginCallback, StartLogin
from codex_http_server.api.routes.health import core_view
from codex_http_server.api.schemas import AuthStatus, LoginView
from codex_http_server.api.services import Use
from codex_http_server.engine.neighbours import ADVICE

router = APIRouter(tags=["account"])

WAIT_MAX = 600
ONE = "/auth/login/{login_id}"


@router.get("/auth/status", response_model=AuthStatus)
async def get_auth_status(services: Use) -> JSONResponse:
    """Who the core is signed in as, asked of the core itself; if it is not, why, and what to do.
    And who else uses that login."""
    others = [asdict(each) for each in await services.neighbours.look()]
    status: dict[str, object] = {
        **await services.accounts.status(),
        "core": core_view(services),
        "also_using_home": others,
    }
    if others and not status["hint"]:
        status["hint"] = ADVICE
    return _private(status)


@router.post("/auth/login", status_code=201, response_model=LoginView)
async def sign_in(body: StartLogin, services: Use) -> JSONResponse:
    """Begin to sign in. With an API key it has ended with this answer; else open `url`, and type
    `user_code` there if there is one."""
    login = await services.accounts.sign_in(body.method, body.api_key)
    return _private(login.view(), 201, {"Location": f"/auth/login/{login.id}"})


@router.get(ONE, response_model=LoginView)
async def get_login(
    login_id: str,
    services: Use,
    wait: Annotated[
        float, Query(ge=0, le=WAIT_MAX, description="Seconds to wait for its end.")
    ] = 0,
) -> JSONResponse:
    """How a login stands. The last 16 are kept, until the server ends."""
    login = services.accounts.logins.get(login_id)
    if wait:
        await login.wait(wait)
    return _shown(login)


@router.post(ONE, response_model=LoginView)
async def finish_login(login_id: str, body: LoginCallback, services: Use) -> JSONResponse:
    """Bring a browser login to its end from another machine, with the address that the browser
    ended at. It must be the answer to this login."""
    return _shown(await services.accounts.logins.bring(login_id, body.callback_url))


@router.delete(ONE, response_model=LoginView)
async def cancel_login(login_id: str, services: Use) -> JSONResponse:
    """Cancel a login; one that has ended stays as it is."""
    return _shown(await services.accounts.logins.cancel(login_id))


@router.post("/auth/logout", response_model=AuthStatus)
async def sign_out(services: Use) -> JSONResponse:
    """Sign out, here and for every Codex program on this home. Running turns fail."""
    return _private(await services.accounts.sign_out())


def _shown(login: Login) -> JSONResponse:
    return _private(login.view())


def _private(
    body: dict[str, object], status: int = 200, headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse(body, status, {"Cache-Control": "no-store", **(headers or {})})
