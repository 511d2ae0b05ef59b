"""Recorded events are what openapi.json says, and the check sees what is not."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.recordings import NAMES, recording
from tests.support.shapes import SHAPES, Shapes, wrong

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
HAPPENED = [
    *(event for name in NAMES for event in recording(name)["events"]),
    *(event for name in NAMES for event in recording(name)["log"]),
]
NEW: Json = {
    "type": "a/newer/type", "conversation_id": None, "turn_id": None, "item_id": None,
    "position": "log-1", "at": "2026-11-22T19:10:55.102Z", "core": "9.0.0", "data": {"any": [1]},
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_what_clients_got_and_what_the_log_has_is_as_described(name: str) -> None:
    told = recording(name)
    assert [each for event in (*told["events"], *told["log"]) for each in wrong(event)] == []


def one(kind: str, item_type: str | None = None) -> Json:
    """A recorded event of a type."""
    found = (e for e in HAPPENED if e["type"] == kind and e.get("item_type") == item_type)
    return copy.deepcopy(next(found))


@pytest.mark.parametrize("kind", sorted({event["type"] for event in HAPPENED}))
def test_an_event_without_a_part_of_its_envelope_does_not_fit(kind: str) -> None:
    event = next(e for e in HAPPENED if e["type"] == kind)
    for field in ("type", "conversation_id", "at", "core", "data"):
        assert wrong({name: value for name, value in event.items() if name != field})
    assert wrong(event | {"data": []})
    assert wrong(event | {"at": None})
    (line,) = wrong(event | {"unheard": 1})
    assert line.endswith(": the field unheard is not described")


@pytest.mark.parametrize(
    ("kind", "item_type", "path"),
    [
        ("item/agentMessage/delta", None, ["text"]),
        ("item/agentMessage/delta", None, ["data", "delta"]),
        ("item/started", "commandExecution", ["data", "startedAtMs"]),
        ("item/started", "commandExecution", ["data", "item", "commandActions"]),
        ("item/completed", "agentMessage", ["status"]),
        ("item/completed", "agentMessage", ["data", "item", "text"]),
        ("turn/started", None, ["turn_id"]),
        ("turn/completed", None, ["data", "turn", "status"]),
        ("approval/requested", None, ["data", "decisions"]),
        ("approval/resolved", None, ["data", "by"]),
        ("queue/changed", None, ["data", "put"]),
        ("conversation/updated", None, ["data", "sandbox"]),
    ],
)
def test_what_an_event_of_a_type_must_have_is_missed(
    kind: str, item_type: str | None, path: list[str]
) -> None:
    event = one(kind, item_type)
    assert wrong(event) == []
    *way, field = path
    at = event
    for step in way:
        at = at[step]
    del at[field]
    (line, *_) = wrong(event)
    assert line.startswith(f"{kind} (")


def test_own_data_has_no_fields_that_are_not_described() -> None:
    event = one("item/gap", "agentMessage")
    event["data"]["more"] = 1
    assert "more" in wrong(event)[0]


def test_a_type_that_is_not_known_is_an_event_whatever_it_carries() -> None:
    assert wrong(NEW) == []
    assert wrong(NEW | {"data": 1})


# --- the plugin -----------------------------------------------------------------------------


def page(*events: Json, path: str = "/events", status: int = 200) -> Any:
    request = httpx.Request("GET", f"http://127.0.0.1:1{path}?after=0")
    return httpx.Response(status, json={"data": events}, request=request)


def test_pages_of_events_are_looked_at_and_other_answers_are_not() -> None:
    shapes = Shapes()
    shapes.answer(page({}, path="/conversations"))
    shapes.answer(page({}, path="/conversations/1/events/x"))
    shapes.answer(page({}, status=404))
    assert (shapes.take(), shapes.looked) == ([], 0)
    shapes.answer(page(NEW, {"type": "heartbeat"}))
    shapes.answer(page(NEW, path="/conversations/1/events"))
    (first, *_) = shapes.take()
    assert first.startswith("heartbeat (as it came): ")
    assert first.endswith(" in a page")
    assert (shapes.take(), shapes.looked) == ([], 3)


MADE_UP = """
import pytest
from tests.support.shapes import SHAPES

BAD = {"type": "heartbeat"}

def test_fits(): pass

def test_bad(): SHAPES.event("a stream", BAD)

def test_after(): pass

@pytest.mark.misshapen("heartbeat")
def test_said(): SHAPES.event("a stream", BAD)

@pytest.mark.misshapen("turn/started")
def test_said_of_another(): SHAPES.event("a stream", BAD)
"""


def test_an_event_that_does_not_fit_fails_the_test_in_which_it_came(tmp_path: Path) -> None:
    path = tmp_path / "test_made_up.py"
    path.write_text(MADE_UP)
    options = [
        "-p",
        "tests.support.shapes",
        "-p",
        "no:cacheprovider",
        "-rA",
        "--rootdir",
        str(ROOT),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-c", str(ROOT / "pyproject.toml"), str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    summary = done.stdout.partition("short test summary")[2]
    failed = [line.split("::")[1].split()[0] for line in summary.splitlines() if "ERROR" in line]
    assert sorted(failed) == ["test_bad", "test_said_of_another"], done.stdout
    assert "3 events were held to openapi.json" in done.stdout


def test_all_that_this_run_saw_is_counted() -> None:
    before = SHAPES.looked
    SHAPES.event("nothing", NEW)
    assert SHAPES.looked == before + 1
