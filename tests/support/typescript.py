"""The TypeScript client's package and its Node, for tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[2] / "clients" / "typescript"
NODE = Path(sys.prefix) / "bin" / "node"  # scripts/install puts it there
TIME = 240.0  # seconds for one program


def is_installed() -> bool:
    """Whether `make install` could fetch what the client is made with."""
    return NODE.exists() and (PACKAGE / "node_modules" / "esbuild").exists()


def node(*arguments: str, **environment: str) -> str:
    """Run a program of the package; what it prints. Fails with what it says where it fails."""
    done = subprocess.run(
        [str(NODE), *arguments],
        cwd=PACKAGE,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=TIME,
        check=False,
    )
    assert done.returncode == 0, f"{arguments[0]}: {done.stdout}\n{done.stderr}"
    return done.stdout


def judge(results: list[dict[str, Any]]) -> None:
    """All tests ran, and went well."""
    print(*(f"{each['milliseconds']:6} ms  {each['name']}" for each in results), sep="\n")
    failed = [f"{each['name']}: {each['error']}" for each in results if each["error"] is not None]
    assert not failed, "\n".join(failed)
