"""A second Codex on a site's home: the core's own program, run as a user runs it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from codex_cli_bin import bundled_codex_path

from tests.support.server import Site


@contextmanager
def codex(site: Site, *arguments: str, **environment: str) -> Iterator[psutil.Process]:
    """`codex` with these arguments, until the end of the block. A core on stdio has stdin."""
    waits = arguments == ("app-server",)  # until stdin ends; others would read it to its end
    process = subprocess.Popen(
        [str(bundled_codex_path()), *arguments],
        env=site.environment() | environment,
        cwd=site.project,
        stdin=subprocess.PIPE if waits else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        process.wait(10)
