"""Who a peer is, on Linux: the kernel says whose socket it is, /proc which process holds it.

Owns the conclusions. A socket's holder is found by the inode, in /proc/<pid>/fd; the agent's
processes are those below the keeper, which adopts their orphans. Every reading of /proc may be
overtaken by forks and exits, so a process passes only on the way up from it to the first process
of the machine, read after it was found; and where nobody is found, nobody passes while the core
has, or just had, processes that could be the one, or while processes were born as we looked.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum
from itertools import islice
from typing import Final

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
    unknown,
)
from codex_http_server.auth.processes import KERNEL_THREAD, Born, Processes, below
from codex_http_server.auth.sockdiag import SockDiag
from codex_http_server.logs import get_logger

log = get_logger(__name__)

LONGEST: Final = 2.0  # seconds for one look, whatever there is to be read (0.05 measured)
BUSY: Final = 10.0  # seconds for which the core counts as having had processes
LOOKS: Final = 3  # for one that is not found
SHORT: Final = 32  # processes that the first of them passes by
RECENT: Final = 16  # processes looked at first, because they called before
TRIES: Final = 20  # times that a process may be adopted while we go up from it
TICKS: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_CREDENTIALS: Final = struct.Struct("=iII")  # struct ucred: pid, uid, gid


class Place(Enum):
    """Where a process was found."""

    OUTSIDE = 1
    BELOW_CORE = 2
    LOST = 3  # it ended, or changed faster than it could be read


class LinuxPeers:
    """A `PeerCheck`. Raises OSError where the kernel can't be asked."""

    name = "sock_diag"

    def __init__(self, mark: Mark, processes: Processes | None = None) -> None:
        self._diag = SockDiag()  # of the event loop
        self._diag_of_thread = SockDiag()
        self._looks = Looks(processes or Processes(), mark)
        self._uid = os.geteuid()

    def meet(self, line: socket.socket) -> Peer:
        """See `PeerCheck`."""
        peer = self._unix(line) if line.family == socket.AF_UNIX else self._tcp(line)
        if peer.verdict is None and peer.uid is not None and peer.uid != self._uid:
            peer.verdict = NOT_OURS
        return peer

    def _unix(self, line: socket.socket) -> Peer:
        said = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _ = _CREDENTIALS.unpack(said)
        return Peer(uid=uid, pid=pid, met=time.clock_gettime(time.CLOCK_BOOTTIME))

    def _tcp(self, line: socket.socket) -> Peer:
        try:
            theirs, ours = line.getpeername()[:2], line.getsockname()[:2]
        except OSError:  # it has gone already
            return Peer(verdict=GONE)
        peer = Peer(address=theirs[0], ends=(line.family, theirs, ours))
        if not (is_loopback(theirs[0]) or is_loopback(ours[0])):
            peer.verdict = ELSEWHERE
            return peer
        try:
            owner = self._diag.owner(line.family, theirs, ours)
        except OSError as error:
            log.warning("the kernel does not say who calls", reason=str(error))
            owner = None
        if owner is None or owner.inode == 0:
            peer.verdict = GONE
        else:
            peer.uid, peer.inode = owner
        return peer

    def judge(self, peers: Sequence[Peer], roots: Collection[int]) -> list[Verdict]:
        """See `PeerCheck`."""
        inodes = {peer.inode for peer in peers if peer.pid is None}
        found = self._looks.find(inodes, roots) if inodes else {}
        return [self._conclude(peer, found, roots) for peer in peers]

    def _conclude(
        self, peer: Peer, found: Mapping[int, Verdict], roots: Collection[int]
    ) -> Verdict:
        if peer.pid is not None:
            return self._looks.caller(peer.pid, peer.met, roots)
        verdict = found[peer.inode]
        if verdict is FINE and self._is_gone(peer):
            return GONE
        return verdict

    def _is_gone(self, peer: Peer) -> bool:
        """Whether nobody holds the peer's socket any more: a command that wrote its request and
        left in time to be looked for in vain."""
        owner = self._diag_of_thread.owner(*peer.ends) if peer.ends else None
        return owner is None or owner.inode != peer.inode

    def close(self) -> None:
        """See `PeerCheck`."""
        self._diag.close()
        self._diag_of_thread.close()


HIDDEN: Final = unknown(
    "The process that called can't be found, and the agent may have started it."
)
LATE: Final = unknown(f"The process that called was not found in {LONGEST:g} s.")


class Looks:
    """Looks for processes, and remembers who called and whether the core had any."""

    def __init__(self, processes: Processes, mark: Mark) -> None:
        self._processes = processes
        self._mark = mark
        self._known: dict[int, Born] = {}  # as of the last look
        self._recent: OrderedDict[int, None] = OrderedDict()
        self._busy_until = 0.0

    def find(self, inodes: Collection[int], roots: Collection[int]) -> dict[int, Verdict]:
        """A verdict on the holder of each of these sockets.

        The first look is a short one: it takes what the last one knew, and passes by the most
        likely processes only. For those who are not found all is read anew; and once more if
        processes were born meanwhile, as on a busy machine they are.
        """
        end = time.monotonic() + LONGEST
        found: dict[int, Verdict] = {}
        left = set(inodes)
        for number in range(LOOKS):
            found |= self._look(set(left), roots, end, anew=number > 0)
            left = {inode for inode in left if found[inode] is HIDDEN}
            if not left or (number and time.monotonic() < self._busy_until):
                break
        return found

    def _look(
        self, left: set[int], roots: Collection[int], end: float, *, anew: bool
    ) -> dict[int, Verdict]:
        newest = self._processes.newest()
        known = self._known = self._processes.all({} if anew else self._known)
        agents = below(roots, known)
        found, blind = self._held_by_agents(left, agents, end)
        if blind or agents.difference(roots):
            self._busy_until = time.monotonic() + BUSY
        left -= found.keys()
        for pid in islice(self._others(known, agents), None if anew else SHORT):
            if not left or time.monotonic() > end:
                break
            held = left.intersection(self._processes.sockets(pid) or ())
            if held:
                found |= dict.fromkeys(held, self._holder(pid, known[pid], roots))
                left -= held
        unsure = bool(left) and (not anew or self._processes.newest() != newest)
        return found | dict.fromkeys(left, self._nobody(end, unsure))

    def _held_by_agents(
        self, wanted: set[int], agents: Collection[int], end: float
    ) -> tuple[dict[int, Verdict], bool]:
        """The sockets that processes of the agent hold, whoever else does, and whether there is
        one of them whose files can't be read."""
        found: dict[int, Verdict] = {}
        blind = False
        for pid in agents:
            if time.monotonic() > end:
                break
            held = self._processes.sockets(pid)
            blind = blind or held is None
            found |= dict.fromkeys(wanted.intersection(held or ()), AGENT)
        return found, blind

    def _others(self, known: Mapping[int, Born], agents: set[int]) -> Iterable[int]:
        """Every other process with files: those that called before, then the newest."""
        first = [pid for pid in reversed(self._recent) if pid in known and pid not in agents]
        yield from first
        for pid in sorted(known, reverse=True):
            if pid not in agents and pid not in first and not known[pid].flags & KERNEL_THREAD:
                yield pid

    def _holder(self, pid: int, born: Born, roots: Collection[int]) -> Verdict:
        """The verdict on a socket that was found with this process."""
        place = self.place(pid, born, roots)
        if place is Place.OUTSIDE:
            self._remember(pid)
        return {Place.OUTSIDE: FINE, Place.BELOW_CORE: AGENT, Place.LOST: HIDDEN}[place]

    def _remember(self, pid: int) -> None:
        self._recent[pid] = None
        self._recent.move_to_end(pid)
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)

    def _nobody(self, end: float, unsure: bool) -> Verdict:
        """The verdict where no holder was found: a process that hides its files, as programs with
        more rights than we have do. One of the agent's can make itself such; and one that goes on
        in a new child all the time is in no list of processes. `unsure`: the list may lack some,
        or some have been born as it was gone through."""
        now = time.monotonic()
        if now > end:
            return LATE
        return HIDDEN if unsure or now < self._busy_until else FINE

    def caller(self, pid: int, met: float, roots: Collection[int]) -> Verdict:
        """The verdict on the process that opened a Unix socket at `met` s after the start of the
        machine: the kernel names it, unless it has ended."""
        born = self._processes.born(pid) if pid else None
        if born is None or born.at / TICKS > met + 1 / TICKS:  # another with its number
            return GONE
        return {Place.OUTSIDE: FINE, Place.BELOW_CORE: AGENT, Place.LOST: GONE}[
            self.place(pid, born, roots)
        ]

    def place(self, pid: int, born: Born, roots: Collection[int]) -> Place:
        """Go up from a process to the first one. A parent is what it was when its child was read;
        one that has ended since, or is younger than its child, is not: then the child is read
        again, for it has been adopted."""
        here = self._processes.born(pid)
        if here is None or here.at != born.at:
            return Place.LOST
        for _ in range(TRIES):
            while True:
                if pid in roots or self._mark.fits(self._processes.variable(pid, self._mark.name)):
                    return Place.BELOW_CORE
                if here.parent == 0:
                    return Place.OUTSIDE
                above = self._processes.born(here.parent)
                if above is None or above.at > here.at:
                    break
                pid, here = here.parent, above
            again = self._processes.born(pid)
            if again is None or again.at != here.at:
                return Place.LOST
            here = again
        return Place.LOST
