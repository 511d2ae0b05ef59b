"""No operation answers an error code that openapi.json does not list for it.

A pytest plugin. Owns the codes of the problems that clients of this run saw and the document does
not list: any run fails at its end that saw one, with the operation and the code. What an operation
may answer is a row in api/causes.py. Where tests run side by side, each worker hands what it saw to
the process that ends the run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from codex_http_server.api.problems import MEDIA_TYPE
from tests.support.driven import DOCUMENT, DRIVEN, OUR_HEADER, Operation

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
        if found and problem and OUR_HEADER in answer.headers:
            self.refused(found, answer.json()["code"])


def _codes(described: Any, operation: Any) -> Iterator[str]:
    for response in operation["responses"].values():
        name = response.get("$ref", "").rpartition("/")[2]
        whole = described["components"]["responses"][name] if name else response
        problem = whole.get("content", {}).get(MEDIA_TYPE)
        if problem is not None:
            yield from problem["schema"]["allOf"][1]["properties"]["code"]["enum"]


PROMISES = Promises()


# --- the plugin -----------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """See the answers that clients of this run see."""
    send = httpx.Client.send

    def seen(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        answer = send(self, request, **options)
        PROMISES.answer(answer)
        return answer

    httpx.Client.send = seen


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A worker says what it saw; the end of a run that passed is judged."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["broken"] = sorted(PROMISES.broken)
    elif exitstatus == pytest.ExitCode.OK and PROMISES.broken:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what a worker saw; one that was killed says nothing."""
    seen: Iterable[list[str]] = getattr(node, "workeroutput", {}).get("broken", ())
    PROMISES.broken |= {(method, path, code) for method, path, code in seen}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was answered and is not listed."""
    for method, path, code in sorted(PROMISES.broken):
        said = f"{method} {path} answered {code}, which its row in api/causes.py does not name"
        terminalreporter.write_line(said, red=True)
