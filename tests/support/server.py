"""A real server on a real core with a scripted model, for tests.

Everything lives below one temporary folder; the user's own Codex home is never touched.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psutil

from codex_http_server.testing.provider import Provider
from codex_http_server.testing.reader import PATIENCE, Event, Reader
from tests.support.driven import DRIVEN
from tests.support.leaks import WATCH
from tests.support.shapes import SHAPES

Json = Any


class Site:
    """The folders of one test: home, project, state, and the scripted model."""

    def __init__(self, root: Path, **config: str | int | bool) -> None:
        self.root = root
        self.home = root / "home"
        self.project = root / "project"
        for folder in (self.home, self.project, root / "state", root / "tmp", root / "user"):
            folder.mkdir(parents=True, exist_ok=True)
        self._held = ExitStack()
        self.provider = self._held.enter_context(Provider())
        policy = {"sandbox_mode": "workspace-write", "approval_policy": "on-request"}
        self.configure(**(policy | config))

    def configure(self, **config: str | int | bool) -> None:
        """Write the core's config.toml. The core waits for a model that is held back at a gate:
        not for three seconds, as it is told to elsewhere, but for as long as a test may take."""
        patient = {"stream_idle_timeout_ms": 120_000}
        (self.home / "config.toml").write_text(self.provider.config(**(patient | config)))

    def environment(self) -> dict[str, str]:
        """What the server is started with: nothing of this user but PATH."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root / "user"),
            # The core makes no helper binaries for a home below the temporary folder.
            "TMPDIR": str(self.root / "tmp"),
            "XDG_STATE_HOME": str(self.root / "state"),
            "CODEX_HOME": str(self.home),
            "LANG": "C.UTF-8",
        }

    def close(self) -> None:
        """End the model; what the servers left here is searched for secrets."""
        self._held.close()
        WATCH.files(self.root)
        SHAPES.logs(self.root)


@dataclass
class Server:
    """A server process. `stop` asks it to end, `kill` does not ask."""

    site: Site
    process: subprocess.Popen[str]
    ready: Event
    log: list[str]
    reading: threading.Thread
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(timeout=PATIENCE * 2, **_way(self.url))

    @property
    def url(self) -> str:
        return str(self.ready["url"])

    # --- calls ------------------------------------------------------------------------------

    def get(self, path: str, **options: Any) -> Json:
        """GET; the JSON of a 200."""
        answer = self.client.get(path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Json = None, status: int | None = None, **options: Any) -> Json:
        """POST; the JSON of an answer with this status, or of any below 400."""
        answer = self.client.post(path, json=body, **options)
        fits = answer.status_code == status if status else answer.status_code < 400
        assert fits, f"{answer.status_code}: {answer.text}"
        return answer.json()

    def conversation(self, **body: Any) -> str:
        """A new conversation in the project; its id."""
        directory = {"working_directory": str(self.site.project)}
        return str(self.post("/conversations", directory | body, 201)["id"])

    def send(self, conversation_id: str, message: str = "go on", **body: Any) -> Json:
        """Send a message; the 202."""
        path = f"/conversations/{conversation_id}/messages"
        return self.post(path, {"message": message} | body, 202)

    def run(self, conversation_id: str, message: str = "go on", **body: Any) -> Json:
        """Send a message and wait for its turn; the 200."""
        path = f"/conversations/{conversation_id}/messages?wait={PATIENCE:g}"
        return self.post(path, {"message": message} | body, 200)

    def read(self, conversation_id: str, query: str = "", **options: Any) -> Reader:
        """A reader of the conversation's stream."""
        return Reader(self.url, f"/conversations/{conversation_id}/events{query}", **options)

    def read_all(self, query: str = "", **options: Any) -> Reader:
        """A reader of everything."""
        return Reader(self.url, f"/events{query}", **options)

    def events(self, conversation_id: str, after: int = 0) -> list[Event]:
        """All that the log holds of a conversation after a seq, by pages."""
        found: list[Event] = []
        while True:
            page = self.get(f"/conversations/{conversation_id}/events?after={after}")
            found += page["data"]
            after = page["next_after"]
            if after >= page["head"]:
                return found

    def wait_ready(self, **options: Any) -> Event:
        """Wait for the core; the answer of /health."""
        with self.read_all(**options) as reader:
            reader.wait(lambda e: e["type"] == "core/state" and e["status"] == "ready")
        return self.get("/health", **options)

    # --- life -------------------------------------------------------------------------------

    def core(self) -> psutil.Process:
        """The core's process."""
        record = core_record(self.site)
        assert record, "the server has no core"
        return psutil.Process(record["pid"])

    def keeper(self) -> psutil.Process:
        """The process of the core's keeper."""
        return psutil.Process(core_record(self.site)["keeper"]["pid"])

    def stop(self, timeout: float = 8.0) -> int:
        """SIGTERM and wait; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout)
        self._end()
        return status

    def kill(self) -> None:
        """SIGKILL and wait. The core stays behind."""
        self.process.kill()
        self.process.wait(5)
        self._end()

    def _end(self) -> None:
        self.reading.join(5)
        assert self.process.stdout is not None
        if not self.process.stdout.closed:
            WATCH.look("stdout of the server", self.process.stdout.read())
            self.process.stdout.close()
        self.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            if self.process.poll() is None:
                self.kill()
        if kind is not None:
            print("".join(self.log[-60:]))


def start(
    site: Site,
    *arguments: str,
    environment: dict[str, str] | None = None,
    before: Sequence[str] = (),
) -> Server:
    """Start a server and wait until it listens. `before`: a command that runs the command."""
    port = () if "--listen" in arguments else ("--port", "0")
    command = [*before, sys.executable, "-m", "codex_http_server", "serve", *port, *arguments]
    process = subprocess.Popen(
        command,
        env=site.environment() | (environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    reading = threading.Thread(target=_drain, args=(process, lines), daemon=True)
    reading.start()
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.wait(5)
        reading.join(5)
        process.stdout.close()
        raise AssertionError(f"the server did not start ({process.returncode}): {''.join(lines)}")
    WATCH.look("the ready line", line)
    return Server(site, process, json.loads(line), lines, reading)


def _way(url: str) -> dict[str, Any]:
    """How httpx gets to a server."""
    if url.startswith("unix:"):
        path = url.removeprefix("unix:")
        return {"base_url": "http://localhost", "transport": httpx.HTTPTransport(uds=path)}
    return {"base_url": url}


def _drain(process: subprocess.Popen[str], lines: list[str]) -> None:
    assert process.stderr is not None
    with process.stderr:
        for line in process.stderr:
            lines.append(line)
            WATCH.look("the log of the server", line)
            DRIVEN.line(line)


def core_record(site: Site) -> Json:
    """What is on disk about the core of this site; empty if nothing is."""
    for path in (site.root / "state").glob("*/*/core.json"):
        record = json.loads(path.read_text())
        return record if "pid" in record else {}
    return {}


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended. Where pid 1 is slow to bury the dead, its corpse counts."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def environment_of(pid: int) -> list[str]:
    """The variables that a process was started with, as `NAME=value`."""
    content = Path(f"/proc/{pid}/environ").read_bytes()
    return content.decode(errors="replace").split("\0")


def left_behind(site: Site) -> list[str]:
    """Processes that still have to do with this site."""
    found: list[str] = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            named = any(str(site.root) in word for word in words)
            ours = named or f"CODEX_HOME={site.home}" in environment_of(process.pid)
            if ours and process.pid != os.getpid():
                found.append(f"{process.pid} {' '.join(words)[:200]}")
        except (psutil.Error, OSError):
            continue
    return found
