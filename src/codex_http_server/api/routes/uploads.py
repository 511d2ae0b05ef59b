"""Uploads: images that messages name by their id."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from codex_http_server.api.schemas import UploadView
from codex_http_server.api.services import Use
from codex_http_server.clock import rfc3339
from codex_http_server.conversations.uploads import SUFFIXES, Upload

router = APIRouter(tags=["messages"])

_FILE: Final = {"schema": {"type": "string", "format": "binary"}}


@router.post(
    "/uploads",
    status_code=201,
    response_model=UploadView,
    openapi_extra={"requestBody": {"required": True, "content": dict.fromkeys(SUFFIXES, _FILE)}},
)
async def create_upload(request: Request, services: Use) -> JSONResponse:
    """Send an image, as it is, with its own Content-Type. Messages name it by `upload_id`."""
    media_type = request.headers["content-type"].strip().lower()  # the body check has seen it
    content = await request.body()
    kept = await asyncio.to_thread(services.uploads.keep, content, media_type)
    return JSONResponse(_view(kept), 201, {"Location": f"/uploads/{kept.id}"})


@router.get("/uploads/{upload_id}", response_model=UploadView)
async def get_upload(upload_id: str, services: Use) -> JSONResponse:
    """What is known of an upload, and until when it is kept."""
    return JSONResponse(_view(await asyncio.to_thread(services.uploads.get, upload_id)))


@router.delete("/uploads/{upload_id}", status_code=204)
async def delete_upload(upload_id: str, services: Use) -> Response:
    """Delete an upload. One that a waiting message needs stays."""
    needed = services.manager.uploads_in_use()
    await asyncio.to_thread(services.uploads.remove, upload_id, needed)
    return Response(status_code=204)


def _view(kept: Upload) -> dict[str, Any]:
    return {
        "upload_id": kept.id,
        "media_type": kept.media_type,
        "size": kept.size,
        "expires_at": rfc3339(int(kept.expires * 1000)),
    }
