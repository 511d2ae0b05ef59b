"""No operation answers an error code that openapi.json does not list for it.

A pytest plugin. Owns the codes of the problems that clients of this run saw and the document does
not list: any run fails at its end that saw one, with the operation and the code. What an operation
may answer is a row in api/causes.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from codex_http_server.api.problems import MEDIA_TYPE
from tests.support import seen
from tests.support.driven import DOCUMENT, DRIVEN, Operation

Broken = tuple[str, str, str]  # method, path template, code


class Promises:
    """What a document lists, and what was answered beside it."""

    def __init__(self, document: Path = DOCUMENT) -> None:
        described = json.loads(document.read_text(encoding="utf-8"))
        self._listed = {
            (method.upper(), path): set(_codes(described, operation))
            for path, operations in described["paths"].items()
            for method, operation in operations.items()
        }
        self.broken: set[Broken] = set()

    def refused(self, operation: Operation, code: str) -> None:
        """An operation was answered with this code."""
        if code not in self._listed[operation]:
            self.broken.add((*operation, code))

    def answer(self, answer: httpx.Response) -> None:
        """An answer that a client saw; whole problems of ours count."""
        problem = answer.headers.get("content-type") == MEDIA_TYPE and answer.is_stream_consumed
        found = DRIVEN.operation(answer.request.method, answer.request.url.path)
        if found and problem:
            self.refused(found, answer.json()["code"])

    def add(self, broken: Iterable[Broken]) -> None:
        """Another process has seen these."""
        self.broken |= {(method, path, code) for method, path, code in broken}


def _codes(described: Any, operation: Any) -> Iterator[str]:
    for response in operation["responses"].values():
        name = response.get("$ref", "").rpartition("/")[2]
        whole = described["components"]["responses"][name] if name else response
        problem = whole.get("content", {}).get(MEDIA_TYPE)
        if problem is not None:
            yield from problem["schema"]["allOf"][1]["properties"]["code"]["enum"]


PROMISES = Promises()


# --- the plugin -----------------------------------------------------------------------------


def pytest_configure() -> None:
    """See the answers that clients of this run see."""
    seen.watch(answers=PROMISES.answer)
    seen.hand_over("broken", lambda: sorted(PROMISES.broken), PROMISES.add)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """The end of a run that passed is judged."""
    if exitstatus == pytest.ExitCode.OK and PROMISES.broken:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was answered and is not listed."""
    for method, path, code in sorted(PROMISES.broken):
        said = f"{method} {path} answered {code}, which its row in api/causes.py does not name"
        terminalreporter.write_line(said, red=True)
