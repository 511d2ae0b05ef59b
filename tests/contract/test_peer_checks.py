"""What each check of peers says of real sockets and real processes.

The processes of the agent are played by a process of the test that stands for the core.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from codex_http_server.auth.checks import finds_us, peer_check
from codex_http_server.auth.linux import GONE, HIDDEN, LinuxPeers
from codex_http_server.auth.peers import (
    AGENT,
    ELSEWHERE,
    FINE,
    NOT_OURS,
    LocalPeers,
    Mark,
    Peer,
    PeerCheck,
    Verdict,
)
from codex_http_server.auth.portable import NOT_FOUND, Nothing, ProcessList
from tests.support.commands import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="made for Linux")

MARK = Mark("PEER_TEST_CORE", Path("/run/peer-test"))
CHECKS = {"sock_diag": LinuxPeers, "process_list": ProcessList}
ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="to be another user needs root")
FAMILIES = {
    "IPv4": (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
    "IPv6": (socket.AF_INET6, "::1", "::1"),
    "IPv4 in IPv6": (socket.AF_INET6, "::", "::ffff:127.0.0.1"),
    "IPv4 at IPv6": (socket.AF_INET6, "::", "127.0.0.1"),
    "IPv6 at IPv4": (socket.AF_INET, "127.0.0.1", "::ffff:127.0.0.1"),
}


@pytest.fixture(params=CHECKS)
def check(request: pytest.FixtureRequest) -> Iterator[PeerCheck]:
    """Every implementation."""
    made: PeerCheck = CHECKS[request.param](MARK)
    yield made
    made.close()


@pytest.fixture
def linux() -> Iterator[LinuxPeers]:
    """The one for Linux."""
    made = LinuxPeers(MARK)
    yield made
    made.close()


class Place:
    """A socket that listens; `accept` gives the server's end of the next connection."""

    def __init__(self, family: int = socket.AF_INET, address: str = "127.0.0.1") -> None:
        self.socket = socket.socket(family)
        self.socket.settimeout(10)
        if family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.bind(address if family == socket.AF_UNIX else (address, 0))
        self.socket.listen(2048)

    @property
    def port(self) -> int:
        return self.socket.getsockname()[1]

    def accept(self) -> socket.socket:
        line, _ = self.socket.accept()
        return line

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


@pytest.fixture
def place() -> Iterator[Place]:
    """A socket that listens on loopback."""
    with Place() as made:
        yield made


# --- processes that call ----------------------------------------------------------------------

CONNECT = """
import socket, sys
where = sys.argv[1]
line = socket.socket(socket.AF_UNIX) if "/" in where else socket.socket()
line.connect(where if "/" in where else ("127.0.0.1", int(where)))
"""
WAIT = "\nprint(flush=True); sys.stdin.read()\n"
ORPHAN = """
import os
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
"""
BECOME = "import os, socket, sys; os.setuid(12345)\n"  # imports need the first user's rights
# A thread whose files are its own: they are not in /proc/<pid>/fd.
THREAD = """
import ctypes, threading
def own():
    assert ctypes.CDLL(None).unshare(0x400) == 0
    exec(CONNECT)
    print(flush=True); sys.stdin.read()
import sys; thread = threading.Thread(target=own); thread.start(); thread.join()
"""
# A parent that adopts orphans, as the keeper does, runs the program below itself.
ADOPT = """
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
subprocess.Popen([sys.executable, "-c", *sys.argv[1:]], close_fds=False)
while True:
    try: os.wait()
    except ChildProcessError: break
"""


@contextmanager
def caller(
    program: str, place: Place, *, below: bool = False, environment: dict[str, str] | None = None
) -> Iterator[tuple[socket.socket, int]]:
    """Run a program that connects; our end of the connection, and the pid that we started.

    `below`: what we start is a core with a keeper's duties, and the program its child.
    """
    where = place.socket.getsockname() if place.socket.family == socket.AF_UNIX else str(place.port)
    words = ["-c", ADOPT, program, where] if below else ["-c", program, where]
    process = subprocess.Popen(
        [sys.executable, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | (environment or {}),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with place.accept() as line:
            assert process.stdout.readline() == b"\n"
            yield line, process.pid
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def verdict(check: PeerCheck, line: socket.socket, *roots: int) -> Verdict:
    """What a check says of a connection."""
    peer = check.meet(line)
    return peer.verdict or check.judge([peer], roots)[0]


# --- every check ------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_a_process_of_ours_is_fine(check: PeerCheck, family: str) -> None:
    kind, listen, connect = FAMILIES[family]
    with (
        Place(kind, listen) as place,
        socket.socket(socket.AF_INET6 if ":" in connect else socket.AF_INET) as own,
    ):
        own.connect((connect, place.port))
        with place.accept() as line:
            assert verdict(check, line) is FINE
            assert verdict(check, line, os.getpid()) is AGENT


def test_a_program_that_we_start_is_fine(check: PeerCheck, place: Place) -> None:
    with caller(CONNECT + WAIT, place) as (line, _):
        assert verdict(check, line) is FINE


def test_the_core_itself_is_the_agent(check: PeerCheck, place: Place) -> None:
    with caller(CONNECT + WAIT, place) as (line, pid):
        assert verdict(check, line, pid) is AGENT


def test_what_the_core_starts_is_the_agent(check: PeerCheck, place: Place) -> None:
    with caller(CONNECT + WAIT, place, below=True) as (line, pid):
        assert verdict(check, line, pid) is AGENT
        with socket.create_connection(("127.0.0.1", place.port)), place.accept() as ours:
            assert verdict(check, ours, pid) is FINE


def test_an_orphan_is_the_agent(check: PeerCheck, place: Place) -> None:
    with caller(ORPHAN + CONNECT + WAIT, place, below=True) as (line, pid):
        assert verdict(check, line, pid) is AGENT


def test_an_orphan_without_a_keeper_is_known_by_its_mark(check: PeerCheck, place: Place) -> None:
    mark = {MARK.name: str(MARK.folder / "home" / "1.sock")}
    with caller(ORPHAN + CONNECT + WAIT, place, environment=mark) as (line, _):
        assert verdict(check, line) is AGENT


@needs_root
def test_a_process_of_another_user_is_refused(check: PeerCheck, place: Place) -> None:
    with caller(BECOME + CONNECT + WAIT, place) as (line, pid):
        for roots in ((), (pid,)):
            assert verdict(check, line, *roots) is NOT_OURS


def test_a_caller_that_has_gone_is_refused(check: PeerCheck, place: Place) -> None:
    own = socket.create_connection(("127.0.0.1", place.port))
    own.sendall(b"POST / HTTP/1.1\r\n")
    with place.accept() as line:
        own.close()
        assert verdict(check, line) in (GONE, NOT_FOUND)


def test_many_are_judged_at_once(check: PeerCheck, place: Place) -> None:
    with ExitStack() as stack, caller(CONNECT + WAIT, place, below=True) as (agent, pid):
        address = ("127.0.0.1", place.port)
        own = [stack.enter_context(socket.create_connection(address)) for _ in range(20)]
        lines = [stack.enter_context(place.accept()) for _ in own]
        met = [check.meet(line) for line in [*lines, agent]]
        assert check.judge(met, (pid,)) == [FINE] * 20 + [AGENT]


@pytest.mark.parametrize("below", [False, True])
def test_at_a_unix_socket_the_kernel_names_the_caller(
    check: PeerCheck, tmp_path: Path, below: bool
) -> None:
    with (
        Place(socket.AF_UNIX, str(tmp_path / "s")) as place,
        caller(CONNECT + WAIT, place, below=below) as (line, pid),
    ):
        assert verdict(check, line) is FINE
        assert verdict(check, line, pid) is AGENT


def test_at_a_unix_socket_a_caller_that_has_ended_is_refused(
    check: PeerCheck, tmp_path: Path
) -> None:
    with Place(socket.AF_UNIX, str(tmp_path / "s")) as place:
        words = [sys.executable, "-c", CONNECT, place.socket.getsockname()]
        subprocess.run(words, check=True)
        with place.accept() as line:
            assert verdict(check, line) is GONE


def test_a_check_is_tried_before_it_is_relied_on(check: PeerCheck) -> None:
    assert finds_us(check)
    assert not finds_us(Nothing())
    best = peer_check(MARK)
    assert best.name == "sock_diag"
    best.close()


def test_a_check_that_can_not_tell_refuses_all(place: Place) -> None:
    with socket.create_connection(("127.0.0.1", place.port)), place.accept() as line:
        found = verdict(Nothing(), line)
    assert "can't tell" in found.why


# --- what only /proc shows --------------------------------------------------------------------


@needs_root
def test_at_a_unix_socket_another_user_is_refused(linux: LinuxPeers, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    with Place(socket.AF_UNIX, str(tmp_path / "s")) as place:
        (tmp_path / "s").chmod(0o777)
        program = BECOME + CONNECT + WAIT
        with caller(program, place) as (line, _):
            assert verdict(linux, line) is NOT_OURS


def test_a_socket_shared_with_a_child_of_the_core_is_the_agents(
    linux: LinuxPeers, place: Place
) -> None:
    with socket.create_connection(("127.0.0.1", place.port)) as own, place.accept() as line:
        assert verdict(linux, line) is FINE
        child = subprocess.Popen(["sleep", "30"], pass_fds=[own.fileno()])
        try:
            assert verdict(linux, line, child.pid) is AGENT
        finally:
            child.kill()
            child.wait()
        assert verdict(linux, line, child.pid) is FINE


def test_a_thread_with_files_of_its_own_is_not_found_and_not_let_in(
    linux: LinuxPeers, place: Place
) -> None:
    program = f"CONNECT = {CONNECT!r}\n{THREAD}"
    with caller(program, place, below=True) as (line, pid):
        assert verdict(linux, line, pid) is HIDDEN


def test_a_process_that_wrote_and_went_between_two_looks_is_refused(
    linux: LinuxPeers, place: Place
) -> None:
    own = socket.create_connection(("127.0.0.1", place.port))
    with place.accept() as line:
        peer = linux.meet(line)
        own.close()
        assert linux.judge([peer], ()) == [GONE]


def test_a_machine_elsewhere_is_not_asked_for(linux: LinuxPeers) -> None:
    """A connection between two addresses that are not loopback."""
    address = _own_address()
    if address is None:
        pytest.skip("this machine has no other address than loopback")
    with (
        Place(address=address) as place,
        socket.create_connection((address, place.port)),
        place.accept() as line,
    ):
        assert verdict(linux, line) is ELSEWHERE


def _own_address() -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        found = probe.getsockname()[0]
    return None if found.startswith("127.") else found


def test_a_process_that_forks_and_dies_all_the_time_is_not_let_in(
    linux: LinuxPeers, place: Place
) -> None:
    """The socket goes from child to child: it is held by one, but never for long by the same."""
    program = (
        CONNECT
        + """
import os, time
print(flush=True)
end = time.monotonic() + 20
while time.monotonic() < end and os.stat(0).st_ino:
    if os.fork(): os._exit(0)
    os.setsid()
"""
    )
    with caller(program, place, below=True) as (line, pid):
        found = {linux.judge([linux.meet(line)], (pid,))[0] for _ in range(10)}
        assert FINE not in found
        subprocess.run(["kill", "-9", str(pid)], check=True)
    until(lambda: verdict(linux, line, pid) is not FINE, "it is gone")


# --- what it costs ----------------------------------------------------------------------------


@contextmanager
def processes(count: int) -> Iterator[None]:
    """So many more processes, asleep."""
    started = [subprocess.Popen(["sleep", "60"]) for _ in range(count)]
    try:
        yield
    finally:
        for each in started:
            each.kill()
        for each in started:
            each.wait()


async def _longest_turn(work: Callable[[], asyncio.Task[object]]) -> float:
    """The longest time that the loop was not ours while `work` ran, in seconds."""
    task, longest, last = work(), 0.0, time.perf_counter()
    while not task.done():
        await asyncio.sleep(0)  # noqa: TID251 # this is what is measured
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return longest


async def test_a_look_through_many_processes_leaves_the_loop_free(
    linux: LinuxPeers, place: Place
) -> None:
    local = LocalPeers(linux, lambda: ())
    with processes(300), socket.create_connection(("127.0.0.1", place.port)) as own:
        with place.accept() as line:
            before = threading.active_count()
            turns: list[float] = []
            for _ in range(5):
                peer = linux.meet(line)
                peer.inode = 1  # one that nobody has: all are looked at
                turns.append(
                    await _longest_turn(lambda p=peer: asyncio.create_task(_ask(local, p)))
                )
            assert threading.active_count() <= before + 1
        assert own.fileno() > 0
    local.close()
    # The best of five: the machine may be busy with something else.
    assert min(turns) < 0.02, turns


async def _ask(local: LocalPeers, peer: Peer) -> object:
    try:
        return await local({"state": {"peer": peer}})
    except Exception as error:  # noqa: BLE001 # its verdict is of no interest here
        return error
