"""A hook of the package's build: no package without the page that the server serves at `/`.

The page is built from web/ by scripts/page and is not in git. Whoever installs a package needs no
Node for it; whoever makes one has to have built it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE = Path("src/codex_http_server/api/page/index.html")


class WithPage(BuildHookInterface):
    """Refuses to build a wheel or an archive without it; a checkout may be installed without."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before a build; `version` is `editable` for a checkout."""
        del build_data
        if version != "editable" and not (Path(self.root) / PAGE).exists():
            raise SystemExit(
                f"error: {PAGE} is missing: the page was not built. Run `make install` first."
            )
