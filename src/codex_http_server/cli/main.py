"""The list of commands. `codex-http-server` alone is `codex-http-server serve`.

Only the module of the command that is asked for is imported: a server takes half a second to load,
and `token list` needs none.
"""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Annotated, Any, Final

import typer

from codex_http_server import __version__

GROUP_OPTIONS: Final = ("--help", "--version", "--install-completion", "--show-completion")
# Where each command is, in the order of `--help`; those of a group are in an app of their own.
COMMANDS: Final = {
    "serve": "serve:serve",
    "demo": "demo:demo",
    "login": "login:login",
    "logout": "login:logout",
    "doctor": "doctor:doctor",
    "attack": "attack:attack",
    "open": "open:open_page",
    "chat": "chat.command:chat",
    "search": "search:search",
    "export": "export:export",
    "token": "token:app",
    "notify": "notify:app",
}


def program(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The program with these commands."""
    app = typer.Typer(
        help="The Codex coding agent behind plain HTTP. Without a command: serve.",
        no_args_is_help=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_group)
    for name in names:
        found = _imported(COMMANDS[name])
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def _imported(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"codex_http_server.cli.{module}"), name)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def _group(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


def main() -> None:
    """The entry point of the `codex-http-server` command."""
    arguments = sys.argv[1:]
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in GROUP_OPTIONS):
        arguments = ["serve", *arguments]
    gc.disable()  # nothing that is loaded is garbage: 50 ms of 550 (measured)
    app = program(_needed(arguments[0]))
    gc.enable()
    app(arguments)


def _needed(first: str) -> Iterable[str]:
    """The commands that a command line needs: all, where it names none or a shell completes it."""
    if first == "--version":
        return ()
    completes = any(re.fullmatch("_.*_COMPLETE", name) for name in os.environ)
    return (first,) if first in COMMANDS and not completes else COMMANDS
