"""A server that the tests of one module share, for tests that leave it as they found it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tests.support.commands import until
from tests.support.server import Server, Site, left_behind, start

AnySite = TypeVar("AnySite", bound=Site)

GONE = 3.0  # seconds for the kernel to end the commands of a dead core (half a second measured)


@contextmanager
def site_at(root: Path) -> Iterator[Site]:
    """Folders and a scripted model; after the block no process may be left."""
    with watched(Site(root)) as site:
        yield site


@contextmanager
def watched(site: AnySite) -> Iterator[AnySite]:
    """Close the site after the block; then no process may be left."""
    try:
        yield site
    finally:
        site.close()
    assert not _still_there(site), "processes were left behind"


@contextmanager
def server_at(
    root: Path, *arguments: str, environment: dict[str, str] | None = None
) -> Iterator[Server]:
    """A site and a server on it whose core is ready."""
    with site_at(root) as site, start(site, *arguments, environment=environment) as server:
        server.wait_ready()
        yield server


@contextmanager
def lent(server: Server) -> Iterator[Server]:
    """A server of a module for one test, which finds an empty project and a model that was told
    nothing, and leaves no turn."""
    site = server.site
    for entry in site.project.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    site.provider.forget()
    yield server
    until(lambda: _all_idle(server), "every turn has ended")


def _all_idle(server: Server) -> bool:
    return all(each["status"] == "idle" for each in server.get("/conversations")["data"])


def _still_there(site: Site) -> list[str]:
    end = time.monotonic() + GONE
    while (found := left_behind(site)) and time.monotonic() < end:
        time.sleep(0.05)  # noqa: TID251 # there is no event for the end of a stranger's child
    return found
