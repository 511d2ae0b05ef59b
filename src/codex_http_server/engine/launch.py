"""A core to be connected to: the one that an earlier server left, Codex's daemon, or a new one.

Owns what a core is started with, and the last words of one that did not start.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from codex_http_server import __version__
from codex_http_server.engine import daemon, joined, kept, meeting
from codex_http_server.engine.choice import Mode, choose
from codex_http_server.engine.environment import core_environment
from codex_http_server.engine.kept import Bond, KeptCore
from codex_http_server.engine.meeting import Meeting
from codex_http_server.engine.process import Child, reap, rotate, size_of, spawn
from codex_http_server.engine.session import AnyCore
from codex_http_server.errors import CoreMissing, NoDaemon
from codex_http_server.logs import get_logger
from codex_http_server.places import SOCKET_PATH_LIMIT, Places, socket_folder

log = get_logger(__name__)

LOOK: Final = 0.1  # seconds between looks for a daemon
COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class CoreOptions:
    """What a core is started with."""

    binary: Path
    places: Places
    pass_env: tuple[str, ...]
    wait: float  # seconds a caller waits for a starting core
    check: float = 30.0  # seconds that a core may leave a question unanswered; 0: for ever
    bond: Bond = Bond(900.0)  # noqa: RUF009 # a frozen value
    transport: str = "socket" if os.name == "posix" else "stdio"
    mode: Mode = "own"


class Found(NamedTuple):
    """A running core. `outdated`: it was taken over, and we would have another one now."""

    core: AnyCore
    adopted: bool = False
    outdated: bool = False
    printed: int = 0  # size of the output when it was started


async def find(options: CoreOptions, patience: float = 0.0) -> Found:
    """Take over the core that an earlier server left, else end what is left, and join Codex's
    daemon or start a new one: see choice.py. A daemon may take `patience` seconds to come.

    Raises `CoreMissing`, `CoreGone`, `NoDaemon`, OSError.
    """
    places = options.places
    left = await kept.adopt(places, options.bond) if options.transport == "socket" else None
    met = await _meet(options, patience)
    known = met.daemon is not None and met.daemon.pid in joined.recorded(places)
    chosen = choose(options.mode, left=left is not None, daemon=met.presence, known=known)
    if chosen not in ("join", "refuse"):
        joined.forget(places)  # this is another core than the one it remembers
    if left is not None:
        wanted = (_command(options.binary, f"unix://{left.socket}"), __version__)
        other = (left.command, left.version) != wanted or chosen == "adopt_until_quiet"
        return Found(left, adopted=True, outdated=other)
    if chosen == "refuse":
        raise no_daemon(met)
    await asyncio.to_thread(reap, places.core_record)
    if chosen == "join" and met.daemon is not None:
        core, same = joined.join(met.daemon, places)
        return Found(core, adopted=same, printed=size_of(places.core_output))
    if met.presence not in ("none", "healthy"):
        log.warning("a core of our own is started beside Codex's daemon", reason=met.words)
    rotate(places.core_output)
    printed = size_of(places.core_output)
    return Found(await _start(options), printed=printed)


async def _meet(options: CoreOptions, patience: float) -> Meeting:
    """Who is at the control socket of the home, if that matters."""
    if options.mode == "own" or options.transport != "socket":
        return meeting.NOBODY
    end = asyncio.get_running_loop().time() + patience
    while True:
        met = await meeting.meet(options.places.home)
        if met.presence != "none" or asyncio.get_running_loop().time() >= end:
            return met
        await asyncio.sleep(LOOK)


def no_daemon(met: Meeting) -> NoDaemon:
    """Why none is joined, and what to do."""
    todo = {
        "none": f"Start one: {daemon.START}",
        "mute": f"Start it anew: {daemon.RESTART}",
        "strange": "Bring both to the same version",
    }.get(met.presence, "Look who made it")
    hint = f"{todo}; or have a core of the server's own: --core own."
    return NoDaemon(f"No daemon can be joined: {met.words}.", hint=hint)


async def _start(options: CoreOptions) -> KeptCore | Child:
    places = options.places
    environment = core_environment(os.environ, str(places.home), options.pass_env)
    if options.transport != "socket":
        command = _command(options.binary, "stdio://")
        record, output = places.core_record, places.core_output
        return await spawn(command, environment, record=record, output=output)
    socket = _socket_path(places)
    command = _command(options.binary, f"unix://{socket}")
    return await kept.start(
        command, environment, places, socket=socket, version=__version__, bond=options.bond
    )


def _command(binary: Path, listen: str) -> list[str]:
    # The snapshot runs the user's login shell for every thread: 7.1 s of CPU for 20 threads
    # against 1.1 s without (measured).
    return [str(binary), "app-server", "--listen", listen, "--disable", "shell_snapshot"]


def _socket_path(places: Places) -> str:
    path = str(socket_folder(places.runtime) / f"{secrets.token_hex(4)}.sock")
    if len(os.fsencode(path)) + len(kept.CONTROL) > SOCKET_PATH_LIMIT:
        raise CoreMissing(f"The socket path {path} is too long.", hint="Set XDG_RUNTIME_DIR.")
    return path


def last_words(output: Path, since: int) -> str:
    """The last lines that a core printed after byte `since`, for the reason of a failed start."""
    with contextlib.suppress(OSError):
        plain = COLOUR.sub("", output.read_bytes()[since:][-2000:].decode(errors="replace"))
        lines = plain.strip().splitlines()
        return ": " + " / ".join(lines[-3:])[:600] if lines else ""
    return ""
