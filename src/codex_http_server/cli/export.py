"""`codex-http-server export`: a conversation as a file.

Exit codes: 0 all of it was written, 1 not all of it was, 2 a wrong option, 3 the server can't be
reached or refused, 130 Ctrl-C.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer

from codex_http_server.cli.cleaning import clean
from codex_http_server.cli.options import takes
from codex_http_server.cli.reaching import Url, asking
from codex_http_server.client import Client, ConnectionLost, Conversation, NotFound
from codex_http_server.settings import Flags

NOT_WHOLE: Final = 1


class Format(StrEnum):
    """What the file is."""

    MARKDOWN = "markdown"
    JSONL = "jsonl"


@takes("codex_home")
def export(
    flags: Flags,
    conversation: Annotated[
        str, typer.Argument(metavar="CONVERSATION", help="Its id, as search and chat show it.")
    ],
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            help="markdown: to be read; jsonl: all events, one a line. Left out: jsonl for a"
            " FILE that ends in .jsonl, else markdown.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            dir_okay=False,
            allow_dash=True,
            help="Write to this file. It is there when all of it is. Left out, or -: to stdout.",
        ),
    ] = None,
    url: Url = None,
) -> None:
    """Write a conversation to a file or to stdout, up to now.

    It is written as it comes, however long it is. On a terminal, control characters are spelled
    out; in a file or a pipe it is as it is.

    Exit code: 0 all of it was written, 1 not all of it was, 2 the command was typed wrongly, 3 the
    server can't be reached or refused. A token is taken from $CODEX_HTTP_TOKEN.
    """
    to_file = output is not None and str(output) != "-"
    suffix = output.suffix if output is not None and to_file else ""
    form = form or (Format.JSONL if suffix == ".jsonl" else Format.MARKDOWN)
    with asking(flags, url) as client:
        found = _conversation(client, conversation)
        try:
            if output is not None and to_file:
                _write(found, form, output)
            else:
                _print(found, form)
        except (OSError, ConnectionLost) as error:
            raise _broken(error, output if to_file else None) from error


def _conversation(client: Client, given: str) -> Conversation:
    found = client.conversation(given)
    try:
        found.get()
    except NotFound as error:
        error.hint = "codex-http-server search WORD finds conversations."
        raise
    return found


def _write(conversation: Conversation, form: Format, target: Path) -> None:
    with _whole(target) as file:
        conversation.export(file, form.value)


@contextmanager
def _whole(target: Path) -> Generator[BinaryIO]:
    """A file that takes the name, and the place of what was there, when all of it is written."""
    if target.exists() and not target.is_file():  # a pipe, a device
        with target.open("wb") as file:
            yield file
        return
    target = target.resolve()
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            if target.exists():
                shutil.copymode(target, part)
            yield file
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _print(conversation: Conversation, form: Format) -> None:
    if not sys.stdout.isatty():
        conversation.export(sys.stdout.buffer, form.value)
        sys.stdout.flush()
        return
    for line in conversation.export_lines(form.value):
        print(clean(line))


def _broken(error: OSError | ConnectionLost, target: Path | None) -> typer.Exit:
    """Say what was not written. A reader of our pipe that has enough needs no word."""
    if isinstance(error, BrokenPipeError):
        # Python would try to write the rest at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return typer.Exit(NOT_WHOLE)
    what = str(target) if target else "The conversation"
    reason = error.detail if isinstance(error, ConnectionLost) else error.strerror or str(error)
    typer.echo(f"codex-http-server: {what} was not written: {reason}", err=True)
    return typer.Exit(NOT_WHOLE)
