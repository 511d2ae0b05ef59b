"""`codex-http-server attack`: attack a server of one's own, and say whether it held.

Exit codes: 0 all attacks held, 1 something is broken, 2 wrong options or a sender that the server
does not take, 3 the server can't be reached.
"""

from __future__ import annotations

import asyncio
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from codex_http_server.auth.callers import Scope
from codex_http_server.testing.attack import report
from codex_http_server.testing.attack.attacks import Attack
from codex_http_server.testing.attack.runner import WITHIN, CannotStart, Outcome, run
from codex_http_server.testing.attack.stage import Held, Limits, Stage
from codex_http_server.testing.attack.suite import ATTACKS
from codex_http_server.testing.attack.target import Target, target

PATIENT: Final = 40.0  # seconds; a body must be whole in 30
UNREACHABLE: Final = 3


class Sender(StrEnum):
    """Who attacks."""

    CALLER = "caller"
    NOBODY = "nobody"


def attack(
    *,
    base_url: Annotated[
        str,
        typer.Option(
            "--base-url",
            metavar="URL",
            help="The server: http://…, https://… or unix:/path/to/socket.",
            show_default=True,
        ),
    ] = "http://127.0.0.1:3032",
    sender: Annotated[
        Sender,
        typer.Option(
            "--as",
            help="caller: you may call, and only what is wrong must be refused."
            " nobody: you may not (another OS user, the agent's sandbox), and everything"
            " must be refused.",
        ),
    ] = Sender.CALLER,
    tokens: Annotated[
        str | None,
        typer.Option(
            "--tokens",
            metavar="FILE",
            help="Tokens to attack with, a line each:"
            " read,drive=cht_…, with all the scopes that the token has; - is stdin."
            " They show that a token does what it may and no more.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="SUBJECT",
            help="Only this subject (hosts, bodies, …); may be given again.",
        ),
    ] = None,
    patient: Annotated[
        bool,
        typer.Option(
            "--patient", help="Wait for what takes longest too, a body that never ends (40 s)."
        ),
    ] = False,
    within: Annotated[
        float | None,
        typer.Option(
            "--within",
            metavar="SECONDS",
            min=1,
            help="Time for all attacks; what has no"
            " verdict then counts as broken. [default: 60; with --patient 120]",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, not a table.")] = False,
    mine: Annotated[
        bool,
        typer.Option(
            "--yes-this-is-my-server", help="Attack a server that is not on this machine."
        ),
    ] = False,
) -> None:
    """Attack a server of yours, and say what held and what is broken.

    Foreign pages, DNS rebinding, forms, oversized and slow bodies, header floods, request
    smuggling, token guessing, tickets, routes without a right, other users. Nothing is done to
    the server's data: a request that gets through is one that asks for a directory that does
    not exist. Some of the attacks open a few hundred connections for seconds.

    Exit codes: 0 all held, 1 something is broken, 2 wrong options, 3 no server.
    """
    where = _target(base_url, mine=mine)
    limits = Limits(body=PATIENT if patient else None)
    stage = Stage(where, sender.value, _tokens(tokens), limits=limits)
    outcome = _run(stage, _chosen(only), within or (2 * WITHIN if patient else WITHIN))
    if as_json:
        typer.echo(json.dumps(report.as_json(outcome), indent=1))
    else:
        typer.echo(report.as_table(outcome))
    raise typer.Exit(1 if outcome.count("broken") else 0)


def _target(url: str, *, mine: bool) -> Target:
    try:
        where = target(url)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--base-url") from None
    except OSError as error:
        raise _fail(f"{url}: {error.strerror}", UNREACHABLE) from None
    if not where.loopback and not mine:
        raise _fail(
            f"{url} is not on this machine. If it is yours, and nobody else's work depends on it"
            " now, say so with --yes-this-is-my-server.",
            2,
        )
    return where


def _tokens(file: str | None) -> tuple[Held, ...]:
    """Lines of `scopes=token`; empty ones and those that begin with # are passed over."""
    if file is None:
        return ()
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="--tokens") from None
    found: list[Held] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        names, _, secret = (part.strip() for part in line.partition("="))
        scopes = frozenset(name.strip() for name in names.split(",") if name.strip())
        if not secret or scopes - set(Scope):
            allowed = ", ".join(Scope)
            message = f"line {number} must be scopes=token; scopes are {allowed}"
            raise typer.BadParameter(message, param_hint="--tokens")
        found.append(Held(scopes, secret))
    return tuple(found)


def _chosen(only: list[str] | None) -> list[Attack]:
    subjects = sorted({each.subject for each in ATTACKS})
    unknown = set(only or ()) - set(subjects)
    if unknown:
        message = f"{', '.join(sorted(unknown))}: there are {', '.join(subjects)}"
        raise typer.BadParameter(message, param_hint="--only")
    return [each for each in ATTACKS if not only or each.subject in only]


def _run(stage: Stage, chosen: list[Attack], within: float) -> Outcome:
    try:
        return asyncio.run(run(stage, chosen, within))
    except CannotStart as error:
        raise _fail(str(error), 2 if error.reached else UNREACHABLE) from None


def _fail(message: str, code: int) -> typer.Exit:
    typer.echo(f"codex-http-server: {message}", err=True)
    return typer.Exit(code)
