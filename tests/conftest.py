"""Fixtures: a site (folders and a scripted model) and a server on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import Server, Site, left_behind, start


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Folders and a scripted model; after the test no process may be left."""
    made = Site(tmp_path)
    try:
        yield made
    finally:
        made.close()
    assert not _still_there(made), "processes were left behind"


def _still_there(site: Site) -> list[str]:
    """A dead core's commands are ended by the kernel within half a second (measured)."""
    end = time.monotonic() + 3
    while (found := left_behind(site)) and time.monotonic() < end:
        time.sleep(0.05)  # noqa: TID251 # there is no event for the end of a stranger's child
    return found


@pytest.fixture
def server(site: Site) -> Iterator[Server]:
    """A server whose core is ready."""
    with start(site) as running:
        running.wait_ready()
        yield running
