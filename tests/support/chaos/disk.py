"""A data folder of its own small file system, which can be filled and freed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

SIZE: Final = "96m"


class Disk:
    """The folder. Where nothing could be mounted it is a plain one, and is never filled."""

    def __init__(self, folder: Path, *, small: bool) -> None:
        self.folder = folder
        self.small = small
        self._ballast = folder / "ballast"

    @property
    def is_full(self) -> bool:
        """Whether it was filled."""
        return self._ballast.exists()

    def fill(self) -> None:
        """Leave no room."""
        with self._ballast.open("wb", buffering=0) as file:
            for size in (1 << 20, 4096, 512, 1):
                with suppress(OSError):
                    while os.write(file.fileno(), bytes(size)):
                        pass

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """Mount a small file system on a new folder, if this machine lets us."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    small = False
    if os.geteuid() == 0:
        small = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield Disk(folder, small=small)
    finally:
        if small:
            subprocess.run(["umount", "-l", str(folder)], check=True)
