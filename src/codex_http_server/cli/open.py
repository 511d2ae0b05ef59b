"""`codex-http-server open`: open the page of the running server, with the right to elevate.

Finds the server by its discovery file and proves by writing into the state folder that whoever
asks is the user, and not a command of the agent's sandbox, which can read there but not write.
"""

from __future__ import annotations

import os
import webbrowser
from typing import Annotated, Any
from urllib.parse import urlsplit

import psutil
import typer

from codex_http_server.auth.pages import leave_code
from codex_http_server.auth.policy import is_loopback
from codex_http_server.cli.browser import has_screen
from codex_http_server.cli.options import takes
from codex_http_server.cli.starting import refuse
from codex_http_server.engine.lock import read_json
from codex_http_server.errors import StartError
from codex_http_server.places import Places, places
from codex_http_server.settings import Flags, resolve


@takes("codex_home")
def open_page(
    flags: Flags,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the address in a browser.")
    ] = True,
) -> None:
    """Open the page of the running server, with all rights of this user: once, within a minute."""
    try:
        settings = resolve(flags, os.environ)
        address = _address(places(settings.codex_home, None))
    except StartError as error:
        raise refuse(error) from error
    typer.echo(address)
    if browser and has_screen():
        webbrowser.open(address)


def _address(where: Places) -> str:
    """The page's address with a new code."""
    url = _running(where)
    if not is_loopback(urlsplit(url).hostname or ""):
        raise StartError(
            f"The server listens on {url}, where no page gets more rights than any caller.",
            hint="Start it on a loopback address (--host 127.0.0.1) or on all (--host 0.0.0.0).",
        )
    try:
        return f"{url}/#code={leave_code(where.page_codes)}"
    except OSError as error:
        raise StartError(f"{where.page_codes} can't be written: {error.strerror}.") from error


def _running(where: Places) -> str:
    record = read_json(where.discovery)
    if record is None or not _alive(record):
        raise StartError(
            f"No codex-http-server runs for {where.home}.",
            hint="Start one: codex-http-server; or name its home with --codex-home.",
        )
    return str(record["url"])


def _alive(record: dict[str, Any]) -> bool:
    try:
        started = psutil.Process(int(record["pid"])).create_time()
    except (psutil.Error, KeyError, ValueError):
        return False
    return abs(started - float(record["started_at"])) < 1
