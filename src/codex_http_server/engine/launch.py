"""A core to be connected to: the one that an earlier server left, or a new one.

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
from codex_http_server.engine import kept
from codex_http_server.engine.environment import core_environment
from codex_http_server.engine.kept import Bond, KeptCore
from codex_http_server.engine.process import Child, reap, rotate, size_of, spawn
from codex_http_server.errors import CoreMissing
from codex_http_server.places import SOCKET_PATH_LIMIT, Places, socket_folder

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


class Found(NamedTuple):
    """A running core. `outdated`: it was taken over, and we would have started another one."""

    core: KeptCore | Child
    adopted: bool = False
    outdated: bool = False
    printed: int = 0  # size of the output when it was started


async def find(options: CoreOptions) -> Found:
    """Take over the core that an earlier server left, else end what is left and start a new one.

    Raises `CoreMissing`, `CoreGone`, OSError.
    """
    places = options.places
    if options.transport == "socket":
        core = await kept.adopt(places, options.bond)
        if core is not None:
            wanted = (_command(options.binary, f"unix://{core.socket}"), __version__)
            return Found(core, adopted=True, outdated=(core.command, core.version) != wanted)
    await asyncio.to_thread(reap, places.core_record)
    rotate(places.core_output)
    printed = size_of(places.core_output)
    return Found(await _start(options), printed=printed)


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
