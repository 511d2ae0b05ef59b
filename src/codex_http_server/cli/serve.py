"""`codex-http-server serve`: run the server until it is told to stop.

Stdout carries one JSON line when the server listens, for whoever started it; the log is on
stderr. Exit codes: 2 a bad setting, 3 the home is in use, 4 the port is taken, 5 no daemon
to join, 1 anything else.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import Coroutine
from importlib import import_module
from typing import Annotated, Any

import typer

from codex_http_server import logs, runtime
from codex_http_server.cli.handover import take_token
from codex_http_server.cli.options import takes_settings
from codex_http_server.errors import StartError
from codex_http_server.settings import Flags, Settings, resolve


@takes_settings
def serve(
    flags: Flags,
    exit_with_parent: Annotated[
        bool,
        typer.Option(
            "--exit-with-parent",
            help="End when stdin (a pipe) ends or when the process that started it is gone.",
        ),
    ] = False,
) -> None:
    """Run the server. It starts the Codex core itself."""
    token = token_of_environment()
    settings = settings_of(flags, os.environ)
    plan = runtime.Plan(settings, _listening, exit_with_parent=exit_with_parent, token=token)
    run(runtime.serve(plan))


def token_of_environment() -> str | None:
    """See handover.py: may start this process anew. Exits 2 for a token that is none."""
    try:
        return take_token(os.environ)
    except StartError as error:
        raise refuse(error) from error


def settings_of(flags: Flags, environ: Any, *, read_file: bool = True) -> Settings:
    """The settings in force, with the log set up as they say; exits 2 if one is wrong."""
    try:
        settings = resolve(flags, environ, read_file=read_file)
    except StartError as error:
        raise refuse(error) from error
    logs.configure(level=settings.log_level, form=settings.log_format)
    return settings


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run on the fastest event loop there is; a start error becomes its exit code."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(work)
    except StartError as error:
        raise refuse(error) from error


def _loop_factory() -> Any:
    return None if sys.platform == "win32" else import_module("uvloop").new_event_loop


def refuse(error: StartError) -> typer.Exit:
    """Say what is wrong and what to do, on stderr; the exit to raise."""
    typer.echo(f"codex-http-server: {error.detail}", err=True)
    if error.hint:
        typer.echo(f"hint: {error.hint}", err=True)
    return typer.Exit(error.exit_code)


def _listening(line: dict[str, Any]) -> None:
    print_ready(line)
    gc.freeze()  # what was loaded stays; looking through it again took 30 ms each time (measured)


def print_ready(line: dict[str, Any]) -> None:
    """The one line on stdout."""
    typer.echo(json.dumps(line))
    sys.stdout.flush()
