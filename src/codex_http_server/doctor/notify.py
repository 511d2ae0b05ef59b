"""Who is told of events: can they be told at all? Nothing is sent."""

from __future__ import annotations

import os
import shutil
import stat

from codex_http_server.doctor.case import Case
from codex_http_server.doctor.results import Result, ok, warn, worst


def notify(case: Case) -> list[Result]:
    """The webhook's secret, the command's program."""
    found = [*_webhook(case), *_command(case)]
    return [worst(found or [ok("notify", "nobody is told of events")])]


def _webhook(case: Case) -> list[Result]:
    if not case.settings.webhook_url:
        return []
    path = case.settings.webhook_secret_file or case.places.webhook_secret
    if not path.exists():
        return [ok("notify", "a webhook, whose secret is made at the first start")]
    if os.name != "nt" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        return [warn("notify", f"{path} can be read by others: no start.", f"chmod 600 {path}")]
    return [ok("notify", "a webhook, signed")]


def _command(case: Case) -> list[Result]:
    command = case.settings.notify_command
    if not command:
        return []
    if shutil.which(command[0], path=case.environ.get("PATH")) is None:
        advice = "Correct notify_command; try it: codex-http-server notify test"
        return [warn("notify", f"{command[0]} is no program that can be run.", advice)]
    return [ok("notify", f"the command {command[0]}")]
