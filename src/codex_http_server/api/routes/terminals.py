"""The commands that run in a conversation: list them, end them."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.responses import JSONResponse

from codex_http_server.api.schemas import TerminalList, TerminalsEnded
from codex_http_server.api.services import Use
from codex_http_server.conversations import terminals

router = APIRouter(tags=["conversations"])

BASE: Final = "/conversations/{conversation_id}/terminals"


@router.get(BASE, response_model=TerminalList)
async def list_terminals(conversation_id: str, services: Use) -> JSONResponse:
    """The commands that the agent runs, with the end of their output; also those that have
    outlived their turn."""
    entry = await services.manager.get(conversation_id)
    return JSONResponse({"data": await terminals.running(entry.conversation)})


@router.delete(BASE, response_model=TerminalsEnded)
async def end_terminals(conversation_id: str, services: Use) -> JSONResponse:
    """End all of them, with everything that they started. A running turn goes on without."""
    entry = await services.manager.get(conversation_id)
    return JSONResponse({"ended": await terminals.end_all(entry.conversation)})


@router.delete(f"{BASE}/{{terminal_id}}", response_model=TerminalsEnded)
async def end_terminal(conversation_id: str, terminal_id: str, services: Use) -> JSONResponse:
    """End one, with everything that it started."""
    entry = await services.manager.get(conversation_id)
    await terminals.end(entry.conversation, terminal_id)
    return JSONResponse({"ended": [terminal_id]})
