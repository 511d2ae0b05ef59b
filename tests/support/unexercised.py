"""Says at the end of a run that Electron itself was not exercised, where that is so.

A pytest plugin. That tests were skipped is in the summary anyway, among others; this must not be
overlooked.
"""

from __future__ import annotations

from typing import Final

import pytest

UNEXERCISED: Final = "Electron itself is not exercised"  # how the reason of such a skip begins
_STOOD_IN: Final = "stood in for Electron"  # the property of a test, whose value is the reason


def stood_in(test: pytest.Item, why: str) -> None:
    """Note that Chromium and Node stand in for Electron in a test."""
    test.user_properties.append((_STOOD_IN, why))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was not exercised, why, and what was in its place; nothing where Electron ran."""
    for line in _lines(terminalreporter):
        terminalreporter.write_line(line, yellow=True, bold=True)


def _lines(reporter: pytest.TerminalReporter) -> list[str]:
    stats: dict[str, list[pytest.TestReport]] = reporter.stats
    skipped = [_reason(each) for each in stats.get("skipped", [])]
    ran = [
        dict(each.user_properties) for kind in ("passed", "failed") for each in stats.get(kind, [])
    ]
    stood = [f"{UNEXERCISED}: {each[_STOOD_IN]}" for each in ran if _STOOD_IN in each]
    reasons = {each for each in [*skipped, *stood] if UNEXERCISED in each}
    return [_line(each, skipped.count(each), stood.count(each)) for each in sorted(reasons)]


def _reason(report: pytest.TestReport) -> str:
    why = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    return str(why).removeprefix("Skipped: ")


def _line(reason: str, skipped: int, stood: int) -> str:
    line = f"{reason}. Skipped: {skipped} tests"
    if stood:
        line += f"; in Chromium instead, with the app's main process under Node: {stood}"
    return line
