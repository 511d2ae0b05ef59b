"""Versions, the core's binary, its protocol, and its sandbox at work.

Every run of the core is on a temporary home, so that it writes nothing into the user's.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Final

from codex_http_server import __version__
from codex_http_server.doctor.case import Case
from codex_http_server.doctor.results import Result, fail, ok, skip, warn
from codex_http_server.engine import protocol
from codex_http_server.engine.environment import core_environment
from codex_http_server.engine.process import find_core
from codex_http_server.errors import CoreMissing

RUN: Final = 10.0  # seconds for one run of the core (0.2 measured for the sandbox)
SANDBOXED: Final = (
    "sandbox_mode=workspace-write",
    "sandbox_workspace_write.network_access=false",
    "sandbox_workspace_write.exclude_slash_tmp=true",
    "sandbox_workspace_write.exclude_tmpdir_env_var=true",
    "sandbox_workspace_write.writable_roots=[]",
)
# Runs inside: may it write here, and outside; is there a network?
PROBE: Final = """
import json, socket, sys
said = {}
def attempt(name, act):
    try:
        act()
        said[name] = True
    except OSError:
        said[name] = False
attempt("inside", lambda: open("probe", "w").close())
attempt("outside", lambda: open(sys.argv[1] + "/probe", "w").close())
attempt("network", lambda: socket.create_connection(("127.0.0.1", int(sys.argv[2])), 2).close())
print(json.dumps(said))
"""


def versions(_: Case) -> list[Result]:
    """Of this server and what it runs on."""
    found = (
        f"codex-http-server {__version__}, Python {platform.python_version()},"
        f" {platform.system()} {platform.release()} {platform.machine()}"
    )
    if os.name == "posix":
        return [ok("versions", found)]
    return [warn("versions", found, "Nothing has been tested on this system.")]


def core(case: Case) -> list[Result]:
    """`core` and `protocol`: the binary is there, runs, and is the one we know."""
    tested = str(protocol.recorded()["version"])
    try:
        binary = find_core(case.settings.codex_bin)
        version = _version(binary, case)
    except (CoreMissing, OSError, subprocess.SubprocessError, ValueError) as error:
        return [_no_core(error, case), skip("protocol", "There is no core to ask.")]
    found = f"codex {version} at {binary}"
    if version == tested:
        return [ok("core", found), _protocol(binary, tested)]
    advice = f"This server was tested with {tested}. Leave --codex-bin away to use that one."
    return [warn("core", found, advice), _protocol(binary, tested)]


def _no_core(error: Exception, case: Case) -> Result:
    if isinstance(error, CoreMissing):
        return fail("core", error.detail, error.hint or "")
    return fail(
        "core",
        f"The codex binary does not run: {_reason(error)}.",
        "Leave --codex-bin away to use the core that was installed with the server."
        if case.settings.codex_bin
        else "Reinstall codex-http-server; is it a binary for this kind of machine?",
    )


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no answer in {error.timeout:g} s"
    if isinstance(error, subprocess.CalledProcessError):
        return f"it exited with {error.returncode}"
    return str(getattr(error, "strerror", None) or error)


def _version(binary: Path, case: Case) -> str:
    with tempfile.TemporaryDirectory(prefix="codex-doctor-") as home:
        done = run_core(binary, ["--version"], case, Path(home))
    found = re.search(r"codex\S* (\d+\.\S+)", done.stdout)
    done.check_returncode()
    if found is None:
        raise ValueError("it does not say its version; it is no codex")
    return found[1]


def run_core(
    binary: Path,
    arguments: Sequence[str],
    case: Case,
    home: Path,
    folder: Path | None = None,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run the core on another home, with the environment that a server would give it.

    Raises OSError, SubprocessError after `RUN` s.
    """
    given = core_environment(case.environ, str(home), case.settings.pass_env)
    return subprocess.run(
        [str(binary), *arguments],
        env=given | environment,
        cwd=folder or home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=RUN,
        check=False,
    )


def _protocol(binary: Path, tested: str) -> Result:
    try:
        differs = protocol.compare(protocol.summarise(binary), protocol.recorded()["methods"])
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        found = f"The core's protocol could not be compared: {_reason(error)}."
        return warn("protocol", found, f"This server was tested with codex {tested}.")
    if not any(differs.values()):
        return ok("protocol", f"the same as that of codex {tested}")
    counts = ", ".join(f"{len(methods)} {name}" for name, methods in differs.items() if methods)
    found = f"It differs from that of codex {tested}: {counts}."
    return warn("protocol", found, f"Mostly that is harmless; codex {tested} is what was tested.")


# --- the sandbox ----------------------------------------------------------------------------


def sandbox(case: Case) -> list[Result]:
    """Run a command as the agent's commands run: it may write here, and nowhere else."""
    try:
        binary = find_core(case.settings.codex_bin)
    except CoreMissing:
        return [skip("sandbox", "There is no core to ask.")]
    try:
        done = _probe(binary, case)
    except (OSError, subprocess.SubprocessError) as error:
        return [fail("sandbox", f"It can't be tried: {_reason(error)}.", _ADVICE)]
    said = _said(done.stdout)
    if said is None:
        return [fail("sandbox", f"A command in it fails: {_last_words(done)}.", _ADVICE)]
    return [_judge(said)]


_ADVICE: Final = (
    "Commands of the agent will fail. On Linux the sandbox needs unprivileged user namespaces"
    " (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns; in a"
    " container: its seccomp profile) or an installed bubblewrap."
)


def _judge(said: Mapping[str, bool]) -> Result:
    """What a command could do, against what it should."""
    if not said.get("inside"):
        return fail("sandbox", "A command can't write in its own directory.", _ADVICE)
    open_ways = [
        words
        for name, words in (("outside", "writes outside its directory"), ("network", "has network"))
        if said.get(name)
    ]
    if open_ways:
        advice = "It does not hold. Do not let the agent run anything here that you would not run."
        return fail("sandbox", f"A command {' and '.join(open_ways)}.", advice)
    return ok("sandbox", "a command writes in its directory, nowhere else, and has no network")


def _probe(binary: Path, case: Case) -> subprocess.CompletedProcess[str]:
    options = [part for setting in SANDBOXED for part in ("-c", setting)]
    with _folders() as (home, inside, outside), socket.create_server(("127.0.0.1", 0)) as door:
        command = [sys.executable, "-I", "-S", "-c", PROBE, str(outside)]
        port = str(door.getsockname()[1])
        arguments = ["sandbox", *options, "--", *command, port]
        return run_core(binary, arguments, case, home, inside, TMPDIR=str(home / "tmp"))


@contextlib.contextmanager
def _folders() -> Generator[tuple[Path, Path, Path]]:
    with tempfile.TemporaryDirectory(prefix="codex-doctor-") as root:
        folders = [Path(root).resolve() / name for name in ("home", "inside", "outside")]
        for folder in (*folders, folders[0] / "tmp"):
            folder.mkdir()
        yield folders[0], folders[1], folders[2]


def _said(text: str) -> dict[str, bool] | None:
    with contextlib.suppress(ValueError):
        said = json.loads(text.strip().splitlines()[-1]) if text.strip() else None
        return said if isinstance(said, dict) else None  # pyright: ignore[reportUnknownVariableType]
    return None


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in done.stderr.strip().splitlines() if not line.startswith("WARNING")]
    return lines[-1].strip()[:300] if lines else f"it exited with {done.returncode}"
