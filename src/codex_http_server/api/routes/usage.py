"""What was used: rate limits of the account, tokens and minutes of turns, quotas."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from codex_http_server.api.doorkeeper import Calling
from codex_http_server.api.schemas import ConversationUsage, Usage
from codex_http_server.api.services import Services, Use
from codex_http_server.clock import now_ms, rfc3339
from codex_http_server.conversations import spending
from codex_http_server.errors import ServerError

router = APIRouter(tags=["account"])

PAGE_DEFAULT, PAGE_MAX = 50, 200
TOP_DEFAULT, TOP_MAX = 20, 200
CALLERS = 100  # shown at most

Refresh = Annotated[bool, Query(description="Ask the account's backend now; else once a minute.")]


@router.get("/auth/usage", response_model=Usage)
async def get_usage(
    *,
    services: Use,
    caller: Calling,
    refresh: Refresh = False,
    by: Annotated[
        Literal["conversation"] | None, Query(description="List the costliest ones too.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=TOP_MAX)] = TOP_DEFAULT,
) -> JSONResponse:
    """Rate limits as the core knows them, tokens that turns of this server took, and quotas.
    Always 200: `reason` says why the rate limits could not be read."""
    account = await _account(services)
    ledger = services.manager.ledger
    today = ledger.today()
    body = await services.accounts.usage.view(account, refresh=refresh)
    body["tokens"] = {
        "total": spending.spent(ledger.total()),
        "today": spending.spent(ledger.spent_today()),
    }
    body["callers"] = spending.callers(today, CALLERS)
    body["quotas"] = ledger.quota_views(caller.name)
    body["conversations"] = await _costliest(services, limit) if by else None
    return JSONResponse(body)


async def _account(services: Services) -> dict[str, Any] | None:
    """As /auth/status says it, or as it was last known."""
    try:
        return await services.accounts.status()
    except ServerError:
        return services.accounts.last


async def _costliest(services: Services, limit: int) -> list[dict[str, Any]]:
    await services.log.durable()
    return [
        {
            "conversation_id": each.conversation_id,
            "last_turn_at": rfc3339(each.ended_ms),
            **spending.spent(each.spent),
        }
        for each in await services.log.costliest(limit)
    ]


@router.get(
    "/conversations/{conversation_id}/usage",
    response_model=ConversationUsage,
    tags=["conversations"],
)
async def get_conversation_usage(
    *,
    conversation_id: str,
    services: Use,
    caller: Calling,
    before: Annotated[
        str | None, Query(max_length=200, description="Turns before this one: `next_before`.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT,
) -> JSONResponse:
    """What the conversation took: in all, by turn (newest first), and of the model's context."""
    entry = await services.manager.get(conversation_id)
    meter, ledger = entry.conversation.meter, services.manager.ledger
    found = await services.log.ledger(conversation_id, before, limit + 1)
    event = await services.log.last_usage(conversation_id)
    core = msgspec.json.decode(event.data)["tokenUsage"] if event else None
    gone = await services.log.reverted(conversation_id)
    turns = [spending.turn(each, reverted=each.turn_id in gone) for each in found[:limit]]
    body = {
        "conversation_id": conversation_id,
        "tokens": spending.spent(ledger.by(meter)),
        "context": spending.context(core),
        "running": spending.running(meter, now_ms()),
        "turns": turns,
        "next_before": turns[-1]["turn_id"] if len(found) > limit else None,
        "quotas": ledger.quota_views(caller.name, meter),
        "core": core,
    }
    return JSONResponse(body)
