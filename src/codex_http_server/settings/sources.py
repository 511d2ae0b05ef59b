"""Where each setting's value comes from: flag, then environment, then file, then default.

Owns the order and the words of the errors. The table says which settings there are, kinds.py
how a text is read.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import platformdirs

from codex_http_server.errors import SettingsError
from codex_http_server.settings.table import CONFIG_ENV, SETTINGS, Setting, Settings

# What the command line gave, by setting name; `config` is the file's path.
Flags = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True)
class Source:
    """One place where settings stand: its values, their names there, where paths start."""

    values: Mapping[str, object]
    spell: Callable[[Setting], str]
    folder: Path


def resolve(flags: Flags, environ: Mapping[str, str], *, read_file: bool = True) -> Settings:
    """The settings in force. `read_file=False` leaves every file out.

    An empty environment variable counts as not set. A relative path starts at the present
    folder, in the file at the file's folder. Raises SettingsError naming the setting, where
    its value stood and what is allowed.
    """
    sources = [_from_flags(flags), _from_environment(environ)]
    path = _file(flags, environ) if read_file else None
    if path is not None:
        sources.append(_from_file(path))
    _refuse_two_places(sources)
    return Settings(**{row.name: _value(row, sources, environ) for row in SETTINGS})


def _refuse_two_places(sources: Sequence[Source]) -> None:
    """One address to listen on: a socket's path rules out host and port, unless they stand in a
    weaker place than it does."""
    socket = _first("listen", sources)
    if socket is None:
        return
    for name in ("host", "port"):
        address = _first(name, sources)
        if address is not None and address[0] <= socket[0]:
            raise SettingsError(
                f"{address[1]} and {socket[1]} name two places to listen on.",
                hint="Give a host and a port, or unix:PATH.",
                setting="listen",
                source=socket[1],
            )


def _first(name: str, sources: Sequence[Source]) -> tuple[int, str] | None:
    """The strongest source that has a setting: its rank, and how the setting is called there."""
    (row,) = (row for row in SETTINGS if row.name == name)
    found = (each for each in enumerate(sources) if name in each[1].values)
    return next(((rank, source.spell(row)) for rank, source in found), None)


def default_file() -> Path:
    """The file that is read when none is named, if it exists."""
    return platformdirs.user_config_path("codex-http-server", appauthor=False) / "config.toml"


def _from_flags(flags: Flags) -> Source:
    given = {name: value for name, value in flags.items() if name != "config"}
    return Source(given, lambda row: row.flag, Path.cwd())


def _from_environment(environ: Mapping[str, str]) -> Source:
    given = {row.name: environ[row.env] for row in SETTINGS if environ.get(row.env)}
    return Source(given, lambda row: row.env, Path.cwd())


def _from_file(path: Path) -> Source:
    values = _read(path)
    known = [row.name for row in SETTINGS]
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."
            detail = f"{name} in {path} is not a setting."
            raise SettingsError(detail, hint=hint, setting=name, source=str(path))
    return Source(values, lambda row: f"{row.name} in {path}", path.parent)


def _file(flags: Flags, environ: Mapping[str, str]) -> Path | None:
    """The file to read: one that was named must exist, the usual one may."""
    named = flags.get("config") or environ.get(CONFIG_ENV)
    if named:
        return Path(str(named)).expanduser().absolute()
    usual = default_file()
    return usual if usual.exists() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        detail = f"The settings file {path} can't be read: {error.strerror}."
    except ValueError as error:  # not TOML, or not UTF-8
        detail = f"The settings file {path} is not valid TOML: {error}."
    hint = f"Correct it, or name another with --config or {CONFIG_ENV}."
    raise SettingsError(detail, hint=hint, source=str(path))


def _value(row: Setting, sources: Sequence[Source], environ: Mapping[str, str]) -> Any:
    for source in sources:
        if row.name in source.values:
            return _parsed(row, source)
    return row.default(environ)


def _parsed(row: Setting, source: Source) -> Any:
    given = source.values[row.name]
    try:
        value = row.kind.parse(_text(row, given))
    except ValueError as error:
        reason = f" ({error})" if str(error) else ""
        where = source.spell(row)
        detail = f"{where}: {_quoted(given)} is not allowed{reason}. It takes {row.kind.allowed}."
        raise SettingsError(detail, setting=row.name, source=where) from None
    return _rooted(value, source.folder)


def _rooted(value: Any, folder: Path) -> Any:
    """A path, or each of several, from the folder where relative ones start."""
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, tuple):
        several = cast("tuple[object, ...]", value)
        return tuple(folder / each if isinstance(each, Path) else each for each in several)
    return value


def _text(row: Setting, given: object) -> str:
    """`given` as the text it would be in the environment, whatever type TOML gave it."""
    if row.kind.many and isinstance(given, Sequence) and not isinstance(given, str):
        items = cast("Sequence[object]", given)
        if not all(isinstance(item, str) for item in items):
            raise ValueError("every entry must be a string")
        return ",".join(str(item) for item in items)
    if row.kind.flag and isinstance(given, bool):
        return str(given)
    # A bool is an int to Python, but `port = true` is no port.
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ValueError
    text = str(given).strip()
    if not text and not row.kind.many:
        raise ValueError("it is empty")
    return text


def _quoted(given: object) -> str:
    """The value as the user wrote it, cut where it would fill the screen."""
    text = repr(given)
    return text if len(text) <= 100 else text[:99] + "…"
