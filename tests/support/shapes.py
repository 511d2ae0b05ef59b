"""Every event is what openapi.json says: those that readers and clients get, and the logs.

A pytest plugin. Owns the comparison of events with the schema of their type; a test in which one
does not fit fails at its end, with the field and what was wanted. Looked at are the frames of every
`Reader`, the pages that an httpx client is answered, what the Python client hands out, and, when a
site is closed, every event in its log: what a browser or the TypeScript client was told is there.
Beside the schema: an envelope has no field that is not described. A test that makes up events or
cores that are not known says so: `@pytest.mark.misshapen("the/type", …)`.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import jsonschema_rs
import pytest

from codex_http_server.client.types import Event as ClientEvent
from codex_http_server.eventlog.rows import EVENT_COLUMNS, event_of
from tests.support import seen

Json = dict[str, Any]

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "openapi.json"
COMPONENTS: Final = "#/components/schemas/"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
PAGES: Final = re.compile(r"(/conversations/[^/]+)?/events")
SHOWN: Final = 200  # characters of what was wrong


@functools.cache
def _schemas() -> Json:
    return json.loads(DOCUMENT.read_text(encoding="utf-8"))["components"]["schemas"]


@functools.cache
def validator(name: str) -> jsonschema_rs.Draft202012Validator:
    """What holds values to a schema of the document."""
    root = {"$schema": DIALECT, "$ref": COMPONENTS + name, "components": {"schemas": _schemas()}}
    return jsonschema_rs.Draft202012Validator(root)


def wrong(event: Json) -> list[str]:
    """What of an event is not as its type says; empty where it fits."""
    known: Json = _schemas()["KnownEvent"]["discriminator"]["mapping"]
    name = known.get(str(event.get("type")), "EventOther").removeprefix(COMPONENTS)
    found = [] if validator(name).is_valid(event) else list(validator(name).iter_errors(event))
    told = f"{event.get('type')} ({event.get('synthetic') or 'as it came'})"
    more = event.keys() - _schemas()["EventEnvelope"]["properties"].keys()
    return [
        *(f"{told}: {'.'.join(map(str, e.instance_path))}: {e.message[:SHOWN]}" for e in found),
        *(f"{told}: the field {each} is not described" for each in sorted(more)),
    ]


class Shapes:
    """What was looked at and did not fit since the last `take`."""

    def __init__(self) -> None:
        self.looked = 0  # events
        self.seconds = 0.0
        self._found: list[str] = []

    def event(self, where: str, event: Json) -> None:
        """Look at an event; `where` is what a failing test says."""
        began = time.perf_counter()
        self._found += [f"{each} in {where}" for each in wrong(event)]
        self.looked += 1
        self.seconds += time.perf_counter() - began

    def answer(self, answer: httpx.Response) -> None:
        """Look at a page of events."""
        path = answer.request.url.path
        paged = answer.status_code == 200 and answer.is_stream_consumed
        if paged and PAGES.fullmatch(path):
            for event in answer.json()["data"]:
                self.event("a page", event)

    def logs(self, root: Path) -> None:
        """Look at what is in the logs of a site."""
        for path in sorted((root / "state").rglob("log.db")):
            with contextlib.suppress(sqlite3.DatabaseError):  # a test has damaged it
                for event in _logged(path):
                    self.event("the log", event)

    def take(self) -> list[str]:
        """What was found, each once; forgotten by that."""
        found, self._found = list(dict.fromkeys(self._found)), []
        return found

    def add(self, done: tuple[int, float]) -> None:
        """Another process has looked at this: events and seconds."""
        self.looked += done[0]
        self.seconds += done[1]


def _logged(path: Path) -> Iterator[Json]:
    with contextlib.closing(sqlite3.connect(path)) as log:
        names = dict(log.execute("SELECT num, id FROM conversation").fetchall())
        for row in log.execute(f"SELECT {EVENT_COLUMNS} FROM event"):
            # One of a conversation that was deleted since has no name any more.
            conversation = names.get(row[1], "deleted") if row[1] else None
            yield json.loads(event_of(row, conversation, "log").json())


SHAPES = Shapes()


# --- the plugin -----------------------------------------------------------------------------


def _watch_client() -> None:
    made = ClientEvent.of

    def watched(raw: Json) -> ClientEvent:
        if "at" in raw:  # a test of the client without a server makes up events
            SHAPES.event("what the client got", raw)
        return made(raw)

    ClientEvent.of = watched


def pytest_configure(config: pytest.Config) -> None:
    """Watch all clients and readers of this run."""
    config.addinivalue_line("markers", "misshapen(type, …): has events that are not described")
    seen.watch(
        answers=SHAPES.answer, frames=lambda data: SHAPES.event("a stream", json.loads(data))
    )
    seen.hand_over("looked", lambda: (SHAPES.looked, SHAPES.seconds), SHAPES.add)
    _watch_client()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """After all fixtures have ended, those of a module too: fail if an event did not fit."""
    yield
    allowed = tuple(each for mark in item.iter_markers("misshapen") for each in mark.args)
    found = [each for each in SHAPES.take() if not (allowed and each.startswith(allowed))]
    assert not found, "events are not as openapi.json says: " + "; ".join(found)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many were looked at: a check that sees none finds nothing."""
    terminalreporter.write_line(
        f"{SHAPES.looked} events were held to openapi.json ({SHAPES.seconds:.1f} s)"
    )
