"""`codex-http-server login` and `logout`: sign in and out, whether a server runs or not.

Exit codes: 0 done, 1 it did not work, 130 stopped with Ctrl-C, and those of `serve` for settings.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import webbrowser
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

import typer

from codex_http_server.accounts.logins import Method
from codex_http_server.cli.browser import has_screen
from codex_http_server.cli.options import takes
from codex_http_server.cli.starting import refuse, settings_of
from codex_http_server.cli.ways import Json, Way, way_to
from codex_http_server.errors import ServerError, StartError
from codex_http_server.settings import Flags, Settings

TURN: Final = 30.0  # seconds of one look at a pending login
SETTINGS: Final = ("codex_home", "data_dir", "codex_bin", "login_limit")

Work = Callable[[Way], Coroutine[Any, Any, int]]


@takes(*SETTINGS)
def login(
    flags: Flags,
    device: Annotated[
        bool, typer.Option("--device", help="Sign in with a code, in a browser anywhere.")
    ] = False,
    api_key: Annotated[
        bool, typer.Option("--api-key", help="Sign in with an API key, read from stdin.")
    ] = False,
    open_page: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = True,
) -> None:
    """Sign in with ChatGPT, or with an API key.

    The login is that of the Codex home: the server and every Codex program on it share it.
    If a server runs on the home, it signs in; else a core is started for as long as it takes.
    Ctrl-C cancels.
    """
    if device and api_key:
        raise typer.BadParameter("--device and --api-key are two ways; choose one.")
    key = _read_key() if api_key else None
    method: Method = "api_key" if api_key else "device_code" if device else "browser"
    _run(flags, lambda way: _sign_in(way, method, key, open_page=open_page))


@takes(*SETTINGS)
def logout(flags: Flags) -> None:
    """Sign out, for the server and every Codex program on the home.

    The tokens are revoked. Turns that run in the server fail.
    """
    _run(flags, _sign_out)


async def _sign_in(way: Way, method: Method, key: str | None, *, open_page: bool) -> int:
    begun = await way.begin(method, key)
    try:
        if begun["state"] == "pending":
            _tell(begun, open_page=open_page)
        while begun["state"] == "pending":
            begun = await way.wait(begun["id"], TURN)
    except asyncio.CancelledError:
        with contextlib.suppress(ServerError):
            await way.cancel(begun["id"])
        typer.echo("Cancelled.", err=True)
        raise
    if begun["state"] != "succeeded":
        _say_why(begun)
        return 1
    return _say_who(await way.status())


async def _sign_out(way: Way) -> int:
    await way.sign_out()
    typer.echo("Signed out.")
    return 0


def _tell(begun: Json, *, open_page: bool) -> None:
    """What the person has to do now."""
    if begun["user_code"]:
        typer.echo(f"Open {begun['url']}\nand type the code {begun['user_code']}")
        typer.echo("Give this code to nobody: whoever asks you for it wants your account.")
    else:
        typer.echo(f"Open this page to sign in:\n{begun['url']}")
    if open_page and has_screen():
        webbrowser.open(begun["url"])
    typer.echo(f"Waiting until {begun['expires_at']} (Ctrl-C cancels) …")


def _say_who(status: Json) -> int:
    if status["reason"] is not None:
        typer.echo(f"codex-http-server: {status['detail']}", err=True)
        if status["hint"] and status["reason"] != "provider_needs_no_login":
            typer.echo(f"hint: {status['hint']}", err=True)
        return 0 if status["reason"] == "provider_needs_no_login" else 1
    plan = f" ({status['plan_type']})" if status["plan_type"] else ""
    typer.echo(f"Signed in: {status['email'] or 'an API key'}{plan}")
    return 0


def _say_why(ended: Json) -> None:
    error: Json = ended["error"] or {}
    why = error.get("detail") or f"The login is {ended['state']}."
    typer.echo(f"codex-http-server: {why}", err=True)
    if error.get("hint"):
        typer.echo(f"hint: {error['hint']}", err=True)


def _read_key() -> str:
    """The key on stdin; on a terminal it is asked for and not shown."""
    if sys.stdin.isatty():
        return str(typer.prompt("API key", hide_input=True)).strip()
    return sys.stdin.readline().strip()


def _run(flags: Flags, work: Work) -> None:
    """Do it, and exit as it says."""
    settings = settings_of({"log_level": "error", **flags}, os.environ)
    try:
        code = asyncio.run(_with_way(settings, work))
    except StartError as error:
        raise refuse(error) from error
    except ServerError as error:
        typer.echo(f"codex-http-server: {error.detail}", err=True)
        if error.hint:
            typer.echo(f"hint: {error.hint}", err=True)
        raise typer.Exit(1) from error
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(130) from None
    raise typer.Exit(code)


async def _with_way(settings: Settings, work: Work) -> int:
    task = asyncio.current_task()
    assert task is not None
    with contextlib.suppress(NotImplementedError):  # Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with way_to(settings) as way:
        return await work(way)
