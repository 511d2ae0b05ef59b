"""Says hello to the daemon of a home: is it healthy, and do we speak its language?

What follows from the answer: choice.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from codex_http_server.engine import protocol
from codex_http_server.engine.choice import Presence
from codex_http_server.engine.daemon import Daemon, UnfitError, look
from codex_http_server.engine.rpc import Peer
from codex_http_server.engine.session import hello
from codex_http_server.engine.transport import connect_socket
from codex_http_server.errors import CoreError, CoreGone

ANSWER: Final = 5.0  # seconds for its answer to `initialize` (0.01 measured)


@dataclass(frozen=True)
class Meeting:
    """What is at the control socket. `words` say why it can't be joined."""

    presence: Presence
    daemon: Daemon | None = None
    version: str | None = None
    words: str = ""


NOBODY: Final = Meeting("none", words="no daemon of Codex runs on this home")


async def meet(home: Path) -> Meeting:
    """Look who is there, and say hello. At most a few seconds; never raises."""
    try:
        daemon = await asyncio.to_thread(look, home)
    except UnfitError as error:
        return Meeting("foreign", words=f"{error}; it is left alone")
    except OSError as error:
        return Meeting("foreign", words=f"the control socket can't be looked at: {error.strerror}")
    if daemon is None:
        return NOBODY
    version = await _version(daemon)
    if version is None:
        words = f"the daemon (pid {daemon.pid}) does not answer within {ANSWER:g} s"
        return Meeting("mute", daemon, words=words)
    trouble = unspoken(version, str(protocol.recorded()["version"]))
    if trouble:
        return Meeting("strange", daemon, version, f"the daemon (pid {daemon.pid}) {trouble}")
    return Meeting("healthy", daemon, version)


async def _version(daemon: Daemon) -> str | None:
    """What it says that it is; None if it says nothing in time."""
    peer = Peer(_ignore, _ignore)
    with contextlib.suppress(OSError, TimeoutError, CoreError, CoreGone, ValueError):
        async with asyncio.timeout(ANSWER):
            transport = await connect_socket(daemon.socket, peer.receive, peer.lost)
            try:
                peer.attach(transport)
                return await hello(peer) or "of an unknown version"
            finally:
                transport.close()
                peer.lost()
    return None


def _ignore(*_: object) -> None:
    """What it says to all its clients."""


def unspoken(version: str, tested: str) -> str | None:
    """Why we can't speak with a core of this version; None if we can. Pure.

    The protocol is marked experimental and changes from one minor version to the next.
    """
    if _series(version) == _series(tested):
        return None
    return f"is codex {version}, and this server speaks that of codex {_series(tested)}"


def _series(version: str) -> str:
    found = re.match(r"\d+\.\d+", version)
    return found[0] if found else version
