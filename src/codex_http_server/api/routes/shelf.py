"""Archive a conversation, take it back, delete it."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from codex_http_server.api.doorkeeper import Calling
from codex_http_server.api.schemas import ConversationView, DeletedView
from codex_http_server.api.services import Use
from codex_http_server.clock import rfc3339
from codex_http_server.conversations import shelf

router = APIRouter(tags=["conversations"])

BASE: Final = "/conversations/{conversation_id}"
KEEPS: Final = {
    "deleted": "Codex has deleted its copy. Its own databases (thread_history, state, logs,"
    " memories in the Codex home) may hold parts of the text until they are next tidied up.",
    "kept": "Codex keeps its own copy (the file of the thread in its home): you asked for that, or"
    " a fork that is not known here reads it; then Codex has archived it.",
    "none": "Codex had no copy: there was no turn, or it was deleted there before.",
}


@router.post(f"{BASE}/archive", response_model=ConversationView)
async def archive_conversation(conversation_id: str, services: Use) -> JSONResponse:
    """Put the conversation away, in Codex too: it takes no messages, and commands that it runs in
    the background end. It is listed with `archived=true`."""
    entry = await services.manager.get(conversation_id)
    await shelf.archive(entry)
    return JSONResponse(entry.conversation.view())


@router.post(f"{BASE}/unarchive", response_model=ConversationView)
async def unarchive_conversation(conversation_id: str, services: Use) -> JSONResponse:
    """Take an archived conversation back."""
    entry = await services.manager.get(conversation_id)
    await shelf.unarchive(entry)
    return JSONResponse(entry.conversation.view())


@router.delete(BASE, response_model=DeletedView)
async def delete_conversation(
    *,
    conversation_id: str,
    services: Use,
    caller: Calling,
    force: Annotated[
        bool, Query(description="End what runs and take back what waits; else 409.")
    ] = False,
    codex: Annotated[
        Literal["delete", "keep"], Query(description="What becomes of Codex's own copy.")
    ] = "delete",
) -> JSONResponse:
    """Delete the conversation: its events, outputs, messages and approvals, so that no text of it
    is left in this server's files, and Codex's own copy. What its turns cost stays in the sums."""
    entry = await services.manager.get(conversation_id)
    found = await shelf.delete(services.manager, entry, caller, force=force, keep=codex == "keep")
    body = {
        "id": conversation_id,
        "conversation_id": conversation_id,
        "thread_id": entry.conversation.record.thread_id,
        "deleted_at": rfc3339(found.at_ms),
        "interrupted_turn": found.turn_id,
        "removed_messages": found.removed_messages,
        "wiped": found.wiped,
        "codex": {"state": found.codex, "keeps": KEEPS[found.codex]},
    }
    return JSONResponse(body)
