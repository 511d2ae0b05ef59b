"""A conversation's history by pages: its turns and its items.

Pages of both are cut by `seq`, the number of the event that stands for the entry, so that one page
joins the other whatever happens in between.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from codex_http_server.api.encoded import Encoded
from codex_http_server.api.historyschemas import ItemPage, TurnEntry, TurnPage
from codex_http_server.api.services import Use
from codex_http_server.conversations import history
from codex_http_server.errors import TurnNotFound
from codex_http_server.eventlog.base import Span

router = APIRouter(tags=["conversations"])

PAGE_MAX: Final = 200
ITEMS_DEFAULT, TURNS_DEFAULT = 100, 50
SEQ_MAX: Final = 2**62

Before = Annotated[
    int, Query(ge=1, le=SEQ_MAX, description="Only entries before this seq; the newest of them.")
]
After = Annotated[
    int | None,
    Query(ge=0, le=SEQ_MAX, description="Only entries after this seq; the oldest of them."),
]


@router.get("/conversations/{conversation_id}/items", response_model=ItemPage)
async def list_items(
    *,
    conversation_id: str,
    services: Use,
    before: Before = SEQ_MAX,
    after: After = None,
    turn: Annotated[str | None, Query(max_length=200, description="Of this turn only.")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = ITEMS_DEFAULT,
) -> Response:
    """Ended items by the seq of their end, oldest first: the newest `limit`; with `before` those
    before it, with `after` those after it. A page is shorter where it would be over 4 MiB. The
    page that reaches the newest has the open items too."""
    entry = await services.manager.get(conversation_id)
    return Encoded(await history.items(entry.conversation, Span(before, after), limit, turn))


@router.get("/conversations/{conversation_id}/turns", response_model=TurnPage)
async def list_turns(
    *,
    conversation_id: str,
    services: Use,
    before: Before = SEQ_MAX,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = TURNS_DEFAULT,
) -> Response:
    """Turns by the seq of their start, oldest first: the newest `limit`; with `before` those
    before it, with `after` those after it."""
    await services.manager.get(conversation_id)
    found = await services.log.turns(conversation_id, Span(before, after), limit, history.SMALL)
    return Encoded(
        {
            "data": [history.turn(conversation_id, row) for row in found.turns],
            "turns_before": found.before,
            "turns_after": found.after,
        }
    )


@router.get("/conversations/{conversation_id}/turns/{turn_id}", response_model=TurnEntry)
async def get_turn(conversation_id: str, turn_id: str, services: Use) -> Response:
    """One turn, running or ended."""
    await services.manager.get(conversation_id)
    row = await services.log.turn(conversation_id, turn_id, history.SMALL)
    if row is None:
        raise TurnNotFound(
            f"There is no turn {turn_id[:100]} in this conversation.",
            hint=f"GET /conversations/{conversation_id}/turns lists them.",
        )
    return Encoded(history.turn(conversation_id, row))
