"""Ends the server when whoever started it is gone: for apps that bring their own server.

Owns the watch over stdin (if it is a pipe: its end says that the parent let go) and over the
parent's pid and start time (a pid alone may be someone else's by now).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import threading
from collections.abc import Callable
from functools import partial
from typing import Final

import psutil

from codex_http_server.logs import get_logger

log = get_logger(__name__)

LOOK: Final = 1.0  # seconds between looks at the parent


async def watch_parent(stop: Callable[[], None]) -> None:
    """Call `stop` once stdin has ended or the parent is gone. Runs until then, or cancelled."""
    parent, ended = _identity(os.getppid()), asyncio.Event()
    if _is_pipe(0):
        end = partial(asyncio.get_running_loop().call_soon_threadsafe, ended.set)
        threading.Thread(target=_read, args=(end,), name="stdin", daemon=True).start()
    while not ended.is_set() and _identity(os.getppid()) == parent:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK):
                await ended.wait()
    log.info("the parent is gone", stdin_ended=ended.is_set())
    stop()


def _read(end: Callable[[], object]) -> None:
    """What comes on stdin means nothing; its end does. In a thread: no event loop of Windows can
    wait for a pipe."""
    with contextlib.suppress(OSError):  # closed
        while os.read(0, 65536):
            pass
    with contextlib.suppress(RuntimeError):  # the server has ended before
        end()


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
