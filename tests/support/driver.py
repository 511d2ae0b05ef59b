"""The half of Playwright that can drive Electron: desktop/test/driver.mjs, one for a run."""

from __future__ import annotations

import itertools
import json
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any, Self

import playwright

from tests.support.leaks import WATCH
from tests.support.typescript import NODE, PACKAGE

Json = Any
PROGRAM = PACKAGE.parents[1] / "desktop" / "test" / "driver.mjs"
PLAYWRIGHT = Path(playwright.__path__[0]) / "driver" / "package"
STEP = 60.0  # seconds for one answer


class Driver:
    """Its process. Use with `with`; the apps that it has launched may have ended before."""

    def __init__(self) -> None:
        self._answers: queue.Queue[Json] = queue.Queue()
        self._numbers = itertools.count()
        self.log: list[str] = []  # what the apps say on stderr
        self._process = subprocess.Popen(
            [str(NODE), str(PROGRAM), str(PLAYWRIGHT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reading = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._hear, daemon=True),
        ]
        for each in self._reading:
            each.start()

    def do(self, what: str, **arguments: Json) -> Json:
        """Have it do something; what comes of it. `limit`: milliseconds it may wait."""
        number = next(self._numbers)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "do": what, **arguments}) + "\n")
        self._process.stdin.flush()
        answer = self._answer(number, STEP + arguments.get("limit", 0) / 1000)
        if "error" in answer:
            raise AssertionError(f"{what} {arguments}: {answer['error']}\n{self._last()}")
        return answer["value"]

    def _answer(self, number: int, patience: float) -> Json:
        """The answer to a command. One to an earlier command, which was not waited for, is none."""
        while True:
            answer = self._answers.get(timeout=patience)
            assert answer is not None, f"the driver has ended: {self._last()}"
            if answer["id"] == number:
                return answer

    def _last(self) -> str:
        return "".join(self.log[-20:])

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        finally:
            self._process.kill()
        for each in self._reading:
            each.join(5)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._answers.put(json.loads(line))
        self._answers.put(None)

    def _hear(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self.log.append(line)
                WATCH.look("the log of the app", line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()
