"""Command-line options, one per setting, derived from the table of settings.

Owns how a setting looks in `--help`. Values stay text here: the settings read them, so that
a flag, a variable and a line of the file are refused in the same words.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
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
    return _given(command, SETTINGS)


def takes(*names: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """The same with these settings only."""
    rows = [row for row in SETTINGS if row.name in names]
    return lambda command: _given(command, rows)


def _given(command: Callable[..., T], rows: Sequence[Setting]) -> Callable[..., T]:
    own = inspect.signature(command, eval_str=True)
    rest = [each for each in own.parameters.values() if each.name != "flags"]
    options = [_config(), *(_option(row) for row in rows)]

    @functools.wraps(command)
    def run(**given: Any) -> T:
        picked = {each.name: given.pop(each.name) for each in options}
        flags: Flags = {name: _text(value) for name, value in picked.items() if _is(value)}
        return command(flags=flags, **given)

    run.__signature__ = own.replace(parameters=_keywords([*rest, *options]))  # type: ignore[attr-defined]
    return run


def _is(value: Any) -> bool:
    """Whether an option was given."""
    return value is not None and value != []


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, bool) else value


def _option(row: Setting) -> inspect.Parameter:
    # Round brackets: the help is drawn by rich, which takes square ones for markup.
    text = f"{row.help} ({row.env}; default: {row.shown})"
    if row.kind.flag:
        both = f"{row.flag}/--no-{row.flag.removeprefix('--')}"
        return _parameter(row.name, bool | None, both, None, text)
    kind = list[str] | None if row.kind.many else str | None
    return _parameter(row.name, kind, row.flag, row.kind.metavar, text)


def _config() -> inspect.Parameter:
    text = f"TOML file with settings. ({CONFIG_ENV}; default: {default_file()}, if it exists)"
    return _parameter("config", str | None, "--config", "FILE", text)


def _parameter(
    name: str, kind: Any, flag: str, metavar: str | None, text: str
) -> inspect.Parameter:
    option = typer.Option(
        flag, metavar=metavar, help=text, rich_help_panel=PANEL, show_default=False
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option]
    )


def _keywords(parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
    return [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
