"""The page at `/`: what scripts/page has built out of web/, under a strict policy.

Owns which files are served, and for how long they may be kept. Knows nothing of what they do.
"""

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
    "md": "text/plain; charset=utf-8",
    "svg": "image/svg+xml",
}
# Every other file has the hash of its content in its name (web/vite.config.ts).
FIXED: Final = {"index.html", "page.js", "licenses.md"}
KEPT: Final = "public, max-age=31536000, immutable"
# `blob:` and `data:` are images that were pasted, or that the agent looked at. Styles that scripts
# set on an element are not what `style-src` is about.
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(),"
    " payment=(), usb=()",
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
    if not folder.is_dir():
        raise NotFound(
            "This server was installed without its page.",
            hint="In a checkout run `make install` where npm can reach its registry.",
        )
    # By its name among those that are there: no path leads out.
    known = {entry.name: entry for entry in folder.iterdir()}
    kind = TYPES.get(name.rsplit(".", 1)[-1])
    if name not in known or kind is None:
        raise NotFound(f"There is no file {name[:100]} of the page.")
    headers = {**HEADERS, "Cache-Control": "no-cache" if name in FIXED else KEPT}
    return Response(known[name].read_bytes(), media_type=kind, headers=headers)
