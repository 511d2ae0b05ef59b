"""Codex's own daemon on a site's home: started and ended as its user would, in the end for sure."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from types import TracebackType
from typing import Final, Self

import psutil

from codex_http_server.engine.process import find_core
from tests.support.commands import until
from tests.support.server import Json, Site, environment_of, gone

COMMAND: Final = 30.0  # seconds for one of its commands (0.4 measured)


class Daemon:
    """`codex app-server daemon` of one site. Use with `with`: it is started, and at the end it and
    its updater are gone."""

    def __init__(self, site: Site, *, installed: bool = True) -> None:
        self._installed = installed
        self.site = site
        self.home = site.home
        self.pid = 0

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.pid)

    @property
    def updater(self) -> int:
        """The pid of the process that looks for newer versions. It outlives `stop`, and is there
        only where the first start has installed the daemon (measured)."""
        path = self.home / "app-server-daemon/daemon-updater.pid"
        return int(json.loads(path.read_text())["pid"])

    def start(self) -> None:
        """Start it, if it does not run."""
        self.pid = int(self.command("start")["pid"])

    def restart(self) -> None:
        """As its user would."""
        self.pid = int(self.command("restart")["pid"])

    def stop(self) -> None:
        """As its user would."""
        self.command("stop")

    def kill(self) -> None:
        """SIGKILL, and wait."""
        _end(self.process)

    def command(self, name: str) -> Json:
        """What the last line of a command of the daemon says."""
        done = subprocess.run(
            [str(find_core(None)), "app-server", "daemon", name],
            env=self.site.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND,
            check=False,
        )
        assert done.returncode == 0, f"daemon {name}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout.strip().splitlines()[-1])

    def install(self) -> None:
        """What its first start does, which copies 360 MB: here with hard links."""
        binary = find_core(None)
        wheel = binary.parent.parent
        known = json.loads((wheel / "codex-package.json").read_text())
        packages = self.home / "packages/app-server-daemon"
        release = packages / f"releases/{known['version']}-{known['target']}"
        shutil.copytree(wheel, release, copy_function=_link)
        (release / "codex").symlink_to(known["entrypoint"])
        (packages / "current").symlink_to(release)

    def close(self) -> None:
        """End all that it started: each process of a pid file that is provably of this home."""
        for _ in range(3):  # a command that was cut off may start one more
            for process in self._recorded():
                _end(process)
        shutil.rmtree(self.home / "packages", ignore_errors=True)

    def _recorded(self) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for path in (self.home / "app-server-daemon").glob("*.pid"):
            with contextlib.suppress(OSError, ValueError, KeyError, psutil.Error):
                process = psutil.Process(int(json.loads(path.read_text())["pid"]))
                if f"CODEX_HOME={self.home}" in environment_of(process.pid):
                    found.append(process)
        return found

    def __enter__(self) -> Self:
        try:
            if self._installed:
                self.install()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copy2(source, target)


def _end(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):
        process.send_signal(signal.SIGKILL)
    until(lambda: gone(process), f"{process.pid} has ended")
