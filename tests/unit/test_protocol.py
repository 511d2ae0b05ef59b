"""How the installed core's protocol compares to the one this server was tested with."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any

import pytest

from codex_http_server.engine import protocol
from codex_http_server.engine.process import find_core

SAME: dict[str, list[str]] = {"added": [], "removed": [], "changed": []}


@functools.cache
def installed() -> protocol.Summary:
    return protocol.summarise(find_core(None))


@pytest.fixture
def known() -> protocol.Summary:
    return copy.deepcopy(protocol.recorded()["methods"])


def test_the_recorded_protocol_is_the_installed_core_s(known: protocol.Summary) -> None:
    assert protocol.compare(installed(), known) == SAME
    assert installed() == known


def test_all_three_directions_are_recorded(known: protocol.Summary) -> None:
    assert "turn/start" in known["ClientRequest"]
    assert "item/commandExecution/requestApproval" in known["ServerRequest"]
    assert "turn/completed" in known["ServerNotification"]


@pytest.mark.parametrize("union", protocol.UNIONS)
def test_a_method_that_was_added_removed_or_changed_is_named(
    known: protocol.Summary, union: str
) -> None:
    method = next(iter(known[union]))
    changed = copy.deepcopy(known)
    changed[union][method] = "other"
    assert protocol.compare(changed, known) == SAME | {"changed": [method]}
    del changed[union][method]
    assert protocol.compare(changed, known) == SAME | {"removed": [method]}
    assert protocol.compare(known, changed) == SAME | {"added": [method]}


def test_a_method_s_hash_covers_all_that_it_refers_to_also_itself(tmp_path: Path) -> None:
    def digest(leaf: str) -> str:
        definitions: dict[str, Any] = {
            "A": {"properties": {"b": {"items": [{"$ref": "#/definitions/B"}]}}},
            "B": {"properties": {"a": {"$ref": "#/definitions/A"}, "x": {"type": leaf}}},
            "Unused": {"type": leaf},
        }
        return protocol._digest({"$ref": "#/definitions/A"}, definitions)

    assert digest("string") == digest("string") != digest("integer")


def test_the_report_names_what_differs_and_is_kept_by_binary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def doctored(binary: Path) -> protocol.Summary:
        asked.append(binary)
        found = copy.deepcopy(protocol.recorded()["methods"])
        found["ServerNotification"]["brand/new"] = "x"
        for method in list(found["ClientRequest"])[:30]:
            found["ClientRequest"][method] = "changed"
        return found

    monkeypatch.setattr(protocol, "summarise", doctored)
    binary, cache = tmp_path / "codex", tmp_path / "cache.json"
    binary.write_text("1")
    first = protocol.report(binary, cache)
    assert (first["same"], first["added"], first["added_count"]) == (False, ["brand/new"], 1)
    assert (len(first["changed"]), first["changed_count"]) == (protocol.LISTED, 30)
    assert "removed" not in first
    assert protocol.report(binary, cache) == first
    assert len(asked) == 1
    binary.write_text("another one")
    protocol.report(binary, cache)
    assert len(asked) == 2


def test_a_torn_cache_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "summarise", lambda _: protocol.recorded()["methods"])
    (tmp_path / "codex").touch()
    (tmp_path / "cache").write_text('{"key": [')
    report = protocol.report(tmp_path / "codex", tmp_path / "cache")
    assert report == {"recorded": protocol.recorded()["version"], "same": True}
