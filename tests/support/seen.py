"""What the clients and readers of a run see, shown to those who watch it.

A pytest plugin. Owns the one place where httpx and `Reader` are looked over the shoulder, and what
the workers of a run hand to the process that ends it. Who watches: leaks.py, driven.py, promises.py
and shapes.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import pytest

from codex_http_server.testing.reader import Reader

OUR_HEADER: Final = "x-request-id"  # every answer of this server has it, and no other's

Answers = Callable[[httpx.Response], None]
Frames = Callable[[str], None]

_ANSWERS: list[Answers] = []
_FRAMES: list[Frames] = []
_HANDED: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {}


def watch(*, answers: Answers | None = None, frames: Frames | None = None) -> None:
    """Show a function each answer of a server of ours, and the data of each frame that a reader
    gets. An answer may be a stream that is not read yet."""
    if answers is not None:
        _ANSWERS.append(answers)
    if frames is not None:
        _FRAMES.append(frames)


def hand_over(name: str, give: Callable[[], Any], take: Callable[[Any], None]) -> None:
    """Where tests run side by side: `give` says what a worker has, JSON's types and tuples;
    `take` adds that to what the process has that ends the run."""
    _HANDED[name] = (give, take)


def _answered(answer: httpx.Response) -> None:
    if OUR_HEADER in answer.headers:
        for show in _ANSWERS:
            show(answer)


def _watch_answers() -> None:
    send, send_async = httpx.Client.send, httpx.AsyncClient.send

    def seen(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        answer = send(self, request, **options)
        _answered(answer)
        return answer

    async def seen_async(
        self: httpx.AsyncClient, request: httpx.Request, **options: Any
    ) -> httpx.Response:
        answer = await send_async(self, request, **options)
        _answered(answer)
        return answer

    httpx.Client.send, httpx.AsyncClient.send = seen, seen_async


def _watch_readers() -> None:
    frames = Reader._frames

    def seen(self: Reader, answer: Any) -> Iterator[tuple[str | None, str]]:
        for event_id, data in frames(self, answer):
            for show in _FRAMES:
                show(data)
            yield event_id, data

    Reader._frames = seen


# --- the plugin -----------------------------------------------------------------------------


def pytest_configure() -> None:
    """Look over the shoulder of all clients and readers of this run."""
    _watch_answers()
    _watch_readers()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands over what it has."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output.update({name: give() for name, (give, _) in _HANDED.items()})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what a worker has handed over; one that was killed hands over nothing."""
    output: dict[str, Any] = getattr(node, "workeroutput", {})
    for name, (_, take) in _HANDED.items():
        if name in output:
            take(output[name])
