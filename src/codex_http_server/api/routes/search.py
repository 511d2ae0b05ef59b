"""Full-text search over all conversations."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from codex_http_server.api.schemas import SearchResults
from codex_http_server.api.services import Use
from codex_http_server.clock import rfc3339
from codex_http_server.errors import BadCursor, Invalid
from codex_http_server.eventlog.base import SearchFilter, SearchHit
from codex_http_server.eventlog.search.hits import NEWEST
from codex_http_server.eventlog.search.query import Word, parse
from codex_http_server.eventlog.search.text import Kind

router = APIRouter(tags=["search"])

QUERY_MAX: Final = 500  # characters
WORDS_MAX: Final = 32
PAGE_DEFAULT, PAGE_MAX = 20, 100
CONVERSATIONS_MAX: Final = 100
UNLESS_ASKED: Final[tuple[Kind, ...]] = ("title", "preview", "message", "answer", "file")


@router.get("/search", response_model=SearchResults)
async def search(
    *,
    services: Use,
    q: Annotated[
        str,
        Query(
            min_length=1,
            max_length=QUERY_MAX,
            description='Words that must all be there, "phrases", beginnings*.',
        ),
    ],
    prefix: Annotated[
        bool, Query(description="The last word is still being typed: its beginning will do.")
    ] = False,
    kind: Annotated[
        list[Kind] | None,
        Query(description="Where: all but `command` and `output`, if not said."),
    ] = None,
    conversation: Annotated[
        list[str] | None, Query(max_length=CONVERSATIONS_MAX, description="Only in these.")
    ] = None,
    working_directory: Annotated[str | None, Query(max_length=4096)] = None,
    archived: Annotated[
        bool | None, Query(description="Only in archived ones, or only in others; else in both.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> JSONResponse:
    """Find conversations and what was said in them: titles first, then newest first. What was
    taken back or deleted is not found. Of conversations of the Codex CLI that were never opened
    here the title and the beginning are searched."""
    words, before = _words(q, prefix=prefix), _before(cursor)
    for each in conversation or ():
        await services.manager.get(each)
    await services.manager.found.look()
    wanted = SearchFilter(
        tuple(words),
        tuple(dict.fromkeys(kind or UNLESS_ASKED)),
        tuple(conversation or ()),
        working_directory,
        archived,
    )
    found = await services.log.search(wanted, before, limit + 1)
    page = found.hits[:limit]
    more = format(page[-1].id, "x") if len(found.hits) > limit else None
    body = {"data": [_hit(hit) for hit in page], "next_cursor": more, "complete": found.complete}
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


def _words(q: str, *, prefix: bool) -> list[Word]:
    words = parse(q, prefix=prefix)
    if not q.strip():
        raise _invalid("should have a word")
    if len(words) > WORDS_MAX:
        raise _invalid(f"should have at most {WORDS_MAX} words")
    return words


def _invalid(message: str) -> Invalid:
    return Invalid(f"q: {message}.", errors=[{"field": "q", "message": message}])


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not re.fullmatch("[0-9a-f]{1,16}", cursor):
        raise BadCursor(f"{cursor[:80]!r} is not a cursor of a search.")
    return min(int(cursor, 16), NEWEST)


def _hit(hit: SearchHit) -> dict[str, Any]:
    return {
        "kind": hit.kind,
        "conversation_id": hit.record.id,
        "title": hit.record.title,
        "preview": hit.record.preview,
        "working_directory": hit.record.working_directory,
        "source": hit.record.source,
        "archived": hit.record.archived,
        "turn_id": hit.turn_id,
        "item_id": hit.item_id,
        "seq": hit.seq,
        "status": None if hit.seq is None else hit.status or "completed",
        "at": rfc3339(hit.at_ms),
        "snippet": {
            "text": hit.snippet.text,
            "matches": [{"start": start, "end": end} for start, end in hit.snippet.found],
            "cut_before": hit.snippet.cut_before,
            "cut_after": hit.snippet.cut_after,
        },
    }
