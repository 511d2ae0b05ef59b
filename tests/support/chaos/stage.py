"""Where the world stands: its folders before, and what is left of it afterwards."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.chaos.disk import small_disk
from tests.support.chaos.world import World
from tests.support.commands import until
from tests.support.server import left_behind
from tests.support.shared import site_at

LEFT: Final = 6.0  # seconds for all processes to be gone after a stop


def check_nothing_left(world: World) -> None:
    """After a stop: no process, no socket, a sound database."""
    until(lambda: not left_behind(world.site), "all processes are gone", LEFT)
    sockets = [str(path) for path in world.runtime.rglob("*") if path.is_socket()]
    assert not sockets, f"sockets were left: {sockets}"
    with contextlib.closing(sqlite3.connect(world.disk.folder / "log.db")) as database:
        for question, answer in (("integrity_check", [("ok",)]), ("foreign_key_check", [])):
            said = database.execute(f"PRAGMA {question}").fetchall()
            assert said == answer, f"{question}: {said}"


@contextmanager
def world_at(root: Path, seed: int) -> Iterator[World]:
    """A world on fresh folders, its data on a small disk. After the block nothing is left."""
    with (
        tempfile.TemporaryDirectory(prefix="chx-", dir="/tmp") as runtime,
        site_at(root) as site,
        small_disk(root / "data") as disk,
    ):
        site.configure(
            sandbox_mode="workspace-write",
            approval_policy="never",
            request_max_retries=0,
            stream_max_retries=1,
            stream_idle_timeout_ms=2000,
        )
        world = World(site, disk, seed, Path(runtime))
        site.provider.script = world.model.script
        try:
            yield world
        finally:
            world.close()
