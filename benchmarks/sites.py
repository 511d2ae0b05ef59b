"""Fresh folders, and a real server on them. The user's own Codex home is never touched.

Owns every process it starts and ends it by its pid.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Final, Self

import psutil

from benchmarks.calls import post_all
from benchmarks.lines import ROOT
from codex_http_server.testing.core_config import core_config
from codex_http_server.testing.reader import Reader

READY: Final = 20.0  # seconds for a server to listen
STOP: Final = 8.0  # seconds for it to end
FOLDERS: Final = ("home", "project", "state", "tmp", "user", "data")


class Site:
    """The folders of one server or core, on one model."""

    def __init__(self, root: Path, model: str) -> None:
        self.root = root
        for name in FOLDERS:
            (root / name).mkdir()
        self.home, self.project = root / "home", root / "project"
        policy = {"sandbox_mode": "workspace-write", "approval_policy": "on-request"}
        (self.home / "config.toml").write_text(core_config(model, policy))

    def environment(self) -> dict[str, str]:
        """What a server is started with: nothing of this user but PATH."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root / "user"),
            # The core makes no helper binaries for a home below the temporary folder.
            "TMPDIR": str(self.root / "tmp"),
            "XDG_STATE_HOME": str(self.root / "state"),
            "CODEX_HOME": str(self.home),
            "LANG": "C.UTF-8",
        }


@contextlib.contextmanager
def fresh(model: str) -> Generator[Site]:
    """New folders, removed at the end."""
    root = Path(tempfile.mkdtemp(prefix="codex-bench-"))
    try:
        yield Site(root, model)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


class Server:
    """A server process. Use with `with`; nothing but `wait_…` before it listens."""

    def __init__(self, site: Site) -> None:
        self.site = site
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.started = time.monotonic()
        self._listening = False
        self._cores: list[psutil.Process] = []
        arguments = ["serve", "--port", str(port), "--data-dir", str(site.root / "data")]
        arguments += ["--max-streams-per-caller", "512"]  # all readers are one caller
        with (site.root / "server.log").open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "codex_http_server", *arguments],
                cwd=ROOT, env=site.environment(),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=out,
            )  # fmt: skip
        self.process = psutil.Process(self._process.pid)

    def wait_listening(self) -> Self:
        """Wait for its ready line."""
        if self._listening:
            return self
        assert self._process.stdout is not None
        heard, _, _ = select.select([self._process.stdout], [], [], READY)
        if not heard or not json.loads(self._process.stdout.readline() or b"{}"):
            raise RuntimeError((self.site.root / "server.log").read_text()[-2000:])
        self._listening = True
        return self

    def wait_ready(self) -> Self:
        """Wait for its core too."""
        self.wait_listening()
        with Reader(self.url, "/events") as reader:
            reader.wait(lambda e: e["type"] == "core/state" and e["status"] == "ready")
        self.core()
        return self

    def core(self) -> psutil.Process:
        """The process of its core, which a keeper holds."""
        found = psutil.Process(self._record()["pid"])
        if found not in self._cores:
            self._cores.append(found)
        return found

    def keeper(self) -> psutil.Process:
        """The process of the core's keeper."""
        return psutil.Process(self._record()["keeper"]["pid"])

    def _record(self) -> dict[str, Any]:
        for record in (self.site.root / "state").glob("*/*/core.json"):
            return json.loads(record.read_text())
        raise RuntimeError("the server has no core")

    # --- what it costs ------------------------------------------------------------------------

    def cpu(self) -> float:
        """Seconds of CPU that the server itself has used, all threads, not its children."""
        used = self.process.cpu_times()
        return used.user + used.system

    def rss(self) -> int:
        """Bytes of memory."""
        return self.process.memory_info().rss

    # --- calls --------------------------------------------------------------------------------

    def conversations(self, count: int) -> list[str]:
        """New conversations; their ids."""
        body = {"working_directory": str(self.site.project)}
        return [each["id"] for each in post_all(self.url, [("/conversations", body)] * count)]

    def send(self, conversations: Sequence[str], message: str) -> list[Any]:
        """The same message to each, all at once."""
        body = {"message": message}
        paths = [f"/conversations/{each}/messages" for each in conversations]
        return post_all(self.url, [(path, body) for path in paths])

    # --- life ---------------------------------------------------------------------------------

    def kill(self) -> None:
        """SIGKILL. Its core stays behind."""
        self._process.kill()
        self._process.wait(STOP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP)
        except subprocess.TimeoutExpired:
            self.kill()
        assert self._process.stdout is not None
        self._process.stdout.close()
        for core in self._cores:  # is_running looks at the start time too
            with contextlib.suppress(psutil.Error):
                if core.is_running():
                    core.kill()
