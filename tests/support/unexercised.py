"""Says at the end of a run that Electron itself was not exercised, where that is so.

A pytest plugin. That tests were skipped is in the summary anyway, among others; this must not be
overlooked.
"""

from __future__ import annotations

from typing import Final

import pytest

UNEXERCISED: Final = "Electron itself is not exercised"  # how the reason of such a skip begins


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line with the reason; nothing where Electron ran."""
    skipped: list[pytest.TestReport] = terminalreporter.stats.get("skipped", [])
    reasons = {str(each.longrepr[2]) for each in skipped if isinstance(each.longrepr, tuple)}
    for reason in sorted(each for each in reasons if UNEXERCISED in each):
        terminalreporter.write_line(reason.removeprefix("Skipped: "), yellow=True, bold=True)
