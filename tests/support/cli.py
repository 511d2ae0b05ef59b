"""The command line as a user has it: run to its end, or refused with an exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.leaks import WATCH
from tests.support.server import Site

PATIENCE = 30.0
SCRIPT = Path(sys.executable).parent / "codex-http-server"


def run_cli(
    *arguments: str, environment: dict[str, str], timeout: float = PATIENCE
) -> subprocess.CompletedProcess[str]:
    """Run the installed command until it ends by itself."""
    done = subprocess.run(
        [str(SCRIPT), *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    WATCH.printed([*arguments], done.stdout, done.stderr)
    return done


def refuses(site: Site, *arguments: str, status: int, **environment: str) -> str:
    """`serve` with these arguments must not start; what it said on stderr.

    It says what is wrong in words, prints no ready line and shows no trace.
    """
    port = () if "--port" in arguments else ("--port", "0")
    found = run_cli("serve", *port, *arguments, environment=site.environment() | environment)
    assert found.returncode == status, found
    assert found.stdout == ""
    assert "Traceback" not in found.stderr
    assert "codex-http-server: " in found.stderr or "Error" in found.stderr
    return found.stderr
