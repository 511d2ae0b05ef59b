"""Processes that a dead core left, where no keeper was there to end them.

A living keeper ends everything below it. If it was killed itself, what the core had started may
belong to nobody: bubblewrap, for one, waits for ever if its parent dies while it sets up its
sandbox (measured). Such processes are known by a variable that every core hands down.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Final

import psutil

from codex_http_server.logs import get_logger

log = get_logger(__name__)

MARK: Final = "CODEX_CORE_OF"  # in the environment of a core and of all that it starts
PATIENCE: Final = 2.0  # seconds for them to end


def end_strays(mark: str) -> int:
    """End every process that carries this mark; how many. Blocks for at most `PATIENCE` s.

    Processes of other users can't be looked into and are left alone.
    """
    ended: set[int] = set()
    end = time.monotonic() + PATIENCE
    while (found := _marked(mark)) and time.monotonic() < end:
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        ended |= {process.pid for process in found}
        time.sleep(0.02)  # not `wait`: whose child it is may be waiting for it
    if ended:
        log.warning("ended what a core had left", count=len(ended))
    return len(ended)


def _marked(mark: str) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            marked = process.pid != os.getpid() and process.environ().get(MARK) == mark
            if marked and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
