"""How a command begins, and how it refuses: its settings, its event loop, its exit code.

Knows no command. Imports little, so that a command which needs no server starts at once.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from importlib import import_module
from typing import Any

import typer

from codex_http_server import logs
from codex_http_server.cli.handover import take_token
from codex_http_server.errors import StartError
from codex_http_server.settings import Flags, Settings, resolve


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
