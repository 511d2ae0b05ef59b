"""Shell commands that tell a test where they are, and go on when the test lets them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


class Barrier:
    """A command that makes a file when it runs and ends when another one appears."""

    def __init__(self, folder: Path, name: str = "barrier") -> None:
        self._reached = folder / f"{name}.reached"
        self._open = folder / f"{name}.open"

    @property
    def command(self) -> str:
        """Prints `waiting`, then, once let go, `done`. Ends by itself after 30 s."""
        return (
            f"echo waiting; touch '{self._reached}'; "
            f"for i in $(seq 600); do test -e '{self._open}' && break; sleep 0.05; done; echo done"
        )

    def wait_reached(self, timeout: float = 20) -> None:
        """Wait until the command runs."""
        wait_for_file(self._reached, timeout)

    def open(self) -> None:
        """Let it go on."""
        self._open.touch()


def until(test: Callable[[], bool], what: str, timeout: float = 20) -> None:
    """Ask again and again until `test` says yes: for what tells nobody when it changes."""
    end = time.monotonic() + timeout
    while not test():
        assert time.monotonic() < end, f"{what}: not in {timeout:g} s"
        time.sleep(0.02)  # noqa: TID251 # see above


def wait_for_file(path: Path, timeout: float = 20) -> None:
    """Wait until a file is there."""
    until(path.exists, f"{path} appears", timeout)
