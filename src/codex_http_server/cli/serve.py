"""`codex-http-server serve`: run the server until it is told to stop.

Stdout carries one JSON line when the server listens, for whoever started it; the log is on
stderr. Exit codes: 2 a bad setting, 3 the home is in use, 4 the port is taken, 5 no daemon
to join, 1 anything else.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from typing import Annotated, Any

import typer

from codex_http_server import runtime
from codex_http_server.cli.options import takes_settings
from codex_http_server.cli.starting import run, settings_of, token_of_environment
from codex_http_server.settings import Flags


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


def _listening(line: dict[str, Any]) -> None:
    print_ready(line)
    gc.freeze()  # what was loaded stays; looking through it again took 30 ms each time (measured)


def print_ready(line: dict[str, Any]) -> None:
    """The one line on stdout."""
    typer.echo(json.dumps(line))
    sys.stdout.flush()
