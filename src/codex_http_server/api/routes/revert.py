"""Going back: turns that are taken back."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import JSONResponse

from codex_http_server.api.bodies import Body
from codex_http_server.api.doorkeeper import Calling
from codex_http_server.api.routes.messages import BASE
from codex_http_server.api.schemas import Reverted
from codex_http_server.api.services import Use
from codex_http_server.conversations.reverts import revert

router = APIRouter(tags=["conversations"])


class Revert(Body):
    """How far to go back."""

    before_turn_id: str = Field(
        min_length=1, max_length=100, description="The first turn that is taken back."
    )


@router.post(f"{BASE}/revert", response_model=Reverted)
async def revert_conversation(
    conversation_id: str, body: Revert, services: Use, caller: Calling
) -> JSONResponse:
    """Go back to before a turn: the model forgets it and all after it, and pages, snapshots and
    diffs are without them. Files stay as they are, the log keeps the events, and what the turns
    took was spent. Commands that the conversation still runs end. Asked again, the same answer."""
    entry = await services.manager.get(conversation_id)
    taken_back = await revert(entry.conversation, entry.messages, body.before_turn_id, caller.name)
    return JSONResponse(
        {
            "conversation_id": conversation_id,
            "before_turn_id": body.before_turn_id,
            "turn_ids": taken_back,
            "head": services.log.head(conversation_id),
        }
    )
