"""Fixtures: a real browser."""

from tests.support.chromium import browser

__all__ = ["browser"]
