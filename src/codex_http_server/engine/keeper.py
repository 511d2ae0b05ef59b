"""The keeper: parent of the core and of nothing else, so that a turn outlives a killed server.

A program of its own (`python -I -S keeper.py '<spec>'`, 12 MB), standard library only. It holds
`core.lock`, starts the core, writes `core.json` (before the start, after it, and with the exit
status at the end), and ends the core and every process left below it when it is told to, when
no server has been connected for `adopt_within` seconds, or when the parent that the server was
bound to is gone. No event passes through it. If the keeper itself is killed, the kernel ends
the core (Linux), so that no core is ever without one.

A server holds a connection to the socket `control`; lines of JSON go both ways. To the server:
the record at once, and again with `status` when the core has ended. From it: `{"stop": true}`,
and `{"adopt_within": s, "parent": {"pid", "birth"} | null}`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time

if os.name == "posix":  # elsewhere only `birth` is looked at
    import fcntl

TYPE_CHECKING = False  # as type checkers know it; importing `typing` would cost 1 MB
if TYPE_CHECKING:
    from typing import Any

PROTOCOL = 1  # of the spec, the record and the lines; a server takes over only its own
ENDING = ((0.0, "SIGTERM"), (0.2, "SIGTERM"), (1.5, "SIGKILL"))  # seconds, signal
# With a turn open the first SIGTERM only drains; the second ends the core in 0.1 s (measured).
LOOK = 1.0  # seconds between looks at the parent
FIRST = 5.0  # seconds for the server that started us to come, however small `adopt_within` is
NAP = 3600.0  # seconds that we sleep at most
LINE = 65536  # bytes of a line
BURY = 2.0  # seconds for what is left below us to end after SIGKILL
HELD = 3  # exit status: another keeper holds the lock
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def birth(pid: int) -> str | None:
    """When this process was started, in words that no other process with its pid shares.

    None if there is none. Linux: boot id and start in ticks; elsewhere `ps`, to the second.
    """
    if not sys.platform.startswith("linux"):
        import subprocess

        ps = ("ps", "-o", "lstart=", "-p", str(pid))
        return (
            subprocess.run(ps, capture_output=True, text=True, check=False).stdout.strip() or None
        )
    try:
        with open("/proc/sys/kernel/random/boot_id") as boot:
            return f"{boot.read().strip()}/{_stat(pid)[19]}"
    except (OSError, IndexError):
        return None


class Keeper:
    """One core, from its start to the end of the last process below it."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.record: dict[str, Any] = {
            key: spec[key] for key in ("command", "socket", "control", "version")
        }
        self.record |= {"protocol": PROTOCOL, "keeper": _identity(os.getpid())}
        self.core = 0
        self.server: socket.socket | None = None  # the connection to the server, if there is one
        self.met = False  # whether there has been one
        self.heard = b""  # the beginning of a line of its
        self.alone_since = time.monotonic()
        self.ending: tuple[float, int] | None = None  # when it began, next rung of ENDING

    def run(self) -> int:
        """Hold the lock, start the core, watch, bury. The one way through a keeper's life."""
        lock = os.open(self.spec["lock"], os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return HELD
        self.wake, self.control = _signals(), _listen(self.spec["control"])
        try:
            self.record["status"] = self.live()
            self.write()
        except OSError as error:
            _say(f"the keeper gives up: {error}")
        finally:
            for path in (self.spec["control"], self.spec["socket"]):
                _unlink(path)
        os.close(lock)  # before the last word: who hears it may start the next core at once
        self.tell()
        return 0 if "status" in self.record else 1

    def live(self) -> int:
        """The core's life, registered before it begins; its exit status."""
        self.write()
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
        self.core = self.start()
        try:
            self.record |= _identity(self.core)
            self.write()
            return self.watch()
        finally:
            bury(self.core)

    def start(self) -> int:
        """The core in a session of its own; its pid."""
        me, command = os.getpid(), self.spec["command"]
        pid = os.fork()
        if pid:
            return pid
        try:
            os.setsid()
            # What is ignored here stays so in the core and its commands; Python ignores two.
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            for name in self.spec["unset"]:
                os.unsetenv(name)
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == me:
                os.execv(command[0], command)
        except OSError as error:
            _say(f"{command[0]} can't be run: {error.strerror}")
        finally:
            os._exit(127)

    def watch(self) -> int:
        """Wait for the end of the core; its exit status, negative for a signal."""
        while (status := self.reap()) is None:
            self.step()
            wanted = [self.wake, self.control, self.server]
            ready, _, _ = select.select([w for w in wanted if w], [], [], self.patience())
            told = os.read(self.wake, 512) if self.wake in ready else b""
            if self.server in ready:
                self.hear()
            if self.control in ready:
                self.welcome()
            if signal.SIGTERM in told and self.server is None:  # a server ends in its own order
                self.stop()
        return status

    def reap(self) -> int | None:
        """Bury what has ended below us; the core's exit status once it has."""
        found = None
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return found
            if pid == 0:
                return found
            if pid == self.core:
                found = os.waitstatus_to_exitcode(status)

    def stop(self) -> None:
        """Begin to end the core."""
        if self.ending is None:
            self.ending = (time.monotonic(), 0)

    def step(self) -> None:
        """Do what is due: the next rung of the ladder, or the first where nobody needs a core."""
        if self.ending is None and self.server is None and self.is_orphan():
            self.stop()
        while self.ending is not None and self.due(*self.ending) <= 0:
            began, rung = self.ending
            _kill_group(self.core, signal.Signals[ENDING[rung][1]])
            self.ending = (began, rung + 1)

    def due(self, began: float, rung: int) -> float:
        """Seconds until this rung, far away if the ladder has no such rung."""
        return began + ENDING[rung][0] - time.monotonic() if rung < len(ENDING) else 60.0

    def is_orphan(self) -> bool:
        """Whether nobody will come for the core."""
        parent = self.spec["parent"]
        return self.left() <= 0 or (parent is not None and not _lives(parent))

    def left(self) -> float:
        """Seconds in which a server may still come."""
        within = self.spec["adopt_within"] if self.met else max(FIRST, self.spec["adopt_within"])
        return self.alone_since + within - time.monotonic()

    def patience(self) -> float | None:
        """How long to sleep if nothing happens, in seconds."""
        if self.ending is not None:
            return max(0.0, self.due(*self.ending))
        if self.server is not None:
            return None
        return max(0.0, min(self.left(), LOOK if self.spec["parent"] else NAP))

    def welcome(self) -> None:
        """A server has come; it takes the place of an earlier one."""
        connection, _ = self.control.accept()
        if self.ending is not None:  # too late: it had better start another core
            connection.close()
            return
        self.leave()
        self.server, self.met = connection, True
        self.tell()

    def hear(self) -> None:
        """Take what the server says; at the end of its connection, or of its sense, it is gone."""
        assert self.server is not None
        try:
            said = self.server.recv(LINE)
            *lines, self.heard = (self.heard + said).split(b"\n")
            for line in lines:
                self.obey(json.loads(line))
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            said = b""  # no server of ours; the core has nothing to do with it
        if not said or len(self.heard) > LINE:
            self.leave()

    def obey(self, wanted: dict[str, Any]) -> None:
        """Do what a line says. Raises where it is none of a server's."""
        within = float(wanted.get("adopt_within", self.spec["adopt_within"]))
        if not within >= 0:  # nor NaN
            raise ValueError(within)
        parent = wanted.get("parent", self.spec["parent"])
        self.spec["parent"] = parent and {"pid": int(parent["pid"]), "birth": parent["birth"]}
        self.spec["adopt_within"] = within
        if wanted.get("stop"):
            self.stop()

    def leave(self) -> None:
        """The server is gone."""
        if self.server is not None:
            self.server.close()
        self.server, self.heard, self.alone_since = None, b"", time.monotonic()

    def tell(self) -> None:
        """Send the record to the server, if there is one."""
        try:
            if self.server is not None:
                self.server.sendall(json.dumps(self.record).encode() + b"\n")
        except OSError:
            self.leave()

    def write(self) -> None:
        """Put the record on disk, whole or not at all. What can't be registered must not run."""
        part = self.spec["record"] + ".part"
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self.record, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, self.spec["record"])


def bury(core: int) -> None:
    """End the core's group and every process left below us; wait for them, `BURY` s at most."""
    end = time.monotonic() + BURY
    while time.monotonic() < end:
        _kill_group(core, signal.SIGKILL)
        for pid in _children():
            _kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


def _children() -> list[int]:
    """Pids of the processes whose parent we are, the orphans that came to us included."""
    found: list[int] = []
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else []:
        try:
            if int(_stat(int(name))[1]) == os.getpid():
                found.append(int(name))
        except (OSError, ValueError, IndexError):
            continue
    return found


def _stat(pid: int) -> list[str]:
    """What Linux says of a process, from its state (the third field) on."""
    with open(f"/proc/{pid}/stat", errors="replace") as stat:
        return stat.read().rpartition(")")[2].split()


def _lives(known: dict[str, Any]) -> bool:
    """Whether this very process runs: a corpse that nobody has buried yet does not."""
    if known["birth"] is None or birth(known["pid"]) != known["birth"]:
        return False
    try:
        return not sys.platform.startswith("linux") or _stat(known["pid"])[0] not in "ZX"
    except (OSError, IndexError):
        return False


def _identity(pid: int) -> dict[str, Any]:
    return {"pid": pid, "birth": birth(pid)}


def _kill(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass


def _kill_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except OSError:
        _kill(pid, number)  # it has not made its group yet


def _signals() -> int:
    """A descriptor that becomes readable when a signal has come."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    return readable


def _listen(path: str) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)  # in a folder that only this user can enter
    listening.listen(4)
    return listening


def _prctl(option: int, value: int) -> None:
    """Linux only; elsewhere nothing happens."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(option, int(value), 0, 0, 0)


def _say(words: str) -> None:
    try:
        os.write(2, words.encode(errors="replace") + b"\n")
    except OSError:
        pass


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


if __name__ == "__main__":
    sys.exit(Keeper(json.loads(sys.argv[1])).run())
