"""A git repository with a branch and a change, for reviews."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

WHO = ("-c", "user.name=A Test", "-c", "user.email=test@example.org")


def git(folder: Path, *arguments: str) -> str:
    """What a git command says; nothing of this user's configuration is read."""
    done = subprocess.run(
        ["git", *WHO, "-C", str(folder), *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return done.stdout.strip()


def make_repository(folder: Path) -> str:
    """A repository whose branch `work` is one commit ahead of `main`; the sha of that commit."""
    git(folder, "init", "--quiet", "--initial-branch=main")
    for branch, text in (("main", "one\n"), ("work", "two\n")):
        git(folder, "switch", "--quiet", "--force-create", branch)
        (folder / "file.txt").write_text(text)
        git(folder, "add", "file.txt")
        git(folder, "commit", "--quiet", "--message", f"{branch} says {text.strip()}")
    return git(folder, "rev-parse", "HEAD")
