"""Who a peer is where there is no sock_diag: macOS, Windows, a Linux whose kernel does not say.

The connection is looked for among the processes that our user may look into (psutil). One that
hides from us is not found, so it is refused. On macOS and Windows this has not been tested.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import psutil

from codex_http_server.auth.peers import (
    AGENT,
    ELSEWHERE,
    FINE,
    GONE,
    NOT_OURS,
    Mark,
    Peer,
    Verdict,
    is_loopback,
    plain,
    unknown,
)

LONGEST: Final = 5.0  # seconds for one look
SOL_LOCAL, LOCAL_PEERPID = 0, 2  # macOS, sys/un.h
NOT_FOUND: Final = unknown(
    "The process that called was not found among those of the user that runs the server."
)
CAN_NOT_TELL: Final = unknown("On this machine the server can't tell who calls.")

Ends = tuple[tuple[str, int], tuple[str, int]]


class ProcessList:
    """A `PeerCheck` that looks through the list of processes."""

    name = "process_list"

    def __init__(self, mark: Mark) -> None:
        self._mark = mark
        self._user = psutil.Process().username()
        self._last: int | None = None  # who was found last

    def meet(self, line: socket.socket) -> Peer:
        """See `PeerCheck`."""
        if line.family not in (socket.AF_INET, socket.AF_INET6):
            return _unix(line)
        try:
            theirs, ours = line.getpeername()[:2], line.getsockname()[:2]
        except OSError:  # it has gone already
            return Peer(verdict=GONE)
        ends = (plain(theirs[0]), theirs[1]), (plain(ours[0]), ours[1])
        peer = Peer(address=theirs[0], ends=(line.family, *ends))
        if not (is_loopback(theirs[0]) or is_loopback(ours[0])):
            peer.verdict = ELSEWHERE
        return peer

    def judge(self, peers: Sequence[Peer], roots: Collection[int]) -> list[Verdict]:
        """See `PeerCheck`."""
        wanted = {peer.ends[1:] for peer in peers if peer.ends}
        found: dict[Ends, Verdict] = {}
        end = time.monotonic() + LONGEST
        for process in self._candidates():
            if not wanted or time.monotonic() > end:
                break
            held = wanted & _connections(process)
            if held:
                found |= dict.fromkeys(held, self._place(process, roots))
                wanted -= held
        return [self._conclude(peer, found, roots) for peer in peers]

    def _conclude(self, peer: Peer, found: dict[Ends, Verdict], roots: Collection[int]) -> Verdict:
        if peer.ends:
            return found.get(peer.ends[1:], NOT_FOUND)
        try:
            return self._place(psutil.Process(peer.pid), roots)
        except psutil.Error:
            return GONE

    def _candidates(self) -> Iterator[psutil.Process]:
        """Who called last, then the newest first."""
        pids = sorted(psutil.pids(), key=lambda pid: (pid != self._last, -pid))
        for pid in pids:
            try:
                yield psutil.Process(pid)
            except psutil.Error:
                continue

    def _place(self, process: psutil.Process, roots: Collection[int]) -> Verdict:
        try:
            above = [process, *process.parents()]
            if process.username() != self._user:
                return NOT_OURS
        except psutil.Error:
            return GONE
        if any(each.pid in roots or self._mark.fits(_mark(each, self._mark)) for each in above):
            return AGENT
        self._last = process.pid
        return FINE

    def close(self) -> None:
        """See `PeerCheck`."""


class Nothing:
    """A `PeerCheck` that can't tell: every caller needs a token."""

    name = "none"

    def meet(self, line: socket.socket) -> Peer:  # noqa: ARG002 # as PeerCheck has it
        """See `PeerCheck`."""
        return Peer(verdict=CAN_NOT_TELL)

    def judge(self, peers: Sequence[Peer], roots: Collection[int]) -> list[Verdict]:  # noqa: ARG002
        """See `PeerCheck`."""
        return [CAN_NOT_TELL for _ in peers]

    def close(self) -> None:
        """See `PeerCheck`."""


def _unix(line: socket.socket) -> Peer:
    """The process that opened a Unix socket; its mode keeps other users out."""
    if sys.platform == "darwin":
        (pid,) = struct.unpack("=i", line.getsockopt(SOL_LOCAL, LOCAL_PEERPID, 4))
    elif sys.platform == "linux":
        (pid, _, _) = struct.unpack("=iII", line.getsockopt(socket.SOL_SOCKET, 17, 12))
    else:
        return Peer(verdict=CAN_NOT_TELL)
    return Peer(pid=pid)


def _connections(process: psutil.Process) -> set[Ends]:
    """The two ends of each of its TCP connections."""
    try:
        found = process.net_connections("tcp")
    except (psutil.Error, OSError):
        return set()
    return {
        ((plain(c.laddr.ip), c.laddr.port), (plain(c.raddr.ip), c.raddr.port))
        for c in found
        if c.raddr
    }


def _mark(process: psutil.Process, mark: Mark) -> str | None:
    try:
        return process.environ().get(mark.name)
    except (psutil.Error, OSError):
        return None
