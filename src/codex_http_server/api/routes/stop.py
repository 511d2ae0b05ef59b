"""Stop everything, and let it go on."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from codex_http_server.api.bodies import InterruptAll
from codex_http_server.api.schemas import InterruptedAll, Resumed, ResumedAll
from codex_http_server.api.services import Use

router = APIRouter(tags=["server"])


@router.post("/interrupt", status_code=202, response_model=InterruptedAll)
async def interrupt_all(services: Use, body: InterruptAll | None = None) -> JSONResponse:
    """Stop everything: running turns, their commands and those in the background. Messages that
    wait are held back until `/resume`, or until someone writes to their conversation."""
    wanted = body or InterruptAll()
    found = await services.manager.stop_all(hold=wanted.hold, clear=wanted.clear_queues)
    answer = {
        "conversations": [each.conversation_id for each in found if each.turn_id],
        "stopped": [each._asdict() for each in found],
    }
    return JSONResponse(answer, 202)


@router.post("/resume", status_code=202, response_model=ResumedAll)
async def resume_all(services: Use) -> JSONResponse:
    """Send what was held back, in all conversations."""
    return JSONResponse({"conversations": await services.manager.resume_all()}, 202)


@router.post(
    "/conversations/{conversation_id}/resume",
    status_code=202,
    response_model=Resumed,
    tags=["conversations"],
)
async def resume_conversation(conversation_id: str, services: Use) -> JSONResponse:
    """Send what was held back in this conversation; nothing happens if nothing was."""
    entry = await services.manager.get(conversation_id)
    waiting = len(entry.messages.queue)
    body = {"resumed": entry.messages.let_go(), "waiting_messages": waiting}
    await services.log.durable()
    return JSONResponse(body, 202)
