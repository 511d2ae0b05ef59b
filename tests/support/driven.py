"""Every operation of openapi.json is driven: what the servers of a run answered is noted.

A pytest plugin. Owns which operations (method and path template) were answered 2xx, or 101, by a
real server, whoever asked: it reads the lines that a server logs of its requests, and the answers
that clients see of what it does not log. A whole run fails at its end, naming operations that no
test drove; a part of the tests (files, `-k`, `-m`, …) only counts them, and names them with `-v`.
Where tests run side by side, each worker hands what it noted to the process that ends the run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.support import seen

Operation = tuple[str, str]

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "openapi.json"
SWITCHED: Final = 101  # GET /app-server becomes a WebSocket
UNLOGGED: Final = frozenset({"/health", "/ready"})  # api/middleware.py
PARTS: Final = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "stepwise")


class Driven:
    """What was driven, of the operations of a document."""

    def __init__(self, document: Path = DOCUMENT) -> None:
        paths = json.loads(document.read_text(encoding="utf-8"))["paths"]
        self.operations = {(m.upper(), path) for path in paths for m in paths[path]}
        # What has fewer variable parts is more exact: `/files/search` before `/files/{name}`.
        ordered = sorted(self.operations, key=lambda each: each[1].count("{"))
        self._known = [(m, _pattern(path), path) for m, path in ordered]
        self._counting = True
        self.noted: set[Operation] = set()

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """What is answered meanwhile is driven by nobody: who asks does not know for what."""
        self._counting = False
        try:
            yield
        finally:
            self._counting = True

    def note(self, method: str, path: str, status: int) -> None:
        """A request was answered. What is no operation, or not a success, does not count."""
        found = self.operation(method, path) if self._counting else None
        if found and (200 <= status < 300 or status == SWITCHED):
            self.noted.add(found)

    def operation(self, method: str, path: str) -> Operation | None:
        """The operation that a request is of."""
        for known, pattern, template in self._known:
            if known == method and pattern.fullmatch(path):
                return known, template
        return None

    def line(self, line: str) -> None:
        """A line of a server's log; only those of requests count."""
        if '"event": "request"' not in line:
            return
        try:
            said = json.loads(line)
        except ValueError:  # cut off with the server
            return
        self.note(said["method"], said["path"], said["status"])

    def answer(self, answer: httpx.Response) -> None:
        """An answer that a client saw; counts where the server logs nothing of it."""
        path = answer.request.url.path
        if path in UNLOGGED:
            self.note(answer.request.method, path, answer.status_code)

    def add(self, noted: Iterable[Operation]) -> None:
        """Another process has noted these."""
        self.noted |= {(method, path) for method, path in noted}

    def missing(self) -> list[str]:
        """The operations that nothing drove."""
        return sorted(f"{method} {path}" for method, path in self.operations - self.noted)


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{\w+\}", template)
    return re.compile("[^/]+".join(map(re.escape, parts)))


DRIVEN = Driven()


# --- the plugin -----------------------------------------------------------------------------


def pytest_configure() -> None:
    """See the answers that clients of this run see."""
    seen.watch(answers=DRIVEN.answer)
    seen.hand_over("driven", lambda: sorted(DRIVEN.noted), DRIVEN.add)


def is_whole(config: pytest.Config) -> bool:
    """Whether a run was asked for everything there is."""
    everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    options = (getattr(config.option, name, None) for name in (*PARTS, "collectonly"))
    return everything and not any(options)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """The end of a whole run that passed is judged."""
    if exitstatus == pytest.ExitCode.OK and is_whole(session.config) and DRIVEN.missing():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how many were driven, and name the others where that matters."""
    missing, whole = DRIVEN.missing(), is_whole(config)
    driven = f"{len(DRIVEN.operations) - len(missing)} of {len(DRIVEN.operations)}"
    terminalreporter.write_line(f"drove {driven} operations of openapi.json")
    if whole or config.option.verbose > 0:
        for each in missing:
            terminalreporter.write_line(f"no test drives {each}", red=whole)
