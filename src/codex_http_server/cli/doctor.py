"""`codex-http-server doctor`: what is wrong, and what to do.

Owns how the results are printed. Exit codes: 0 nothing failed, 1 something did, 2 a wrong option.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from codex_http_server import __version__, logs
from codex_http_server.cli.options import takes_settings
from codex_http_server.doctor.case import open_case
from codex_http_server.doctor.examination import IDS, examine
from codex_http_server.doctor.results import Result, Status, fail, ok, report
from codex_http_server.errors import StartError
from codex_http_server.settings import Flags, Settings, resolve

COLOURS: Final[dict[Status, str]] = {"ok": "32", "warn": "33", "fail": "31", "skip": "90"}
WIDTH: Final = max(map(len, (*IDS, "settings")))


@takes_settings
def doctor(
    flags: Flags,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Use no network.")] = False,
) -> None:
    """Look at everything that the server needs, and say what is wrong and what to do.

    Give it the settings that the server gets. It changes nothing, works while a server runs and
    while none does, and takes 30 s at most.
    """
    logs.configure(level="error")
    settings, first = _settings(flags)
    case = open_case(settings, os.environ, offline=offline)
    results = [first, *examine(case)]
    if as_json:
        typer.echo(json.dumps(report(__version__, str(case.places.home), results), indent=2))
    else:
        typer.echo("\n".join(_lines(results, colour=sys.stdout.isatty())))
    sys.stdout.flush()
    raise typer.Exit(1 if any(each.status == "fail" for each in results) else 0)


def _settings(flags: Flags) -> tuple[Settings, Result]:
    """The settings in force; where they can't be read, the defaults and what is wrong."""
    try:
        return resolve(flags, os.environ), ok("settings", "valid")
    except StartError as error:
        home = {"codex_home": home} if (home := os.environ.get("CODEX_HOME")) else {}
        rest = resolve(home, {}, read_file=False)
        found = f"{error.detail} The defaults are looked at instead."
        return rest, fail("settings", found, error.hint or "Correct it; docs/settings.md has all.")


def _lines(results: Sequence[Result], *, colour: bool) -> list[str]:
    """A line for each check, one more for what to do, and one for all of it."""
    lines: list[str] = []
    for each in results:
        status = f"{each.status:<5}"
        shown = f"\x1b[{COLOURS[each.status]}m{status}\x1b[0m" if colour else status
        lines.append(f"{shown} {each.id:<{WIDTH}}  {_one_line(each.found)}")
        if each.advice:
            lines.append(f"{'':<{WIDTH + 8}}→ {_one_line(each.advice)}")
    return [*lines, "", _summary(results)]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _summary(results: Sequence[Result]) -> str:
    failed = sum(each.status == "fail" for each in results)
    warned = sum(each.status == "warn" for each in results)
    if not failed and not warned:
        return "Nothing is wrong."
    return f"{failed} failed, {warned} to look at."
