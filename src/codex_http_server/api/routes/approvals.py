"""Approvals: what the core asks, listed, looked at and answered. Once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from codex_http_server.api.bodies import AnswerApproval
from codex_http_server.api.doorkeeper import Calling
from codex_http_server.api.routes.conversations import before_id
from codex_http_server.api.schemas import ApprovalPage, ApprovalView
from codex_http_server.api.services import Services, Use
from codex_http_server.conversations import views

router = APIRouter(tags=["approvals"])

PAGE_DEFAULT, PAGE_MAX = 50, 200
BASE = "/conversations/{conversation_id}/approvals"
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
All = Annotated[bool, Query(alias="all", description="Those that have ended, too.")]


@router.get("/approvals", response_model=ApprovalPage)
async def list_approvals(
    *,
    services: Use,
    conversation: Annotated[str | None, Query(description="Only of this one.")] = None,
    ended: All = False,
    limit: Limit = PAGE_DEFAULT,
    cursor: str | None = None,
) -> JSONResponse:
    """The approvals that wait, of all conversations, newest first."""
    if conversation is not None:
        await services.manager.get(conversation)
    return await _page(services, conversation, cursor, limit, ended=ended)


@router.get(BASE, response_model=ApprovalPage)
async def list_conversation_approvals(
    *,
    conversation_id: str,
    services: Use,
    ended: All = False,
    limit: Limit = PAGE_DEFAULT,
    cursor: str | None = None,
) -> JSONResponse:
    """The approvals of a conversation that wait, newest first."""
    await services.manager.get(conversation_id)
    return await _page(services, conversation_id, cursor, limit, ended=ended)


async def _page(
    services: Services, conversation_id: str | None, cursor: str | None, limit: int, *, ended: bool
) -> JSONResponse:
    before = before_id(cursor)
    found = await services.log.approvals(conversation_id, before, limit + 1, ended=ended)
    page = found[:limit]
    more = page[-1].id if len(found) > limit else None
    data = [views.approval(record) for record in page]
    return JSONResponse({"data": data, "next_cursor": more})


@router.get(f"{BASE}/{{approval_id}}", response_model=ApprovalView)
async def get_approval(conversation_id: str, approval_id: str, services: Use) -> JSONResponse:
    """One approval, also after its end."""
    entry = await services.manager.get(conversation_id)
    return JSONResponse(views.approval(await entry.conversation.approvals.get(approval_id)))


@router.post(f"{BASE}/{{approval_id}}", response_model=ApprovalView)
async def answer_approval(
    conversation_id: str, approval_id: str, body: AnswerApproval, services: Use, caller: Calling
) -> JSONResponse:
    """Answer a question of the core, once: whoever comes second gets 409 `approval_ended` with
    the outcome. 200 means that the decision is on disk and the core is told."""
    entry = await services.manager.get(conversation_id)
    record = await entry.conversation.approvals.answer(approval_id, body.given(), caller)
    return JSONResponse(views.approval(record))
