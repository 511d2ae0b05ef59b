"""The files of a conversation's working directory: read them, look for them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from codex_http_server.api.fileviews import DirectoryView, FileView, Hits
from codex_http_server.api.services import Services, Use
from codex_http_server.conversations.files import BYTES_MAX, Part

router = APIRouter(tags=["files"])

OFFSET_MAX = 2**62
_KEPT_OUT = {"Cache-Control": "no-store"}

Conversation = Annotated[str, Query(max_length=100, description="Whose working directory.")]


@router.get("/files", response_model=FileView | DirectoryView)
async def get_file(
    *,
    services: Use,
    conversation_id: Conversation,
    path: Annotated[
        str, Query(max_length=4096, description="From the working directory, or absolute.")
    ] = "",
    offset: Annotated[int, Query(ge=0, le=OFFSET_MAX, description="First byte of a file.")] = 0,
    limit: Annotated[
        int | None,
        Query(ge=1, le=BYTES_MAX, description="Bytes of a file (262144), entries of a directory"
              " (200, at most 1000)."),
    ] = None,
    cursor: Annotated[
        str | None, Query(max_length=1000, description="`next_cursor` of the page before.")
    ] = None,
    encoding: Annotated[
        Literal["auto", "base64"], Query(description="base64 also where it is text.")
    ] = "auto",
) -> JSONResponse:  # fmt: skip
    """Read a file, or list a directory: in the conversation's working directory or below a
    `--root` of the server. Links are followed there and not out of it."""
    part = Part(offset, limit, cursor, raw=encoding == "base64")
    directory = await _directory(services, conversation_id)
    return JSONResponse(await services.files.look(directory, path, part), headers=_KEPT_OUT)


@router.get("/files/search", response_model=Hits)
async def search_files(
    services: Use,
    conversation_id: Conversation,
    q: Annotated[str, Query(min_length=1, max_length=200, description="Letters of the path.")],
) -> JSONResponse:
    """Find files and directories by some letters of their path, in their order. What `.gitignore`
    names is left out. The core looks, and shows 50 at most."""
    directory = await _directory(services, conversation_id)
    found, truncated = await services.files.search(directory, q)
    return JSONResponse({"data": found, "truncated": truncated}, headers=_KEPT_OUT)


async def _directory(services: Services, conversation_id: str) -> str:
    entry = await services.manager.get(conversation_id)
    return entry.conversation.record.working_directory
