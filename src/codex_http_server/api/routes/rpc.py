"""The rest of the core: its own methods, passed on as they are."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import JSONResponse

from codex_http_server.api.bodies import Body
from codex_http_server.api.schemas import RpcAnswer
from codex_http_server.api.services import Use
from codex_http_server.engine.passing import instead, passes
from codex_http_server.errors import CoreError, CoreRefused, MethodNotPassed
from codex_http_server.logs import get_logger

router = APIRouter(tags=["discovery"])
log = get_logger(__name__)

SAID_MAX = (
    1000  # characters of the core's own words; it answers a wrong name with all the right ones
)


class Rpc(Body):
    """One request of the core's protocol."""

    method: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9/_]{0,99}$", examples=["server/diagnostics"])
    params: dict[str, Any] = Field(default={}, description="As the core's schema says.")


@router.post("/rpc", response_model=RpcAnswer)
async def call_core(body: Rpc, services: Use) -> JSONResponse:
    """Call a method of the core that has no route here. What it refuses is 422 `core_refused` with
    `core_code` and `core_data`; what this server owns is 422 `method_not_passed`."""
    if not passes(body.method):
        raise _not_passed(body.method)
    log.info("a method is passed on to the core", method=body.method)
    try:
        result = await services.discovery.ask(body.method, body.params)
    except CoreError as error:
        said = error.message[:SAID_MAX]
        raise CoreRefused(said, core_code=error.rpc_code, core_data=error.data) from error
    return JSONResponse({"result": result}, headers={"Cache-Control": "no-store"})


def _not_passed(method: str) -> MethodNotPassed:
    route = instead(method)
    return MethodNotPassed(
        f"{method} is not passed on: this server owns what it changes.",
        hint=f"Use {route}." if route else "There is no route for it.",
        route=route,
    )
