"""All checks, at once, in bounded time.

Owns the list and the order of ids, which is the same in every run. Each group of checks has a
thread of its own; one that is not done in `WHOLE` s is reported as failed and left behind.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from codex_http_server.doctor import (
    core,
    daemon,
    environment,
    home,
    login,
    notify,
    provider,
    server,
    storage,
)
from codex_http_server.doctor.case import Case
from codex_http_server.doctor.results import Result, clean, fail

WHOLE: Final = 30.0  # seconds

Check = Callable[[Case], list[Result]]
CHECKS: Final[tuple[tuple[tuple[str, ...], Check], ...]] = (
    (("versions",), core.versions),
    (("core", "protocol"), core.core),
    (("home",), home.home),
    (("config",), home.config),
    (("daemon",), daemon.daemon),
    (("neighbours",), home.others),
    (("state",), storage.folders),
    (("log",), storage.log),
    (("server",), server.server),
    (("port",), server.port),
    (("login",), login.login),
    (("provider", "clock"), provider.provider),
    (("login_service",), provider.issuer),
    (("sandbox",), core.sandbox),
    (("disk",), storage.disk),
    (("memory",), storage.memory),
    (("files",), storage.files),
    (("environment",), environment.environment),
    (("notify",), notify.notify),
)
IDS: Final = tuple(name for names, _ in CHECKS for name in names)


def examine(case: Case, seconds: float = WHOLE) -> list[Result]:
    """Every check's result, in the order of `IDS`."""
    found: queue.SimpleQueue[list[Result]] = queue.SimpleQueue()
    for names, check in CHECKS:
        work = (names, check, case, found)
        threading.Thread(target=_run, args=work, name=f"doctor {names[0]}", daemon=True).start()
    results = {each.id: each for group in _collect(found, seconds) for each in group}
    return [clean(results.get(name) or _late(name, seconds)) for name in IDS]


def _run(
    names: Sequence[str], check: Check, case: Case, found: queue.SimpleQueue[list[Result]]
) -> None:
    try:
        found.put(check(case))
    except Exception as error:  # noqa: BLE001 # a check that fails must not hide the others
        advice = "That is a fault of codex-http-server: please report it."
        found.put([fail(name, f"The check itself failed: {error!r}.", advice) for name in names])


def _collect(found: queue.SimpleQueue[list[Result]], seconds: float) -> Iterator[list[Result]]:
    end = time.monotonic() + seconds
    for _ in CHECKS:
        try:
            yield found.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            return


def _late(name: str, seconds: float) -> Result:
    return fail(name, f"No result within {seconds:g} s.", "The machine or the network is stuck.")
