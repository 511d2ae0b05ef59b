"""A site whose core signs in at an issuer of ours, and the Codex CLI on the same home."""

from __future__ import annotations

import fcntl
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from codex_http_server.accounts.failures import PORTS
from codex_http_server.engine.process import find_core
from codex_http_server.testing.issuer import Issuer
from codex_http_server.testing.tokens import Person, marked
from tests.support.commands import until
from tests.support.server import Server, Site

CLI_PATIENCE = 30.0
LOCK = Path(tempfile.gettempdir()) / "codex-http-server-tests.login-ports"


class LoginSite(Site):
    """A site whose provider wants a login; nobody is signed in yet.

    The scripted model answers 401 to what the issuer does not know or no longer takes.
    """

    def __init__(self, root: Path, **config: str | int | bool) -> None:
        self.issuer = Issuer()
        self.issuer.__enter__()
        super().__init__(root, **(self.issuer.config() | config))
        self._held.callback(self.issuer.close)
        self.provider.authorise = self.issuer.authorise

    def configure(self, **config: str | int | bool) -> None:
        """Write the core's config.toml."""
        super().configure(**(self.issuer.config() | config))

    def environment(self) -> dict[str, str]:
        """As of any site, with the issuer in place of OpenAI's."""
        return super().environment() | self.issuer.environment()

    def codex(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run the Codex CLI on this home, to its end."""
        return subprocess.run(
            [str(find_core(None)), *arguments],
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=CLI_PATIENCE,
            check=False,
        )

    def codex_login(self, person: Person) -> None:
        """Sign in with the Codex CLI, by a code."""
        self.issuer.person = person
        self.issuer.approve_next_device = True
        done = self.codex("login", "--device-auth", "--experimental_issuer", self.issuer.url)
        assert done.returncode == 0, done


@contextmanager
def browser_ports() -> Iterator[None]:
    """Have the ports of browser logins for ourselves: one host has them once, and the core of
    another test run would end the login that waits there."""
    with LOCK.open("w") as lock:
        until(lambda: _locked(lock.fileno()), "another test run frees the login ports", 100)
        until(lambda: all(map(is_free, PORTS)), "the login ports get free", 30)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@contextmanager
def stranger(port: int) -> Iterator[None]:
    """Another program on a port: it hangs up on whoever calls."""
    with socket.create_server(("127.0.0.1", port), backlog=16) as listening:
        calls = threading.Thread(target=_hang_up, args=(listening,), daemon=True)
        calls.start()
        try:
            yield
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            calls.join(5)


def _hang_up(listening: socket.socket) -> None:
    with suppress(OSError):  # it was shut down
        while True:
            listening.accept()[0].close()


class Witness:
    """Everything that a server gave away: its answers, its log, its database, its streams."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._heard: list[str] = []
        server.client.event_hooks["response"].append(self._hear)

    def _hear(self, answer: httpx.Response) -> None:
        answer.read()
        self._heard += [str(answer.headers), answer.text]

    def check(self, *more: str) -> None:
        """No secret of the issuer in any of it. Call it when the server has ended."""
        stored = [
            path.read_bytes().decode("latin-1")
            for path in (self._server.site.root / "state").rglob("*")
            if path.is_file()
        ]
        for text in (*self._heard, *self._server.log, *stored, *more):
            assert not marked(text), marked(text)
