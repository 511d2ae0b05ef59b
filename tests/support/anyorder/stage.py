"""A real server that may be killed between two requests, a model that obeys, and their folders."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any, Final

import psutil

from codex_http_server.testing.answers import Command, Fail, Gate, Step, Text
from codex_http_server.testing.requests import ModelRequest
from tests.support.chaos.wire import BROKEN, Address, call
from tests.support.commands import until
from tests.support.server import Server, Site, core_record, left_behind, start

LATER: Final = frozenset({503, 504})  # not now; the same request may be sent again
TAKEN: Final = 60.0  # seconds for a request to be taken; a core that was killed often rests for 20


class Stage:
    """The server, its folders and its model. Use with `with`."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="anyorder-")
        self.site = Site(Path(self._folder.name))
        self.site.provider.script = self._script
        self.address = Address()
        self.told: list[str] = []
        self.counts: Counter[str] = Counter()
        self._gates: list[Gate] = []
        self._free = False
        self._lock = threading.Lock()
        self.server: Server | None = None
        self.begin()

    # --- the model ----------------------------------------------------------------------------

    def _script(self, request: ModelRequest) -> list[Step]:
        """What the newest message asks for, by its first word."""
        kind = request.user_text.split(" ")[0]
        done: list[Step] = [Text(f"done with {request.user_text}")]
        if kind == "fail":
            return [Fail(400)]
        if kind == "hold":
            return [Text(["well, ", self._gate(), f"done with {request.user_text}"])]
        if request.results or kind == "say":
            return done
        if kind == "ask":
            path = self.site.root / "outside.txt"
            return [Command(f"touch {path}", escalate=True, justification="it has to")]
        return [Command("echo some output")]

    def _gate(self) -> Gate:
        gate = Gate()
        with self._lock:
            self._gates.append(gate)
            if self._free:
                gate.open()
        return gate

    def let_go(self, *, for_good: bool = False) -> None:
        """Let the held answers go on; `for_good`: also all that will be asked for."""
        with self._lock:
            self._free = self._free or for_good
            for gate in self._gates:
                gate.open()
            self._gates.clear()

    # --- its life -----------------------------------------------------------------------------

    def begin(self) -> None:
        """Start a server and wait until its core is ready."""
        self.server = start(self.site)
        self.server.wait_ready()
        self.address.url = self.server.url

    def stop(self) -> None:
        """SIGTERM; it has to end in order."""
        server, self.server, self.address.url = self.server, None, None
        assert server is not None
        assert server.stop() == 0, "".join(server.log[-40:])

    def kill(self) -> None:
        """kill -9 of the server."""
        server, self.server, self.address.url = self.server, None, None
        assert server is not None
        server.kill()

    def kill_core(self) -> None:
        """kill -9 of the core."""
        record = core_record(self.site)
        with contextlib.suppress(psutil.NoSuchProcess, KeyError):
            psutil.Process(record["pid"]).kill()

    # --- requests -----------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, Any]:
        """The answer to a request, which is sent again as long as it can't be taken."""
        found: list[tuple[int, Any]] = []

        def taken() -> bool:
            assert self.address.url is not None
            with contextlib.suppress(*BROKEN):
                found[:] = [call(self.address.url, method, path, body, key)]
            return bool(found) and found[0][0] not in LATER

        until(taken, f"{method} {path}", TAKEN)
        status, answer = found[0]
        assert status < 500, f"{method} {path}: {status} {answer}"
        self.counts[f"{method} {status}"] += 1
        self.told.append(f"{method} {path} {body} -> {status} {(answer or {}).get('code', '')}")
        return status, answer

    def close(self) -> None:
        """End everything; no process may be left."""
        self.let_go(for_good=True)
        if self.server is not None:
            self.stop()
        until(lambda: not left_behind(self.site), "no process is left", 5)
        self.site.close()
        self._folder.cleanup()
