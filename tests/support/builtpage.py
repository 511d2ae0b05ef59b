"""What was built of the page at `/`: nothing where npm could not install its packages."""

from __future__ import annotations

import pytest

from tests.support.pages import ROOT

BUILT = ROOT / "src" / "codex_http_server" / "api" / "page"
IS_BUILT = (BUILT / "index.html").exists()
PAGE_PATHS = ("/", "/page/page.js") if IS_BUILT else ()
needs_page = pytest.mark.skipif(
    not IS_BUILT, reason="the page is not built: its npm packages are not installed"
)
