"""The core's own protocol, as it is, for clients that speak it: the Codex TUI."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request

from codex_http_server.api.doorkeeper import Calling
from codex_http_server.api.services import Use
from codex_http_server.api.tunnels import PATH, Handover, key_of

router = APIRouter(tags=["discovery"])

SWITCHED: Final[dict[int | str, dict[str, Any]]] = {
    101: {"description": "A WebSocket of the core: one message of its protocol in each frame."}
}


@router.get(PATH, status_code=101, response_class=Handover, responses=SWITCHED)
async def join_core(request: Request, services: Use, caller: Calling) -> Handover:
    """Join the core over a WebSocket that passes its own protocol on, unchanged: what the Codex TUI
    does with `codex --remote`. A WebSocket of `/` is the same."""
    return Handover(services.tunnels, key_of(request.scope), caller)
