"""Command-line options, one per setting, derived from the table of settings.

Owns how a setting looks in `--help`. Values stay text here: the settings read them, so that
a flag, a variable and a line of the file are refused in the same words.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from codex_http_server.settings import CONFIG_ENV, SETTINGS, Flags, Setting, default_file

T = TypeVar("T")
PANEL = "Settings"


def takes_settings(command: Callable[..., T]) -> Callable[..., T]:
    """Give a typer command an option for every setting and `--config`.

    The command must have a parameter `flags`; it gets the options that were given, ready for
    `settings.resolve`. Its other parameters stay its own.
    """
    own = inspect.signature(command, eval_str=True)
    rest = [each for each in own.parameters.values() if each.name != "flags"]
    options = [_config(), *(_option(row) for row in SETTINGS)]

    @functools.wraps(command)
    def run(**given: Any) -> T:
        picked = {each.name: given.pop(each.name) for each in options}
        flags: Flags = {name: value for name, value in picked.items() if value not in (None, [])}
        return command(flags=flags, **given)

    run.__signature__ = own.replace(parameters=_keywords([*rest, *options]))  # type: ignore[attr-defined]
    return run


def _option(row: Setting) -> inspect.Parameter:
    # Round brackets: the help is drawn by rich, which takes square ones for markup.
    text = f"{row.help} ({row.env}; default: {row.shown})"
    kind = list[str] | None if row.kind.many else str | None
    return _parameter(row.name, kind, row.flag, row.kind.metavar, text)


def _config() -> inspect.Parameter:
    text = f"TOML file with settings. ({CONFIG_ENV}; default: {default_file()}, if it exists)"
    return _parameter("config", str | None, "--config", "FILE", text)


def _parameter(name: str, kind: Any, flag: str, metavar: str, text: str) -> inspect.Parameter:
    option = typer.Option(
        flag, metavar=metavar, help=text, rich_help_panel=PANEL, show_default=False
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option]
    )


def _keywords(parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
    return [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
