"""The TypeScript client's package and its Node, for tests."""

from __future__ import annotations

import fcntl
import functools
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


def run(*command: str, cwd: Path, **environment: str) -> str:
    """Run a program, with the node, npm and uv of the project; what it prints. Fails with what it
    says where it fails."""
    path = f"{NODE.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | {"PATH": path} | environment,
        capture_output=True,
        text=True,
        timeout=TIME,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}\n{done.stderr}"
    return done.stdout


def node(*arguments: str, **environment: str) -> str:
    """Run a program of the package; what it prints."""
    return run(str(NODE), *arguments, cwd=PACKAGE, **environment)


@functools.cache
def build() -> None:
    """Build the package as it is now, without its types: once for a run, whose workers share it."""
    this_run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"{os.getpid()}")
    stamp = PACKAGE / "build" / "test-run"
    stamp.parent.mkdir(exist_ok=True)
    with stamp.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != this_run:
            node("scripts/build.mjs", "--without-types")
            stamp.write_text(this_run)


def judge(results: list[dict[str, Any]]) -> None:
    """All tests ran, and went well."""
    print(*(f"{each['milliseconds']:6} ms  {each['name']}" for each in results), sep="\n")
    failed = [f"{each['name']}: {each['error']}" for each in results if each["error"] is not None]
    assert not failed, "\n".join(failed)
