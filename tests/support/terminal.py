"""A command on a terminal of its own: what it shows, and what a person types."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from codex_http_server.testing.reader import PATIENCE
from tests.support.commands import until
from tests.support.leaks import WATCH

CTRL_C, CTRL_D = "\x03", "\x04"
# Makes stdin the controlling terminal, so that Ctrl-C is a signal, and becomes the command.
CONTROL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """`codex-http-server …` with a pty as stdin, stdout, stderr and controlling terminal."""

    def __init__(self, *arguments: str, env: dict[str, str], cwd: Path) -> None:
        self._near, far = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", CONTROL, sys.executable, "-m", "codex_http_server", *arguments],
            env=env | {"TERM": "dumb"},
            cwd=cwd,
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
        )
        os.close(far)
        self.shown = ""
        self._seen = 0
        self._grew = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        ended = False
        while not ended:
            try:
                chunk = os.read(self._near, 65_536)
            except OSError:  # the other side is closed
                chunk = b""
            ended = not chunk
            with self._grew:
                self.shown += chunk.decode(errors="replace").replace("\r\n", "\n")
                self._grew.notify_all()

    def wait(self, text: str) -> None:
        """Wait until this is shown, after what was waited for before."""
        with self._grew:
            found = self._grew.wait_for(lambda: text in self.shown[self._seen :], PATIENCE)
            assert found, f"{text!r} was not shown; from there on: {self.shown[self._seen :]!r}"
            self._seen = self.shown.index(text, self._seen) + len(text)

    def type(self, text: str) -> None:
        """Type this. Ctrl-C goes to the command as a signal, by the terminal."""
        os.write(self._near, text.encode())

    def ctrl_c_at_prompt(self) -> None:
        """Ctrl-C, once the command sleeps: Python loses a signal that comes between its prompt and
        the wait for a key (1 of 15 here)."""
        until(self._sleeps, "the command waits for a key")
        self.type(CTRL_C)

    def _sleeps(self) -> bool:
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "S"

    def ends(self) -> int:
        """Wait for the end; the exit code."""
        code = self.process.wait(PATIENCE)
        self._thread.join(PATIENCE)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        self._thread.join(PATIENCE)
        os.close(self._near)
        WATCH.look("a terminal", self.shown)
