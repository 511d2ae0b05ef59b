"""The slowest files come first, and what is in a file keeps its order."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import order

ROOT = Path(__file__).parents[2]


def test_the_slow_files_are_there_and_in_order() -> None:
    times = order.noted()
    assert [name for name in times if not (ROOT / name).exists()] == []
    assert list(times.values()) == sorted(times.values(), reverse=True)


def test_the_slowest_file_comes_first_and_the_rest_as_it_was() -> None:
    slower, *_, slow = order.noted()
    ids = ["new.py::b", f"{slow}::b", f"{slow}::a", "other.py::a", f"{slower}::z[a::b]"]
    items: list[Any] = [SimpleNamespace(nodeid=each) for each in ids]
    order.pytest_collection_modifyitems(items)
    assert [item.nodeid for item in items] == [ids[4], ids[1], ids[2], ids[0], ids[3]]


def test_the_workers_can_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    assert order.pytest_xdist_auto_num_workers() >= order.PER_CPU
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "1")
    assert order.pytest_xdist_auto_num_workers() == 1
