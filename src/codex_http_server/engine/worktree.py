"""What a directory has that its last commit has not, asked of git. Nothing of the repository runs.

A repository can name programs that git runs: hooks, a file system monitor, external and textual
diffs, filters, transports. Whoever may look at a diff must not start them, so each is turned off
(tests/interaction/test_work_tree.py tries each). Untracked files are read here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from codex_http_server.engine.environment import core_environment
from codex_http_server.errors import NoRepository

SECONDS: Final = 10.0  # for one command of git
DIFF_MAX: Final = 1024 * 1024  # bytes of a diff that are given
FILES_MAX: Final = 1000  # untracked files that are looked at
FILE_MAX: Final = 256 * 1024  # bytes of an untracked file that are shown
EMPTY_TREE: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # git's name for no files at all

QUIET: Final = (
    "--no-optional-locks", "--no-pager", "-c", "core.fsmonitor=false", "-c",
    f"core.hooksPath={os.devnull}", "-c", "core.untrackedCache=false", "-c", "protocol.allow=never",
    "-c", "submodule.recurse=false", "-c", "core.quotePath=false",
)  # fmt: skip
DIFF: Final = (
    "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=all",
    "--find-renames", "--src-prefix=a/", "--dst-prefix=b/",
)  # fmt: skip


class WorkTree(msgspec.Struct, frozen=True):
    """What differs from `head`, the commit that is checked out; None before the first one.
    `truncated`: there is more than is given."""

    head: str | None
    diff: str
    untracked: list[str]
    truncated: bool


async def work_tree(directory: str) -> WorkTree:
    """The work tree below a directory. Raises `NoRepository`."""
    filters = await _filters(directory)
    head = await _asked(directory, filters, "rev-parse", "--verify", "--quiet", "HEAD")
    commit = head.decode().strip() or None
    tracked = await _asked(directory, filters, *DIFF, commit or EMPTY_TREE, "--", ".")
    listed = await _asked(
        directory, filters, "ls-files", "--others", "--exclude-standard", "-z", "--", "."
    )
    names = sorted(os.fsdecode(name) for name in listed.split(b"\0") if name)
    added = await asyncio.to_thread(_untracked, Path(directory), names[:FILES_MAX], DIFF_MAX)
    whole = tracked.decode("utf-8", "replace") + added
    shown = whole.encode("utf-8", "replace")[:DIFF_MAX].decode("utf-8", "ignore")
    return WorkTree(commit, shown, names[:FILES_MAX], shown != whole or len(names) > FILES_MAX)


async def _filters(directory: str) -> dict[str, str]:
    """Settings that turn off every filter that the repository, or its user, has set up."""
    wanted = r"^filter\..*\.(clean|smudge|process|required)$"
    found = await _git(directory, {}, "config", "--name-only", "-z", "--get-regexp", wanted)
    names = [os.fsdecode(name) for name in found[1].split(b"\0") if name]
    values = ("false" if name.endswith(".required") else "" for name in names)
    return dict(zip(names, values, strict=True))


async def _asked(directory: str, off: dict[str, str], *arguments: str) -> bytes:
    """What git says. Raises `NoRepository` where it knows of none."""
    code, said, complaint = await _git(directory, off, *arguments)
    if code == 128:
        words = complaint.decode("utf-8", "replace").strip().removeprefix("fatal: ")
        raise NoRepository(f"git can't tell what changed in {directory}: {words[:300]}")
    return said


async def _git(directory: str, off: dict[str, str], *arguments: str) -> tuple[int, bytes, bytes]:
    environment = core_environment(os.environ, "", ()) | _settings(off)
    try:
        process = await asyncio.create_subprocess_exec(
            "git", *QUIET, *arguments, cwd=directory, env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
    except OSError as error:
        raise NoRepository(f"git can't be run in {directory}: {error.strerror}") from error
    try:
        async with asyncio.timeout(SECONDS):
            said, complaint = await process.communicate()
    except TimeoutError:
        raise NoRepository(f"git did not answer in {SECONDS:g} s in {directory}.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said, complaint


def _settings(off: dict[str, str]) -> dict[str, str]:
    """By the environment: a name may hold anything but a zero byte."""
    found = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"}
    for at, (name, value) in enumerate(off.items()):
        found |= {f"GIT_CONFIG_KEY_{at}": name, f"GIT_CONFIG_VALUE_{at}": value}
    return found | {"GIT_CONFIG_COUNT": str(len(off))}


def _untracked(folder: Path, names: Sequence[str], room: int) -> str:
    """Files that git does not know, as patches that make them."""
    parts: list[str] = []
    for name in names:
        if room <= 0:
            break
        parts.append(_made(folder, name))
        room -= len(parts[-1])
    return "".join(parts)


def _made(folder: Path, name: str) -> str:
    head = f"diff --git a/{name} b/{name}\nnew file mode 100644\n"
    path = folder / name
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > FILE_MAX:
            return f"{head}Binary files /dev/null and b/{name} differ\n"
        content = path.read_bytes()
        lines = content.decode().split("\n")
    except (OSError, UnicodeDecodeError):
        return f"{head}Binary files /dev/null and b/{name} differ\n"
    if not content:
        return head
    ended = lines[-1] == ""
    lines = lines[:-1] if ended else lines
    body = "".join(f"+{line}\n" for line in lines)
    rest = "" if ended else "\\ No newline at end of file\n"
    return f"{head}--- /dev/null\n+++ b/{name}\n@@ -0,0 +1,{len(lines)} @@\n{body}{rest}"
