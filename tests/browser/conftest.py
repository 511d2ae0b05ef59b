"""Fixtures: a real browser, and a page in it that must run without an error."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.chromium import browser

__all__ = ["browser", "page"]

PATIENCE = 15_000  # milliseconds for what should happen on the page


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that must run without an error: scripts, and what the security policy blocks."""
    expect.set_options(timeout=PATIENCE)
    made = browser.new_page(viewport={"width": 1300, "height": 900})
    problems: list[str] = []
    made.on("pageerror", lambda error: problems.append(str(error)))
    made.on("console", lambda said: problems.append(said.text) if _matters(said.text) else None)
    yield made
    made.close()
    assert problems == []


def _matters(text: str) -> bool:
    """The browser also reports each answer that is an error, which some tests provoke."""
    return not text.startswith("Failed to load resource")
