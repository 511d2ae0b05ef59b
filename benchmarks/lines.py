"""A helper process and whoever started it, in JSON lines over its stdin and stdout.

A helper ends when its stdin closes, so none outlives the benchmark.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final, Self

ROOT: Final = Path(__file__).parent.parent
END: Final = 5.0  # seconds for a helper to leave

Words = dict[str, Any]


def say(**words: Any) -> None:
    """Say one line to whoever started this process."""
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


class Helper:
    """`python -m benchmarks.NAME`, told `job` on its command line. Use with `with`."""

    def __init__(self, name: str, **job: Any) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.{name}", json.dumps(job)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._heard = b""

    def hear(self, timeout: float) -> Words:
        """The next line that it says. TimeoutError, or EOFError if it ended."""
        assert self._process.stdout is not None
        end = time.monotonic() + timeout
        while b"\n" not in self._heard:
            self._heard += self._more(self._process.stdout.fileno(), end - time.monotonic())
        line, self._heard = self._heard.split(b"\n", 1)
        return json.loads(line)

    def _more(self, pipe: int, seconds: float) -> bytes:
        if not select.select([pipe], [], [], max(0.0, seconds))[0]:
            raise TimeoutError(f"the {self.name} process said nothing in time")
        data = os.read(pipe, 1 << 20)
        if not data:
            raise EOFError(f"the {self.name} process ended")
        return data

    def ask(self, word: str, timeout: float = 10.0) -> Words:
        """Say one word to it and hear the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(word.encode() + b"\n")
        self._process.stdin.flush()
        return self.hear(timeout)

    def close(self) -> None:
        """End it."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        try:
            self._process.wait(END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(END)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
