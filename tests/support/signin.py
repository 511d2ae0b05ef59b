"""A site whose core signs in at an issuer of ours, and the Codex CLI on the same home."""

from __future__ import annotations

import subprocess
from pathlib import Path

from codex_http_server.engine.process import find_core
from codex_http_server.testing.issuer import Issuer
from tests.support.server import Site

CLI_PATIENCE = 30.0


class LoginSite(Site):
    """A site whose provider wants a login; nobody is signed in yet.

    The scripted model answers 401 to what the issuer does not know or no longer takes.
    """

    def __init__(self, root: Path, **config: str | int | bool) -> None:
        self.issuer = Issuer()
        self.issuer.__enter__()
        super().__init__(root, **(self.issuer.config() | config))
        self._held.callback(self.issuer.close)
        self.provider.authorise = self.issuer.authorise

    def configure(self, **config: str | int | bool) -> None:
        """Write the core's config.toml."""
        super().configure(**(self.issuer.config() | config))

    def environment(self) -> dict[str, str]:
        """As of any site, with the issuer in place of OpenAI's."""
        return super().environment() | self.issuer.environment()

    def codex(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run the Codex CLI on this home, to its end."""
        return subprocess.run(
            [str(find_core(None)), *arguments],
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=CLI_PATIENCE,
            check=False,
        )
