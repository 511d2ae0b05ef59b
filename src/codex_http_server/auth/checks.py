"""The check of peers that works on this machine. Tried before it is relied on."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable

from codex_http_server.auth.linux import LinuxPeers
from codex_http_server.auth.peers import AGENT, Mark, PeerCheck
from codex_http_server.auth.portable import Nothing, ProcessList


def peer_check(mark: Mark) -> PeerCheck:
    """The first check that finds a connection of our own process; one that finds nobody if none
    does. Takes some milliseconds."""
    makers: list[Callable[[Mark], PeerCheck]] = [ProcessList]
    if sys.platform == "linux":
        makers.insert(0, LinuxPeers)
    for make in makers:
        try:
            check = make(mark)
        except OSError:
            continue
        if finds_us(check):
            return check
        check.close()
    return Nothing()


def finds_us(check: PeerCheck) -> bool:
    """Whether a connection of our own process is known as such."""
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as listening,
            socket.create_connection(listening.getsockname()),
        ):
            line, _ = listening.accept()
            with line:
                peer = check.meet(line)
                verdict = peer.verdict or check.judge([peer], (os.getpid(),))[0]
                return verdict is AGENT  # as if we were the core
    except OSError:
        return False
