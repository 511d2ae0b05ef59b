"""A conversation's history: the whole of it as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from codex_http_server.api.services import Services, Use
from codex_http_server.conversations import exporting, views
from codex_http_server.conversations.exporting import Format

router = APIRouter(tags=["conversations"])

PAGE: Final = 200  # events in memory at once
_TEXT: Final = {"schema": {"type": "string"}}
FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file, as it is read from the log.",
        "content": {exporting.MEDIA["jsonl"]: _TEXT, exporting.MEDIA["markdown"]: _TEXT},
    }
}


@router.get("/conversations/{conversation_id}/export", response_class=Response, responses=FILE)
async def export_conversation(
    conversation_id: str,
    services: Use,
    form: Annotated[
        Format, Query(alias="format", description="`jsonl`: all events; `markdown`: to be read.")
    ] = "jsonl",
) -> Response:
    """The conversation as a file, up to the event that is its newest now. `jsonl` has the
    conversation in its first line and an event in each other; `markdown` has the finished
    items, without the turns that were taken back."""
    entry = await services.manager.get(conversation_id)
    record, upto = entry.conversation.record, services.log.head(conversation_id)
    name = exporting.file_name(record.title or record.preview, record.id, form)
    first = exporting.head(views.conversation(record, upto), form)
    return StreamingResponse(
        _parts(services, conversation_id, upto, first, form),
        media_type=f"{exporting.MEDIA[form]}; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


async def _parts(
    services: Services, conversation_id: str, upto: int, first: bytes, form: Format
) -> AsyncIterator[bytes]:
    yield first
    after = 0
    # What is to be read is without what was taken back; the events are all there.
    gone = await services.log.reverted(conversation_id) if form == "markdown" else {}
    while after < upto and (page := await services.log.read(conversation_id, after, PAGE)):
        after = page[-1].seq
        wanted = [
            exporting.part(event, form)
            for event in page
            if event.seq <= upto and event.turn_id not in gone
        ]
        if found := b"".join(wanted):
            yield found
