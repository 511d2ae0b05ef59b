"""`codex-http-server token`: make, list and end tokens, with or without a running server.

Works on the token file alone; a running server reads it again by itself. `create` prints the
token on stdout, this once, and everything else on stderr.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer

from codex_http_server.auth import tokens
from codex_http_server.auth.callers import MEANING, Scope
from codex_http_server.auth.tokenfile import TokenFile
from codex_http_server.auth.tokens import Token
from codex_http_server.cli.options import takes
from codex_http_server.cli.starting import refuse
from codex_http_server.errors import ServerError, SettingsError, StartError
from codex_http_server.places import places
from codex_http_server.settings import Flags, resolve

app = typer.Typer(help="Make, list and end tokens.", no_args_is_help=True, rich_markup_mode=None)
FILE = takes("codex_home", "token_file")
SCOPES = "\n\n".join(f"{scope}: {meaning}" for scope, meaning in MEANING.items())


@app.command(epilog=f"Scopes: {SCOPES}")
@FILE
def create(
    flags: Flags,
    name: Annotated[
        str, typer.Option("--name", help="Names it in lists and logs. (default: token-<number>)")
    ] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope", help="What it may do; repeatable. (default: read, drive, login, approve)"
        ),
    ] = None,
    expires: Annotated[
        str, typer.Option("--expires", metavar="TIME", help="30d, 12h, 90m. (default: never)")
    ] = "",
) -> None:
    """Make a token. It stands on stdout, this once: only its hash is kept."""
    with _refusals():
        file = _file(flags)
        scopes = _scopes(scope or [str(each) for each in tokens.GIVEN])
        named = _name(name) if name else _free_name(file.load())
        token, secret = tokens.make(named, scopes, _end(expires))
        file.add(token)
    typer.echo(f"{_line(token)}\nKept as a hash in {file.path}; it is not shown again:", err=True)
    typer.echo(secret)


@app.command("list")
@FILE
def list_tokens(flags: Flags) -> None:
    """List the tokens of the file, one a line."""
    with _refusals():
        file = _file(flags)
        for token in file.load():
            typer.echo(_line(token))
    if not file.load():
        typer.echo(f"There is no token in {file.path}.", err=True)


@app.command()
@FILE
def revoke(
    flags: Flags,
    name: Annotated[str, typer.Argument(help="The token's name, see `list`.")],
) -> None:
    """End a token. A running server refuses it from now on."""
    with _refusals():
        file = _file(flags)
        file.remove(name)
    typer.echo(f"{name} is ended.", err=True)


def _file(flags: Flags) -> TokenFile:
    settings = resolve(flags, os.environ)
    return TokenFile(settings.token_file or places(settings.codex_home, None).tokens)


@contextmanager
def _refusals() -> Generator[None]:
    """Every refusal in words, with an exit code."""
    try:
        yield
    except StartError as error:
        raise refuse(error) from error
    except ServerError as error:  # a name that is taken or not there
        raise refuse(StartError(error.detail, hint=error.hint)) from error
    except OSError as error:
        raise refuse(StartError(f"The token file can't be written: {error}.")) from error


def _scopes(given: list[str]) -> list[Scope]:
    """Each may name several, between commas."""
    words = [word.strip() for each in given for word in each.split(",")]
    unknown = [word for word in words if word not in set(Scope)]
    if unknown:
        raise SettingsError(f"{unknown[0]!r} is no scope.", hint=f"Scopes: {', '.join(Scope)}.")
    return [Scope(word) for word in words]


def _name(given: str) -> str:
    if not tokens.NAME.fullmatch(given) or given == tokens.ENV:
        raise SettingsError(
            f"{given[:100]!r} can't be the name of a token.",
            hint="Letters, digits, dots, dashes and underscores; at most 64, and not env.",
        )
    return given


def _free_name(known: tuple[Token, ...]) -> str:
    taken = {token.name for token in known}
    return next(name for n in range(1, len(taken) + 2) if (name := f"token-{n}") not in taken)


def _end(expires: str) -> datetime | None:
    if not expires:
        return None
    try:
        return datetime.now(UTC).replace(microsecond=0) + tokens.age(expires)
    except (ValueError, OverflowError) as error:
        detail = f"--expires {expires[:50]!r} is no span of time: {error}."
        raise SettingsError(detail) from error


def _line(token: Token) -> str:
    end = f"until {token.expires_at:%Y-%m-%d %H:%M} UTC" if token.expires_at else "for ever"
    over = " (expired)" if token.expired() else ""
    scopes = ",".join(token.scopes)
    return f"{token.name}  {scopes}  made {token.created_at:%Y-%m-%d}  {end}{over}"
