"""The page at `/`: plain files, no build, a strict policy."""

from __future__ import annotations

from importlib import resources
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from codex_http_server.errors import NotFound

router = APIRouter(include_in_schema=False)

TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(),"
    " payment=(), usb=()",
    "Cache-Control": "no-cache",
}


@router.get("/")
async def get_page() -> Response:
    """The page."""
    return _file("index.html")


@router.get("/page/{name}")
async def get_page_file(name: str) -> Response:
    """A file of the page."""
    return _file(name)


def _file(name: str) -> Response:
    folder = resources.files("codex_http_server.api") / "page"
    known = {entry.name: entry for entry in folder.iterdir()}
    kind = TYPES.get(name.rsplit(".", 1)[-1])
    if name not in known or kind is None:
        raise NotFound(f"There is no file {name[:100]} of the page.")
    return Response(known[name].read_bytes(), media_type=kind, headers=HEADERS)
