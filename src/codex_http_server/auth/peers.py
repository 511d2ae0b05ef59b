"""Whoever is at the other end of a connection, and whether that process may call without a token.

Owns the verdict: one for each connection, found when its first request asks for it, by one thread
that looks for all that wait at once. Knows no platform: what can be known, and how, is a
`PeerCheck` (`linux.py`, `portable.py`).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Protocol

from codex_http_server.auth.callers import LOCAL, Caller
from codex_http_server.errors import AgentSelfAccess, OtherUser, PeerUnknown, ServerError

PEER: Final = "peer"  # in the state of a request's scope
AGAIN: Final = 1.0  # seconds after which a peer that was not found is looked for again


@dataclass(frozen=True)
class Verdict:
    """What is thought of a peer: the error that refuses it, or none."""

    refusal: type[ServerError] | None = None
    why: str = ""

    def enforce(self) -> None:
        """Raises the refusal, if it is one."""
        if self.refusal is not None:
            raise self.refusal(self.why, hint=_HINTS[self.refusal])


FINE: Final = Verdict()
AGENT: Final = Verdict(
    AgentSelfAccess,
    "The caller is the Codex core or was started by it: the agent may not drive its own server.",
)
NOT_OURS: Final = Verdict(OtherUser, "The caller is a process of another user of this machine.")

_HINTS: Final[Mapping[type[ServerError], str]] = {
    AgentSelfAccess: "A command of the agent that has to call gets a token from you:"
    " Authorization: Bearer …",
    OtherUser: "Call as the user that runs the server, or with a token: Authorization: Bearer …",
    PeerUnknown: "Try again, or send a token: Authorization: Bearer …",
}


def unknown(why: str) -> Verdict:
    """The verdict on a peer that can't be told from a process of the agent."""
    return Verdict(PeerUnknown, why)


GONE: Final = unknown("The process that called has ended, or closed its connection.")
ELSEWHERE: Final = unknown("The caller is not on this machine.")


@dataclass(frozen=True)
class Mark:
    """The variable that every core hands down: it knows the orphans of a killed keeper.

    A value in `folder` is that of a core of this user. `ours` is the value that we were started
    with ourselves: an agent may well run a server of its own and call that one.
    """

    name: str
    folder: Path
    ours: str | None = None

    def fits(self, value: str | None) -> bool:
        """Whether this value was handed down by a core that is not above us."""
        return value is not None and value != self.ours and self.folder in Path(value).parents


@dataclass(eq=False, slots=True)
class Peer:
    """One connection's other end, as the kernel knew it when the connection was made.

    Which of the fields are known depends on the check. `verdict` is the only one that changes.
    """

    address: str = ""  # the host's, without port; empty for a Unix socket
    uid: int | None = None
    pid: int | None = None  # of a Unix socket
    inode: int = 0
    ends: tuple[int, tuple[str, int], tuple[str, int]] | None = None  # family, theirs, ours
    met: float = 0.0  # when, in the check's own time
    verdict: Verdict | None = field(default=None)

    @property
    def group(self) -> str:
        """Whose connections this one counts among."""
        return self.address if self.uid is None else f"uid {self.uid}"


class PeerCheck(Protocol):
    """What a platform can tell."""

    @property
    def name(self) -> str:
        """How peers are checked, for the log and the ready line."""
        ...

    def meet(self, line: socket.socket) -> Peer:
        """A connection has been made. On the event loop: takes microseconds."""
        ...

    def judge(self, peers: Sequence[Peer], roots: Collection[int]) -> list[Verdict]:
        """A verdict for each. In a thread, one call at a time; bounded. `roots`: the processes
        that all of the agent's descend from."""
        ...

    def close(self) -> None:
        """Let go of what is held. No call comes after it."""
        ...


class LocalPeers:
    """Recognises callers without a token: a process of our user that is none of the agent's."""

    def __init__(self, check: PeerCheck, roots: Callable[[], Collection[int]]) -> None:
        self._check = check
        self._roots = roots
        self._thread = ThreadPoolExecutor(1, "peers")
        self._waiting: list[tuple[Peer, asyncio.Future[Verdict]]] = []
        self._looking: asyncio.Task[None] | None = None

    @property
    def check(self) -> str:
        """How peers are checked."""
        return self._check.name

    def meet(self, line: socket.socket) -> Peer:
        """A connection has been made."""
        return self._check.meet(line)

    async def __call__(self, scope: Mapping[str, Any]) -> Caller:
        """The caller of a request. Raises `OtherUser`, `AgentSelfAccess`, `PeerUnknown`."""
        (await self._verdict(scope["state"][PEER])).enforce()
        return LOCAL

    async def _verdict(self, peer: Peer) -> Verdict:
        if peer.verdict is not None:
            return peer.verdict
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Verdict] = loop.create_future()
        self._waiting.append((peer, found))
        if self._looking is None:
            self._looking = loop.create_task(self._look())
        return await found

    async def _look(self) -> None:
        """Look for all that wait, until nobody does. Whoever comes meanwhile is in the next
        round: what one round has read is older than their connections."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                round_, self._waiting = self._waiting, []
                peers = [peer for peer, _ in round_]
                roots = tuple(self._roots())
                try:
                    found = await loop.run_in_executor(
                        self._thread, self._check.judge, peers, roots
                    )
                except Exception as error:  # noqa: BLE001 # theirs to report: a 500, logged
                    _fail(round_, error)
                else:
                    _settle(round_, found, loop)
        finally:
            self._looking = None

    def close(self) -> None:
        """End the thread; at most one look goes on, and nobody waits for it."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._check.close()


Round = Sequence[tuple[Peer, "asyncio.Future[Verdict]"]]


def _settle(round_: Round, found: Sequence[Verdict], loop: asyncio.AbstractEventLoop) -> None:
    for (peer, waiting), verdict in zip(round_, found, strict=True):
        peer.verdict = verdict
        if verdict is FINE:
            peer.ends = None  # it will not be asked again
        if verdict.refusal is PeerUnknown:
            loop.call_later(AGAIN, _forget, peer)
        if not waiting.done():  # the request may have been given up
            waiting.set_result(verdict)


def _fail(round_: Round, error: Exception) -> None:
    for _, waiting in round_:
        if not waiting.done():
            waiting.set_exception(error)


def _forget(peer: Peer) -> None:
    peer.verdict = None


@lru_cache(256)
def is_loopback(address: str) -> bool:
    """Whether an address never leaves this machine; IPv4 written as IPv6 too."""
    return ip_address(plain(address)).is_loopback


def plain(address: str) -> str:
    """An address without the interface, and as IPv4 where it is IPv4 written as IPv6."""
    found = ip_address(address.partition("%")[0])
    return str(getattr(found, "ipv4_mapped", None) or found)
