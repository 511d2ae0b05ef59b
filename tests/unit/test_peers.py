"""Who a peer is, on values: messages of the kernel, lines of /proc, trees of processes."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from codex_http_server.auth import linux, peers, sockdiag
from codex_http_server.auth.callers import LOCAL
from codex_http_server.auth.linux import HIDDEN, LATE, Looks, Place
from codex_http_server.auth.peers import (
    AGENT,
    ELSEWHERE,
    FINE,
    GONE,
    NOT_OURS,
    PEER,
    LocalPeers,
    Mark,
    Peer,
    Verdict,
    is_loopback,
)
from codex_http_server.auth.processes import Born, Processes, below, parse_stat
from codex_http_server.errors import AgentSelfAccess, OtherUser, PeerUnknown

MARK = Mark("MARK", Path("/run/cores"))
KEEPER, CORE = 50, 51
ROOTS = (KEEPER, CORE)
SOCKET = 777  # an inode


# --- what the kernel says -------------------------------------------------------------------


def test_a_question_names_both_ends_from_the_peers_side() -> None:
    message = sockdiag.question(7, socket.AF_INET, ("127.0.0.1", 1000), ("127.0.0.2", 3032))
    assert struct.unpack_from("=IHHII", message) == (len(message), 20, 1, 7, 0)
    assert len(message) == 16 + 56
    assert message[16:18] == bytes([socket.AF_INET, socket.IPPROTO_TCP])
    assert struct.unpack_from("!HH", message, 24) == (1000, 3032)
    assert message[28:32] == bytes([127, 0, 0, 1])
    assert message[44:48] == bytes([127, 0, 0, 2])


def test_an_answer_is_an_owner_or_none_or_an_error() -> None:
    head = struct.pack("=IHHII", 88, 20, 0, 7, 0)
    assert sockdiag.answer(head + bytes(64) + struct.pack("=II", 1000, 55)) == (1000, 55)
    error = struct.pack("=IHHII", 36, 2, 0, 7, 0)
    assert sockdiag.answer(error + struct.pack("=i", -errno.ENOENT)) is None
    with pytest.raises(OSError, match="does not say"):
        sockdiag.answer(error + struct.pack("=i", -errno.EPERM))
    with pytest.raises(OSError, match="type 3"):
        sockdiag.answer(struct.pack("=IHHII", 16, 3, 0, 7, 0))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_known_in_every_spelling(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["10.0.0.1", "::", "fe80::1%eth0", "::ffff:10.0.0.1"])
def test_what_is_not_loopback_is_not(address: str) -> None:
    assert not is_loopback(address)


# --- lines of /proc -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sh", "a b", ") S 1 (", "(((", "\n7 8"])
def test_a_process_may_have_any_name(name: str) -> None:
    fields = " ".join(["S", "42", *["0"] * 4, "64", *["0"] * 12, "99", "0"])
    assert parse_stat(f"7 ({name}) {fields}".encode()) == Born(parent=42, at=99, flags=64)


def test_half_a_line_is_no_process() -> None:
    assert parse_stat(b"7 (sh) S 42") is None
    assert parse_stat(b"") is None


def test_below_finds_every_descendant_and_only_living_roots() -> None:
    known = {1: Born(0, 0), 2: Born(1, 1), 3: Born(2, 2), 4: Born(3, 3), 9: Born(1, 9)}
    assert below((2,), known) == {2, 3, 4}
    assert below((2, 77), known) == {2, 3, 4}
    assert below((77,), known) == set()


def test_below_ends_where_pids_were_used_again_in_a_circle() -> None:
    assert below((2,), {2: Born(3, 1), 3: Born(2, 2)}) == {2, 3}


# --- trees ----------------------------------------------------------------------------------


class Table(Processes):
    """Processes that are written down here. `then` is done when one has been read."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[int, Born] = {1: Born(0, 0), KEEPER: Born(1, 10), CORE: Born(KEEPER, 11)}
        self.held: dict[int, set[int] | None] = {}
        self.marks: dict[int, str] = {}
        self.then: dict[tuple[str, int], Callable[[], None]] = {}
        self.looks = 0
        self.births = 0

    def add(self, pid: int, parent: int, *sockets: int, at: int | None = None) -> None:
        self.known[pid] = Born(parent, pid if at is None else at)
        self.held[pid] = set(sockets)

    def all(self, known: Mapping[int, Born]) -> dict[int, Born]:
        self.looks += 1
        found = {pid: known.get(pid, born) for pid, born in self.known.items()}
        self._after("all", 0)
        return found

    def newest(self) -> bytes:
        return str(self.births or len(self.known)).encode()

    def born(self, pid: int) -> Born | None:
        found = self.known.get(pid)
        self._after("born", pid)
        return found

    def sockets(self, pid: int) -> Collection[int] | None:
        found = self.held.get(pid, set())
        self._after("sockets", pid)
        return found

    def variable(self, pid: int, name: str) -> str | None:
        assert name == MARK.name
        return self.marks.get(pid)

    def _after(self, what: str, pid: int) -> None:
        self.then.pop((what, pid), lambda: None)()

    def verdict(self, looks: Looks | None = None) -> Verdict:
        return (looks or Looks(self, MARK)).find({SOCKET}, ROOTS)[SOCKET]


@pytest.fixture
def table() -> Table:
    return Table()


def test_a_holder_outside_the_tree_is_fine(table: Table) -> None:
    table.add(100, 1, SOCKET)
    assert table.verdict() is FINE


def test_a_holder_outside_is_fine_while_the_agent_runs_commands(table: Table) -> None:
    table.add(90, CORE, 5)
    table.add(100, 1, SOCKET)
    assert table.verdict() is FINE


@pytest.mark.parametrize("pid", [KEEPER, CORE, 90, 91])
def test_a_holder_in_the_tree_is_the_agent(table: Table, pid: int) -> None:
    table.add(90, CORE)
    table.add(91, 90)
    table.held[pid] = {SOCKET}
    assert table.verdict() is AGENT


def test_an_orphan_that_the_keeper_adopted_is_the_agent(table: Table) -> None:
    table.add(90, KEEPER, SOCKET)
    assert table.verdict() is AGENT


def test_a_socket_that_both_hold_is_the_agents(table: Table) -> None:
    table.add(90, CORE, SOCKET)
    table.add(100, 1, SOCKET)
    assert table.verdict() is AGENT


def test_a_socket_that_nobody_holds_passes_only_while_the_core_has_no_processes(
    table: Table,
) -> None:
    assert table.verdict() is FINE
    table.add(90, CORE)
    assert table.verdict() is HIDDEN


def test_it_does_not_pass_for_some_seconds_after_the_core_had_some(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = Looks(table, MARK)
    table.add(90, CORE)
    table.add(100, 1, SOCKET)
    assert table.verdict(looks) is FINE
    del table.known[90], table.known[100]
    assert table.verdict(looks) is HIDDEN
    later = linux.time.monotonic() + linux.BUSY + 1
    monkeypatch.setattr(linux.time, "monotonic", lambda: later)
    assert table.verdict(looks) is FINE


def test_a_core_that_hides_its_files_may_be_the_one(table: Table) -> None:
    table.held[CORE] = None
    assert table.verdict() is HIDDEN
    table.add(100, 1, SOCKET)
    assert table.verdict() is FINE, "found elsewhere"


def test_a_child_born_after_the_list_was_made_is_the_agent(table: Table) -> None:
    """Its parent gave it the socket and went, between the list and the look at the parent."""
    table.add(90, CORE, SOCKET)

    def fork() -> None:
        del table.known[90], table.held[90]
        table.add(91, KEEPER, SOCKET)

    table.then["all", 0] = fork
    assert table.verdict() is AGENT
    assert table.looks == 2


def test_one_that_lives_on_in_a_new_child_all_the_time_does_not_pass(table: Table) -> None:
    """It is in no list, but it makes numbers be given out."""

    def fork() -> None:
        table.births += 1
        table.then["all", 0] = fork

    table.then["all", 0] = fork
    assert table.verdict() is HIDDEN
    assert table.looks == linux.LOOKS
    del table.then["all", 0]
    assert table.verdict() is FINE, "nobody is born any more"


def test_a_number_that_was_used_again_is_read_anew_before_one_passes_unseen(
    table: Table,
) -> None:
    looks = Looks(table, MARK)
    table.add(100, 1, SOCKET)
    table.add(90, 1)
    assert table.verdict(looks) is FINE
    table.add(90, CORE, SOCKET)  # another, below the core
    table.held[100] = set()
    assert table.verdict(looks) is AGENT
    table.held[90] = None
    assert table.verdict(looks) is HIDDEN


def test_a_holder_that_is_adopted_while_we_go_up_is_read_again(table: Table) -> None:
    table.add(90, CORE)
    table.add(91, 90, SOCKET)

    def adopt() -> None:
        del table.known[90]
        table.known[91] = Born(KEEPER, 91)

    table.then["born", 91] = adopt
    assert Looks(table, MARK).place(91, Born(90, 91), ROOTS) is Place.BELOW_CORE


def test_a_parent_whose_number_was_used_again_is_not_the_parent(table: Table) -> None:
    table.add(90, 1, at=5000)  # younger than its child
    table.add(91, 90, at=91)
    table.then["born", 90] = lambda: table.known.update({91: Born(KEEPER, 91)})
    assert Looks(table, MARK).place(91, Born(90, 91), ROOTS) is Place.BELOW_CORE


def test_a_holder_whose_number_was_used_again_is_lost(table: Table) -> None:
    table.add(100, 1, SOCKET)
    assert Looks(table, MARK).place(100, Born(1, 7), ROOTS) is Place.LOST
    assert Looks(table, MARK).place(101, Born(1, 7), ROOTS) is Place.LOST


def test_a_process_whose_parents_end_for_ever_is_lost(table: Table) -> None:
    table.add(91, 90)
    assert Looks(table, MARK).place(91, Born(90, 91), ROOTS) is Place.LOST


def test_the_first_process_of_a_container_ends_the_way_up(table: Table) -> None:
    table.add(60, 0)
    table.add(61, 60)
    assert Looks(table, MARK).place(61, Born(60, 61), ROOTS) is Place.OUTSIDE


@pytest.mark.parametrize("pid", [100, 101])
def test_an_orphan_of_a_killed_keeper_is_known_by_its_mark(table: Table, pid: int) -> None:
    table.add(100, 1)
    table.add(101, 100, SOCKET)
    table.marks[pid] = "/run/cores/home/1a2b.sock"
    assert table.verdict() is AGENT


def test_a_mark_of_something_else_is_none(table: Table) -> None:
    table.add(100, 1, SOCKET)
    for value in ("", "/run/other/1.sock", "/run/cores", "1a2b.sock"):
        table.marks[100] = value
        assert table.verdict() is FINE, value


def test_a_server_of_the_agents_own_may_be_called_by_the_agent() -> None:
    ours = "/run/cores/home/outer.sock"
    mark = Mark("MARK", Path("/run/cores"), ours)
    assert not mark.fits(ours)
    assert mark.fits("/run/cores/home/inner.sock")


def test_who_called_before_is_looked_at_first(table: Table) -> None:
    for pid in range(100, 200):
        table.add(pid, 1)
    table.held[100] = {SOCKET}
    looks = Looks(table, MARK)
    asked: list[int] = []
    table.verdict(looks)
    for pid in range(100, 200):
        table.then["sockets", pid] = lambda pid=pid: asked.append(pid)
    table.verdict(looks)
    assert asked == [100]


def test_threads_of_the_kernel_are_not_looked_at(table: Table) -> None:
    table.add(100, 2, SOCKET)
    table.known[100] = Born(2, 100, linux.KERNEL_THREAD)
    table.add(CORE + 1, CORE)
    assert table.verdict() is HIDDEN


def test_a_look_ends_in_time(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux, "LONGEST", -1.0)
    table.add(100, 1, SOCKET)
    assert table.verdict() is LATE


def test_many_sockets_are_found_in_one_look(table: Table) -> None:
    table.add(90, CORE, 1)
    table.add(100, 1, 2, 3)
    found = Looks(table, MARK).find({1, 2, 3}, ROOTS)
    assert found == {1: AGENT, 2: FINE, 3: FINE}
    assert table.looks == 1


def test_the_caller_at_a_unix_socket_is_judged_by_its_number(table: Table) -> None:
    looks = Looks(table, MARK)
    table.add(90, CORE)
    table.add(100, 1, at=100)
    met = 100 / linux.TICKS
    assert looks.caller(90, met, ROOTS) is AGENT
    assert looks.caller(100, met, ROOTS) is FINE
    assert looks.caller(101, met, ROOTS) is GONE
    assert looks.caller(0, met, ROOTS) is GONE, "of another container"
    assert looks.caller(100, met - 1, ROOTS) is GONE, "another with its number"


# --- one verdict for each connection --------------------------------------------------------


class Check:
    """A `PeerCheck` that says what it is told to, once `go` is set."""

    name = "told"

    def __init__(self, *verdicts: Verdict | Exception) -> None:
        self.go = threading.Event()
        self.begun = threading.Event()
        self.rounds: list[int] = []
        self._verdicts = list(verdicts)

    def meet(self, line: socket.socket) -> Peer:
        raise NotImplementedError

    def judge(self, peers: Sequence[Peer], roots: Collection[int]) -> list[Verdict]:
        assert tuple(roots) == ROOTS
        self.begun.set()
        assert self.go.wait(5)
        self.rounds.append(len(peers))
        verdict = self._verdicts.pop(0)
        if isinstance(verdict, Exception):
            raise verdict
        return [verdict for _ in peers]

    def close(self) -> None:
        pass


def scope(peer: Peer) -> dict[str, Any]:
    return {"state": {PEER: peer}}


async def test_a_verdict_is_found_once_for_a_connection() -> None:
    check = Check(FINE)
    check.go.set()
    local, peer = LocalPeers(check, lambda: ROOTS), Peer()
    assert [await local(scope(peer)) for _ in range(3)] == [LOCAL] * 3
    assert check.rounds == [1]
    local.close()


@pytest.mark.parametrize(
    ("verdict", "error"),
    [(AGENT, AgentSelfAccess), (NOT_OURS, OtherUser), (ELSEWHERE, PeerUnknown)],
)
async def test_a_verdict_known_at_once_needs_no_look(verdict: Verdict, error: Any) -> None:
    local = LocalPeers(Check(), lambda: ROOTS)
    with pytest.raises(error) as refused:
        await local(scope(Peer(verdict=verdict)))
    assert "oken" in str(refused.value.hint)
    local.close()


async def test_who_comes_during_a_look_waits_for_the_next() -> None:
    check = Check(FINE, AGENT)
    local = LocalPeers(check, lambda: ROOTS)
    first = asyncio.create_task(local(scope(Peer())))
    await asyncio.to_thread(check.begun.wait, 5)
    later = [asyncio.create_task(local(scope(Peer()))) for _ in range(3)]
    await asyncio.sleep(0)  # noqa: TID251 # one turn of the loop: they have asked
    check.go.set()
    assert await first == LOCAL
    refused = await asyncio.gather(*later, return_exceptions=True)
    assert [type(each) for each in refused] == [AgentSelfAccess] * 3
    assert check.rounds == [1, 3]
    local.close()


async def test_one_that_was_not_found_is_looked_for_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check = Check(HIDDEN, FINE)
    check.go.set()
    monkeypatch.setattr(peers, "AGAIN", 0.0)
    local, peer = LocalPeers(check, lambda: ROOTS), Peer()
    with pytest.raises(PeerUnknown):
        await local(scope(peer))
    while peer.verdict is not None:  # noqa: ASYNC110 # the timer is the loop's own
        await asyncio.sleep(0)  # noqa: TID251
    assert await local(scope(peer)) == LOCAL
    local.close()


async def test_a_look_that_fails_lets_nobody_in_and_is_told() -> None:
    check = Check(RuntimeError("broken"), FINE)
    check.go.set()
    local, peer = LocalPeers(check, lambda: ROOTS), Peer()
    with pytest.raises(RuntimeError, match="broken"):
        await local(scope(peer))
    assert await local(scope(peer)) == LOCAL
    local.close()


async def test_a_request_that_is_given_up_disturbs_no_other() -> None:
    check = Check(FINE)
    local = LocalPeers(check, lambda: ROOTS)
    first, second = (asyncio.create_task(local(scope(Peer()))) for _ in range(2))
    await asyncio.to_thread(check.begun.wait, 5)
    first.cancel()
    check.go.set()
    assert await second == LOCAL
    with pytest.raises(asyncio.CancelledError):
        await first
    local.close()
