"""The Codex home, its config.toml, and who else uses it."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from codex_http_server.doctor.case import Case
from codex_http_server.doctor.core import run_core
from codex_http_server.doctor.daemon import joined
from codex_http_server.doctor.results import Result, fail, ok, skip, warn
from codex_http_server.engine import neighbours
from codex_http_server.engine.process import find_core
from codex_http_server.errors import CoreMissing

RIGHTS: Final = "Give this user write access, or choose another home with --codex-home."


def home(case: Case) -> list[Result]:
    """It is there, ours, and can be written."""
    path, real = case.settings.codex_home, case.places.home
    shown = f"{path}" if path == real else f"{path} (really {real})"
    if not path.exists():
        above = existing(real)
        if path.is_symlink():
            return [fail("home", f"{path} leads nowhere.", "Correct the link, or remove it.")]
        if not writable(above):
            return [fail("home", f"{shown} is not there, nor may {above} be written.", RIGHTS)]
        advice = "It is made at the first start; then sign in."
        return [warn("home", f"{shown} is not there.", advice)]
    if not path.is_dir():
        return [fail("home", f"{shown} is no directory.", "Choose another with --codex-home.")]
    if not writable(path):
        return [fail("home", f"{shown} can't be written by this user.", RIGHTS)]
    return [_owned(path, shown)]


def _owned(path: Path, shown: str) -> Result:
    info = path.stat()
    if os.name == "posix" and info.st_uid != os.getuid():
        found = f"{shown} belongs to {owner(info.st_uid)}; this is {owner(os.getuid())}."
        return warn("home", found, "Run the server as its owner: files that it makes are ours.")
    if os.name == "posix" and info.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        advice = f"Others could change login and configuration: chmod go-w {path}"
        return warn("home", f"{shown} can be written by other users.", advice)
    return ok("home", shown)


def owner(uid: int) -> str:
    """The name of a user, or the number where there is none."""
    if os.name == "posix":
        import pwd  # noqa: PLC0415 # not there on Windows

        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            pass
    return f"user {uid}"


def writable(folder: Path) -> bool:
    """Whether this user may make files in it; asks the system, makes none."""
    return os.access(folder, os.W_OK | os.X_OK)


def existing(path: Path) -> Path:
    """The nearest folder that is there."""
    return next(each for each in (path, *path.parents) if each.exists())


# --- config.toml ----------------------------------------------------------------------------


def config(case: Case) -> list[Result]:
    """It parses, and the core takes it."""
    path = case.config.path
    if case.config.error is not None:
        return [fail("config", f"{path}: {case.config.error}.", "Correct it there.")]
    refusal = _refusal(case)
    if refusal:
        advice = "Conversations can't be started with it. Correct it; no restart is needed."
        return [fail("config", f"The core refuses {path}: {refusal}.", advice)]
    if refusal is None:
        return [skip("config", f"{path} is TOML; there is no core to ask for more.")]
    if not path.exists():
        return [ok("config", f"there is no {path}: the core's own defaults")]
    return [ok("config", f"{path}: the core takes it")]


def _refusal(case: Case) -> str | None:
    """What the core says against the configuration; "" if nothing, None if it can't be asked.

    It is asked on a temporary home whose files are links to the real ones: on its home it writes.
    """
    with tempfile.TemporaryDirectory(prefix="codex-doctor-") as name:
        copy = Path(name)
        for each in _configuring(case.places.home):
            (copy / each.name).symlink_to(each)
        try:
            binary = find_core(case.settings.codex_bin)
            done = run_core(binary, ["features", "list"], case, copy)
        except (CoreMissing, OSError, subprocess.SubprocessError):
            return None
        return reason(done.stderr.replace(name, str(case.places.home))) if done.returncode else ""


def _configuring(home: Path) -> Iterator[Path]:
    """What a configuration may consist of or refer to; not what the core writes to."""
    for each in home.iterdir() if home.is_dir() else ():
        if each.name not in ("tmp", "auth.json") and ".sqlite" not in each.name:
            yield each


def reason(said: str) -> str:
    """The cause in the core's words, on one line, without the lines of the file that it quotes."""
    cause = said.partition("Caused by:")[2].partition("Stack backtrace:")[0] or said
    lines = [re.sub(r"^\d+: ", "", line.strip()) for line in cause.splitlines()]
    kept = [line for line in lines if line and not re.match(r"\d* *\|", line)]
    return " ".join(kept)[:300].rstrip(".") or "it does not say why"


# --- neighbours -----------------------------------------------------------------------------


def others(case: Case) -> list[Result]:
    """Other processes on the home."""
    ours = [os.getpid(), *([case.running.pid] if case.running else [])]
    found = neighbours.find(case.places, ours, joined(case))
    if not found:
        return [ok("neighbours", "nobody else uses the home")]
    words = f"{', '.join(str(each) for each in found)} uses the home too."
    return [warn("neighbours", words, neighbours.ADVICE)]
