"""The list of commands. `codex-http-server` alone is `codex-http-server serve`."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from codex_http_server import __version__
from codex_http_server.cli import attack, demo, doctor, login, notify, serve, token
from codex_http_server.cli.chat.command import chat
from codex_http_server.cli.open import open_page

GROUP_OPTIONS: Final = ("--help", "--version", "--install-completion", "--show-completion")

app = typer.Typer(
    help="The Codex coding agent behind plain HTTP. Without a command: serve.",
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("login")(login.login)
app.command("logout")(login.logout)
app.command("doctor")(doctor.doctor)
app.command("attack")(attack.attack)
app.command("open")(open_page)
app.command("chat")(chat)
app.add_typer(token.app, name="token")
app.add_typer(notify.app, name="notify")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
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
    app(arguments)
