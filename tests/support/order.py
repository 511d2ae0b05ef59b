"""Where tests run side by side: how many at once, and the slowest files first.

A pytest plugin. Owns the number of workers of `--numprocesses auto` and the order of the files. A
file's tests stay with one worker, so a long file that begins last keeps one worker busy while the
others have nothing to do. The seconds of the slow files are in tests/times.json; only their order
matters, and a file that is not there is quick. `make test ARGS=--note-times` writes it anew.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Final

import pytest

TIMES: Final = Path(__file__).resolve().parents[1] / "times.json"
PER_CPU: Final = 2  # a test waits for a core, a model or a deadline about half of its time
SLOW: Final = 2.0  # seconds that a file must take to be noted

SECONDS: defaultdict[str, float] = defaultdict(float)  # of each file, in this run


def noted() -> dict[str, int]:
    """The seconds of each slow file."""
    return json.loads(TIMES.read_text(encoding="utf-8"))


def file_of(nodeid: str) -> str:
    """The file that a test is in."""
    return nodeid.partition("::")[0]


def pytest_addoption(parser: pytest.Parser) -> None:
    """An option that writes the table."""
    parser.addoption("--note-times", action="store_true", help="write tests/times.json anew")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """More than there are processors: they'd have nothing to do while tests wait."""
    given = os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS")
    return int(given) if given else PER_CPU * (os.cpu_count() or 1)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files first; what is in a file keeps its order."""
    times = noted()
    items.sort(key=lambda item: -times.get(file_of(item.nodeid), 0))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count a test's set-up, call or end to its file."""
    SECONDS[file_of(report.nodeid)] += report.duration


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the table where that was asked for; a worker has only a part of it."""
    if session.config.getoption("note_times") and not hasattr(session.config, "workerinput"):
        slowest = sorted(SECONDS.items(), key=lambda each: -each[1])
        slow = {name: round(taken) for name, taken in slowest if taken >= SLOW}
        TIMES.write_text(json.dumps(slow, indent=1) + "\n", encoding="utf-8")
