"""What was changed: by a turn."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from codex_http_server.api.encoded import Encoded
from codex_http_server.api.historyschemas import TurnDiff
from codex_http_server.api.services import Use
from codex_http_server.conversations import history
from codex_http_server.errors import TurnNotFound

router = APIRouter(tags=["conversations"])


@router.get("/conversations/{conversation_id}/diff", response_model=TurnDiff)
async def get_diff(
    *,
    conversation_id: str,
    services: Use,
    of: Annotated[Literal["turn"], Query(description="What changed the files.")] = "turn",
    turn_id: Annotated[
        str | None, Query(max_length=200, description="Which turn; the newest, if none is named.")
    ] = None,
) -> Response:
    """What a turn changed, as one unified diff: the core's last word on it, running or ended."""
    del of
    await services.manager.get(conversation_id)
    found = await services.log.last_diff(conversation_id, turn_id)
    if found is None:
        which = f"turn {turn_id[:100]}" if turn_id else "turn yet"
        raise TurnNotFound(f"There is no {which} in this conversation.")
    return Encoded(history.turn_diff(*found))
