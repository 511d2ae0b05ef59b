"""Processes of commands that the core has ended, and that live on: they left its process group.

The core ends a command by killing its process group (measured with 0.163); what called `setsid`
outlives that, unless the sandbox has a pid namespace. Every process that a command starts inherits
`CODEX_THREAD_ID` and `CODEX_TOOL_CALL_ID`, the id of its item. Processes of other users, and those
that have emptied their environment, can't be known.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
from collections.abc import Collection
from typing import Final

import msgspec
import psutil

from codex_http_server.engine.base import How, Leftover

THREAD: Final = "CODEX_THREAD_ID"
CALL: Final = "CODEX_TOOL_CALL_ID"
LOOK: Final = 0.05  # seconds between two looks at what was asked to end; nobody tells us of it
DEAD: Final = 1.0  # seconds for what was killed to be gone
MOST: Final = 100  # processes that are named
SHOWN: Final = 200  # characters of a command line


class _Found(msgspec.Struct, frozen=True):
    process: psutil.Process
    item_id: str
    command: str

    def told(self, how: How) -> Leftover:
        return Leftover(self.process.pid, self.item_id, self.command, how)


async def end_leftovers(
    thread_id: str, calls: Collection[str], grace: float, *, touch: bool
) -> list[Leftover]:
    """End the processes of these commands of a thread: SIGTERM, and SIGKILL after `grace` seconds.

    Those that are started meanwhile are killed too. `touch=False` only looks. At most `MOST`.
    """
    if not calls:
        return []
    found = await asyncio.to_thread(_look, thread_id, calls)
    if not touch or not found:
        return [each.told("left") for each in found]
    for each in found:
        with contextlib.suppress(psutil.Error):
            each.process.terminate()
    obeyed = await _gone(found, grace)
    rest = await asyncio.to_thread(_look, thread_id, calls)
    for each in rest:
        with contextlib.suppress(psutil.Error):
            each.process.kill()
    dead = await _gone(rest, DEAD)
    killed = [each.told("killed" if each in dead else "left") for each in rest]
    pids = {each.process.pid for each in rest}
    return [each.told("terminated") for each in obeyed if each.process.pid not in pids] + killed


async def _gone(found: list[_Found], seconds: float) -> list[_Found]:
    """Those that have ended within this time."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        living = [each for each in found if _lives(each.process)]
        if not living or asyncio.get_running_loop().time() >= end:
            return [each for each in found if each not in living]
        await asyncio.sleep(LOOK)


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _look(thread_id: str, calls: Collection[str]) -> list[_Found]:
    found: list[_Found] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            call = environment.get(CALL)
            if environment.get(THREAD) != thread_id or call not in calls or call is None:
                continue
            if process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(_Found(process, call, shlex.join(process.cmdline())[:SHOWN]))
    return found[:MOST]
