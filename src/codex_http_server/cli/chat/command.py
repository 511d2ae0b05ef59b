"""`codex-http-server chat`: talk to the agent in a terminal.

Exit codes: 0 the turn was completed, 1 it was not or nobody could be asked, 130 Ctrl-C.
"""

from __future__ import annotations

import contextlib
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Final

import typer

from codex_http_server.cli.chat.screen import Screen
from codex_http_server.cli.chat.talk import Talk
from codex_http_server.cli.options import takes
from codex_http_server.cli.reaching import Url, client_of, complain
from codex_http_server.client import Client, ClientError, Conversation
from codex_http_server.settings import Flags

HELP: Final = """\
Type a message and press Enter. While the agent works, Ctrl-C interrupts it; a second one leaves.
/help   this
/quit   leave (Ctrl-D too); what runs goes on in the server"""
PATIENCE: Final = 600.0  # seconds for a server that is started anew; Ctrl-C leaves sooner


@takes("codex_home")
def chat(
    flags: Flags,
    conversation: Annotated[
        str | None,
        typer.Argument(help="The id of the conversation to go on with. Left out: a new one."),
    ] = None,
    message: Annotated[
        str | None,
        typer.Option("--message", "-m", help="Send this one message, show the answer, and exit."),
    ] = None,
    working_directory: Annotated[
        Path | None,
        typer.Option(
            "--working-directory",
            "-C",
            help="Directory of a new conversation. Left out: the present one.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    url: Url = None,
) -> None:
    """Talk to the agent in the terminal, through a server that runs.

    The answer goes to stdout, commands and changed files briefly to stderr. What the agent asks,
    you are asked. Without a terminal at stdin, all of stdin is one message, and what the agent
    asks is declined.

    Ctrl-C interrupts the turn; a second Ctrl-C leaves, and the turn goes on in the server.
    If the server is started anew meanwhile, the chat goes on where it was.

    Exit code: 0 the turn was completed, 1 it failed or could not be sent, 130 it was interrupted.
    A token is taken from $CODEX_HTTP_TOKEN.
    """
    if conversation is not None and working_directory is not None:
        raise typer.BadParameter("A conversation has its directory: leave --working-directory out.")
    people = sys.stdin.isatty()
    if message is None and not people:
        message = sys.stdin.read()
    try:
        with client_of(flags, url, PATIENCE) as client:
            found = _conversation(client, conversation, working_directory or Path.cwd())
            talk = Talk(found, Screen(), _ask if people else None)
            code = _once(talk, message) if message is not None else _chat(talk, found)
    except ClientError as error:
        complain(error)
        code = 1
    except KeyboardInterrupt:
        code = 130
    raise typer.Exit(code)


def _ask(prompt: str) -> str:
    """A line that the person types."""
    if not sys.stdout.isatty():  # stdout is for the answer alone
        print(prompt, end="", file=sys.stderr, flush=True)
        return input()
    return input(prompt)


def _conversation(client: Client, given: str | None, directory: Path) -> Conversation:
    if given is None:
        return client.create(directory.resolve())
    found = client.conversation(given)
    found.get()  # say now that there is none
    return found


def _once(talk: Talk, message: str) -> int:
    outcome = talk.say(message)
    return {"completed": 0, "interrupted": 130}.get(outcome or "", 1)


def _chat(talk: Talk, conversation: Conversation) -> int:
    with contextlib.suppress(ImportError):  # Windows
        import_module("readline")  # arrows and history where a line is typed
    typer.echo(f"Conversation {conversation.id}. /help says what can be typed.", err=True)
    talk.catch_up()
    while True:
        try:
            text = _ask("> ").strip()
        except EOFError:
            typer.echo(err=True)
            return 0
        match text:
            case "":
                continue
            case "/quit":
                return 0
            case "/help":
                typer.echo(HELP, err=True)
            case _ if text.startswith("/"):
                typer.echo("There is no such command. /help lists them.", err=True)
            case _:
                _say(talk, text)


def _say(talk: Talk, text: str) -> None:
    try:
        talk.say(text)
    except ClientError as error:
        complain(error)
