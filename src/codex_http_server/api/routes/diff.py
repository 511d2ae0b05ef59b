"""What was changed: by a turn, or in the working directory."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response

from codex_http_server.api.encoded import Encoded
from codex_http_server.api.historyschemas import TurnDiff, WorkTreeDiff
from codex_http_server.api.services import Services, Use
from codex_http_server.conversations import history
from codex_http_server.engine.worktree import work_tree
from codex_http_server.errors import TurnNotFound

router = APIRouter(tags=["conversations"])


@router.get("/conversations/{conversation_id}/diff", response_model=TurnDiff | WorkTreeDiff)
async def get_diff(
    *,
    conversation_id: str,
    services: Use,
    of: Annotated[
        Literal["turn", "work_tree"], Query(description="What changed the files.")
    ] = "turn",
    turn_id: Annotated[
        str | None, Query(max_length=200, description="Which turn; the newest, if none is named.")
    ] = None,
) -> Response:
    """What a turn changed, as one unified diff: the core's last word on it, running or ended. With
    `of=work_tree`, what the working directory has that its last commit has not, whoever changed
    it; nothing that the repository configures is run."""
    entry = await services.manager.get(conversation_id)
    if of == "turn":
        return await _of_turn(services, conversation_id, turn_id)
    found = await work_tree(entry.conversation.record.working_directory)
    return Encoded({"of": of, **msgspec.structs.asdict(found)})


async def _of_turn(services: Services, conversation_id: str, turn_id: str | None) -> Response:
    found = await services.log.last_diff(conversation_id, turn_id)
    if found is None:
        which = f"turn {turn_id[:100]}" if turn_id else "turn yet"
        raise TurnNotFound(f"There is no {which} in this conversation.")
    return Encoded(history.turn_diff(*found))
