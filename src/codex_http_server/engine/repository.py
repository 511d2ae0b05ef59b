"""Whether git sees a repository in a directory: asked of git itself, as the core asks it.

The core says yes to a review against a branch outside a repository and then never begins it, and
calls the next turn of the thread failed (measured on 0.163). So it is not asked there.
"""

from __future__ import annotations

import asyncio
import os
from typing import Final

from codex_http_server.engine.environment import core_environment
from codex_http_server.errors import CoreRefused

PATIENCE: Final = 10.0  # seconds
ASK: Final = ("git", "rev-parse", "--is-inside-work-tree")


async def check_repository(directory: str) -> None:
    """Raises `CoreRefused` where there is no repository, or no git to tell."""
    environment = core_environment(os.environ, "", ())
    try:
        process = await asyncio.create_subprocess_exec(
            *ASK,
            cwd=directory,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise CoreRefused(f"git can't be run in {directory}: {error.strerror}") from error
    try:
        async with asyncio.timeout(PATIENCE):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise CoreRefused(f"git did not answer in {PATIENCE:g} s in {directory}.") from None
    if said.strip() != b"true":
        raise CoreRefused(
            f"{directory} is not a git repository, or git does not trust it.",
            hint="A review of custom instructions needs no repository.",
        )
