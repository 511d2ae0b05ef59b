"""A core that we did not start: Codex's own daemon, joined. Nothing here ends or changes it.

Owns our knowledge of it: its process, whose end we wait for, and whether it is the one that an
earlier connection was to, in whose core our turns may go on.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, Final

import psutil

from codex_http_server.engine.daemon import Daemon, peer_of
from codex_http_server.engine.keeper import birth
from codex_http_server.engine.lock import read_json, write_private
from codex_http_server.errors import CoreGone
from codex_http_server.logs import get_logger
from codex_http_server.places import Places

log = get_logger(__name__)

LOOK: Final = 0.2  # seconds between looks at a process whose end nobody tells
ENDED: Final = "the daemon has ended"


class JoinedCore:
    """A daemon that we are connected to, beside `KeptCore` and `Child`."""

    status: int | None = None  # nobody tells us

    def __init__(self, daemon: Daemon) -> None:
        self.pid = daemon.pid
        self.pids = (daemon.pid,)
        self.socket = daemon.socket
        self._birth = daemon.birth

    def check(self, line: Any) -> None:
        """Whether this very process is at the other end. Raises `CoreGone`."""
        if peer_of(line) != (os.getuid(), self.pid):
            raise CoreGone("another process listens in the place of the daemon")

    async def wait(self) -> None:
        """Wait for the end of the process."""
        if not hasattr(os, "pidfd_open"):
            await self._watch()
            return
        try:
            descriptor = os.pidfd_open(self.pid)
        except OSError:
            return
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, ended.set)
        try:
            if self._lives():  # else the number has gone to another one meanwhile
                await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    async def _watch(self) -> None:
        while self._lives():  # noqa: ASYNC110 # nobody tells
            await asyncio.sleep(LOOK)

    def _lives(self) -> bool:
        try:
            dead = psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False
        return not dead and birth(self.pid) == self._birth

    async def stop(self) -> str:
        """Leave it: it is not ours."""
        return "left"


def join(daemon: Daemon, places: Places) -> tuple[JoinedCore, bool]:
    """The daemon as our core, and whether it is the one that this home's server had before: then
    what our turns have open in it goes on."""
    known = {"pid": daemon.pid, "birth": daemon.birth}
    same = read_json(places.joined_record) == known
    if not same:
        write_private(places.joined_record, known)
    return JoinedCore(daemon), same


def forget(places: Places) -> None:
    """Whatever is joined next is another core than the one before."""
    places.joined_record.unlink(missing_ok=True)


def recorded(places: Places) -> tuple[int, ...]:
    """The pid of the daemon that was joined last, if it lives."""
    match read_json(places.joined_record):
        case {"pid": int(pid), "birth": str(born)} if birth(pid) == born:
            return (pid,)
        case _:
            return ()
