"""Is the server there, and would it take a message?"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from codex_http_server.api.doorkeeper import Calling
from codex_http_server.api.schemas import Health, Ready
from codex_http_server.api.services import Services, Use
from codex_http_server.auth.callers import Scope
from codex_http_server.engine.neighbours import ADVICE

router = APIRouter(tags=["server"])


def core_view(services: Services) -> dict[str, Any]:
    """The core's state, as /health and snapshots show it."""
    state = services.manager.engine.state
    return {
        "state": state.state,
        "version": state.version,
        "reason": state.reason,
        "joined": state.joined,
        "pid": state.pid,
        "protocol": services.protocol.report,
    }


@router.get("/health", response_model=Health)
async def get_health(services: Use, caller: Calling) -> JSONResponse:
    """Always 200 and quick, whatever the core does; to who may not read, without the core."""
    body: dict[str, Any] = {"status": "ok", "version": services.version}
    return JSONResponse(body | ({"core": core_view(services)} if caller.may(Scope.READ) else {}))


@router.get("/ready", response_model=Ready, responses={503: {"model": Ready}})
async def get_ready(services: Use) -> JSONResponse:
    """200 only when a message would be accepted, else 503 with the reasons. `notes` say what is
    worth knowing all the same."""
    reasons, notes = list(_reasons(services)), await _notes(services)
    body = {"ready": not reasons, "reasons": reasons, "notes": notes, "core": core_view(services)}
    return JSONResponse(body, 503 if reasons else 200)


def _reasons(services: Services) -> list[str]:
    state = services.manager.engine.state
    found: list[str] = []
    if state.state != "ready":
        found.append(f"the core is {state.state}" + (f": {state.reason}" if state.reason else ""))
    if services.log.failure is not None:
        found.append(f"the event log can't be written: {services.log.failure}")
    if not services.manager.accepting:
        found.append("the server is stopping")
    return found


async def _notes(services: Services) -> list[str]:
    services.keyring.all()  # a file that has changed is looked at now
    trouble = services.keyring.file.trouble
    others = ", ".join(str(each) for each in await services.neighbours.look())
    told = f"Another process uses this Codex home: {others}. {ADVICE}" if others else None
    return [note for note in (trouble, told, *services.notifier.trouble()) if note]
