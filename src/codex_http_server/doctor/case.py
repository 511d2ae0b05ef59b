"""What all checks look at: the settings, the folders, the configuration, the running server.

Owns the first look, which several checks need, and the small HTTP client for a server on this
machine. Nothing is made or changed.
"""

from __future__ import annotations

import json
import re
import socket
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import psutil

from codex_http_server.engine.lock import read_json
from codex_http_server.places import Places, locate
from codex_http_server.settings import Settings

ANSWER: Final = 5.0  # seconds for an answer of a server on this machine

Table = dict[str, Any]


@dataclass(frozen=True)
class Running:
    """What the discovery file says of the server of this home, and what the server says itself."""

    url: str
    pid: int
    version: str
    alive: bool  # there is a process with that pid, and it is no younger than the file says
    health: Table | None  # what /health answers, if it does


@dataclass(frozen=True)
class Config:
    """config.toml of the home; `error` says where it can't be read, without quoting it."""

    path: Path
    values: Table = field(default_factory=dict[str, Any])
    error: str | None = None

    def table(self, *names: str) -> Table:
        """A table in it; empty if there is none."""
        found: Any = self.values
        for name in names:
            found = cast("Table", found).get(name) if isinstance(found, dict) else None
        return cast("Table", found) if isinstance(found, dict) else {}

    def text(self, name: str) -> str | None:
        """A string at the top, or in the profile that it chooses."""
        profile = self.values.get("profile")
        chosen = self.table("profiles", profile) if isinstance(profile, str) else {}
        value = chosen.get(name, self.values.get(name))
        return value if isinstance(value, str) else None


@dataclass(frozen=True)
class Case:
    """What the checks are given."""

    settings: Settings
    environ: Mapping[str, str]
    places: Places
    config: Config
    running: Running | None
    offline: bool = False


def open_case(settings: Settings, environ: Mapping[str, str], *, offline: bool) -> Case:
    """The first look. Blocks for at most `ANSWER` s."""
    places = locate(settings.codex_home, settings.data_dir)
    config = read_config(places.home / "config.toml")
    return Case(settings, environ, places, config, _running(places), offline)


def read_config(path: Path) -> Config:
    """Read a config.toml; a missing one is empty."""
    try:
        return Config(path, tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Config(path)
    except OSError as error:
        return Config(path, error=f"it can't be read: {error.strerror}")
    except UnicodeDecodeError:
        return Config(path, error="it is not UTF-8")
    except tomllib.TOMLDecodeError as error:
        # The rest of the message may quote the line, and a line may hold a key.
        place = re.search(r"line (\d+), column (\d+)", str(error))
        where = f"line {place[1]}, column {place[2]}" if place else "its end"
        return Config(path, error=f"it is not valid TOML at {where}")


def _running(places: Places) -> Running | None:
    match read_json(places.discovery):
        case {"url": str(url), "pid": int(pid), "version": str(version), **rest}:
            alive = _alive(pid, rest.get("started_at"))
            health = get(url, "/health")[1] if alive else None
            return Running(url, pid, version, alive, health)
        case _:
            return None


def _alive(pid: int, started: Any) -> bool:
    try:
        return psutil.Process(pid).create_time() == started
    except psutil.Error:
        return False


def get(url: str, path: str, timeout: float = ANSWER) -> tuple[int, Table | None]:
    """GET a JSON object of a server on this machine: status and body, (0, None) without answer."""
    connection = Local(url, timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = json.load(answer)
        return answer.status, body if isinstance(body, dict) else None  # pyright: ignore[reportUnknownVariableType]
    except (OSError, HTTPException, ValueError):
        return 0, None
    finally:
        connection.close()


class Local(HTTPConnection):
    """To `http://host:port` or `unix:PATH`, and never through a proxy."""

    def __init__(self, url: str, timeout: float) -> None:
        self._path = url.removeprefix("unix:") if url.startswith("unix:") else None
        super().__init__("localhost" if self._path else urlsplit(url).netloc, timeout=timeout)

    def connect(self) -> None:
        if self._path is None:
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
