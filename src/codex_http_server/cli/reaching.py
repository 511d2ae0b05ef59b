"""How a command reaches the server that runs, and says what is wrong."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated, Final

import typer

from codex_http_server.cli.starting import refuse
from codex_http_server.client import Client, ClientError
from codex_http_server.client.where import START, URL_ENV
from codex_http_server.errors import StartError
from codex_http_server.settings import Flags, resolve

PATIENCE: Final = 10.0  # seconds for a server that is started anew
ELSEWHERE: Final = "Start one: codex-http-server; or name another: --url, CODEX_HTTP_URL."
UNANSWERED: Final = 3  # the server can't be reached, or refused

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="Address of the server. Left out: $CODEX_HTTP_URL, or the one"
        " that runs on the Codex home.",
    ),
]


def client_of(flags: Flags, url: str | None, patience: float) -> Client:
    """As what is nearest says: --url, --codex-home, the environment, the settings' file."""
    try:
        home = resolve(flags, os.environ).codex_home
    except StartError as error:
        raise refuse(error) from error
    given = url or (None if "codex_home" in flags else os.environ.get(URL_ENV))
    return Client(given, codex_home=None if given else home, patience=patience)


@contextmanager
def asking(flags: Flags, url: str | None) -> Generator[Client]:
    """A client for a command that asks and ends. What goes wrong is said, with its exit code."""
    try:
        with client_of(flags, url, PATIENCE) as client:
            yield client
    except ClientError as error:
        complain(error)
        raise typer.Exit(UNANSWERED) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def complain(error: ClientError) -> None:
    """Say what is wrong and what to do, on stderr."""
    typer.echo(f"codex-http-server: {error}", err=True)
    hint = ELSEWHERE if error.hint == START else error.hint
    if hint:
        typer.echo(f"hint: {hint}", err=True)
