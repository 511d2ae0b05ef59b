"""`codex-http-server notify`: try out who is told of events, with or without a running server.

Exit codes: 0 all were told, 1 one was not, and those of `serve` for settings.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Final

import typer

from codex_http_server import __version__
from codex_http_server.cli.options import takes
from codex_http_server.cli.starting import refuse
from codex_http_server.clock import new_id, now_ms
from codex_http_server.errors import StartError
from codex_http_server.notify.notices import TEST, Notice
from codex_http_server.notify.receivers import receivers_of
from codex_http_server.notify.secret import load, spell
from codex_http_server.notify.telling import Outcome, Receiver, Told
from codex_http_server.places import places
from codex_http_server.settings import Flags, Settings, resolve

app = typer.Typer(
    help="Try out the webhook and the command that are told of events.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
PLACE: Final = ("codex_home", "data_dir", "webhook_secret_file")
NOBODY: Final = "Nobody is told of events: set webhook_url or notify_command."


@app.command()
@takes(*PLACE, "webhook_url", "notify_command")
def test(flags: Flags) -> None:
    """Send a notice of type test to each of them, once, and say what came back."""
    try:
        settings = resolve(flags, os.environ)
        receivers = receivers_of(
            settings, places(settings.codex_home, settings.data_dir), __version__
        )
    except StartError as error:
        raise refuse(error) from error
    if not receivers:
        typer.echo(NOBODY, err=True)
        raise typer.Exit(1)
    results = asyncio.run(_tell(receivers))
    for receiver, told in zip(receivers, results, strict=True):
        typer.echo(f"{receiver.name}: {told.outcome.value} ({told.detail})")
    if any(told.outcome is not Outcome.TOLD for told in results):
        raise typer.Exit(1)


@app.command()
@takes(*PLACE)
def secret(flags: Flags) -> None:
    """Print the secret that webhooks are signed with, for the receiver to check them by."""
    try:
        typer.echo(spell(load(_file(resolve(flags, os.environ)))))
    except StartError as error:
        raise refuse(error) from error


def _file(settings: Settings):
    where = places(settings.codex_home, settings.data_dir)
    return settings.webhook_secret_file or where.webhook_secret


async def _tell(receivers: Sequence[Receiver]) -> list[Told]:
    notice = Notice(f"test-{new_id()}", 0, TEST, now_ms(), None, {"path": "/"})
    try:
        return [await each.tell(notice, notice.body(None)) for each in receivers]
    finally:
        for each in receivers:
            await each.close()
