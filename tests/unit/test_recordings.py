"""The server's fold gives what its snapshots said, on recordings of real conversations."""

from __future__ import annotations

import pytest

from tests.support.recordings import FOLDED, NAMES, recording, states


@pytest.mark.parametrize("name", NAMES)
def test_the_fold_of_what_came_is_what_the_snapshots_said(name: str) -> None:
    told = recording(name)
    found = {state.pop("seq"): state for state in states(told["events"])}
    assert told["snapshots"]
    for snapshot in told["snapshots"]:
        assert found[snapshot["seq"]] == {field: snapshot[field] for field in FOLDED}


@pytest.mark.parametrize("name", NAMES)
def test_the_fold_of_the_log_is_the_fold_of_what_came(name: str) -> None:
    told = recording(name)
    *_, live = states(told["events"])
    *_, logged = [s for s in states(told["log"]) if s["seq"] <= live["seq"]]
    assert logged == live


def test_the_recordings_have_all_that_a_fold_must_know() -> None:
    types = {event["type"] for name in NAMES for event in recording(name)["events"]}
    assert {
        "item/agentMessage/delta",
        "item/commandExecution/outputDelta",
        "item/reasoning/summaryTextDelta",
        "item/discarded",
        "item/gap",
        "turn/diff/updated",
        "turn/plan/updated",
        "error",
        "approval/requested",
        "approval/resolved",
        "queue/changed",
        "thread/name/updated",
        "thread/archived",
        "conversation/updated",
    } <= types
