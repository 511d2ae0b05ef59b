"""Ends the server when whoever started it is gone: for apps that bring their own server.

Owns the watch over stdin (if it is a pipe: its end says that the parent let go) and over the
parent's pid and start time (a pid alone may be someone else's by now).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import Callable
from typing import Final

import psutil

from codex_http_server.logs import get_logger

log = get_logger(__name__)

LOOK: Final = 1.0  # seconds between looks at the parent


async def watch_parent(stop: Callable[[], None]) -> None:
    """Call `stop` once stdin has ended or the parent is gone. Runs until then, or cancelled."""
    parent, ended = _identity(os.getppid()), asyncio.Event()
    loop = asyncio.get_running_loop()
    piped = _is_pipe(0)
    if piped:
        loop.add_reader(0, _read, ended)
    try:
        while not ended.is_set() and _identity(os.getppid()) == parent:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await ended.wait()
    finally:
        if piped:
            loop.remove_reader(0)
    log.info("the parent is gone", stdin_ended=ended.is_set())
    stop()


def _read(ended: asyncio.Event) -> None:
    """What comes on stdin means nothing; its end does."""
    if not os.read(0, 65536):
        asyncio.get_running_loop().remove_reader(0)
        ended.set()


def _is_pipe(descriptor: int) -> bool:
    """A terminal, a file or /dev/null says nothing about the parent."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _identity(pid: int) -> tuple[int, float] | None:
    try:
        return pid, psutil.Process(pid).create_time()
    except psutil.Error:
        return None
