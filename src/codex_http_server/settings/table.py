"""Every setting, once: its name, kind, default and help are the fields of `Settings`.

Owns the table. Flags, environment names, the keys of the file, `--help` and
docs/settings.md are all derived from it. Where values come from: sources.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from codex_http_server.settings import kinds
from codex_http_server.settings.kinds import Kind

T = TypeVar("T")
ENV_PREFIX = "CODEX_HTTP_"
CONFIG_ENV = ENV_PREFIX + "CONFIG"
TOKEN_ENV = ENV_PREFIX + "TOKEN"  # no setting: a token has no place on a command line or in a file
NOTICES = ("approval/requested", "turn/completed", "auth/required")
MIB = 1024 * 1024
GIB = 1024 * MIB


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One row of the table. `default` may look at the environment; `shown` says it in words."""

    name: str
    kind: Kind[Any]
    default: Callable[[Mapping[str, str]], Any]
    help: str
    shown: str

    @property
    def flag(self) -> str:
        """Its option on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def env(self) -> str:
        """Its environment variable."""
        return ENV_PREFIX + self.name.upper()


def setting(kind: Kind[T], default: T, text: str, *, shown: str | None = None) -> T:
    """A field of `Settings` with a fixed default; `shown` replaces it in help and docs."""
    shown = kind.show(default) if shown is None else shown
    return _field(kind, lambda _: default, text, shown)


def computed(
    kind: Kind[T], default: Callable[[Mapping[str, str]], T], text: str, *, shown: str
) -> T:
    """A field of `Settings` whose default comes from the environment."""
    return _field(kind, default, text, shown)


def _field(
    kind: Kind[Any], default: Callable[[Mapping[str, str]], Any], text: str, shown: str
) -> Any:
    row = {"kind": kind, "default": default, "help": text, "shown": shown}
    return field(default_factory=lambda: default(os.environ), metadata=row)


def codex_home(environ: Mapping[str, str]) -> Path:
    """The home that Codex itself would use."""
    given = environ.get("CODEX_HOME")
    return Path(given).expanduser().absolute() if given else Path.home() / ".codex"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings in force. Functions receive the values they need, not this object."""

    host: str = setting(kinds.HOST, "127.0.0.1", "Address to listen on.")
    port: int = setting(kinds.whole(0, 65535), 3032, "Port to listen on; 0 picks a free one.")
    listen: Path | None = setting(
        kinds.LISTEN,
        None,
        "Unix socket to listen on (unix:PATH), in place of an address and a port.",
        shown="none",
    )
    codex_home: Path = computed(
        kinds.PATH,
        codex_home,
        "Home of the Codex core: its login, config and conversations.",
        shown="$CODEX_HOME, else ~/.codex",
    )
    data_dir: Path | None = setting(
        kinds.PATH,
        None,
        "Folder of the event log.",
        shown="one per Codex home, in the platform's state folder",
    )
    codex_bin: Path | None = setting(
        kinds.PATH, None, "Another codex binary.", shown="the one installed with the server"
    )
    core: str = setting(
        kinds.choice("auto", "own", "join"),
        "auto",
        "Whose core is used: `join` joins the daemon of Codex on this home and starts none, `own`"
        " always starts one, `auto` joins a healthy daemon, else starts one.",
    )
    allow_origin: tuple[str, ...] = setting(
        kinds.ORIGINS, (), "Web origin that may call, besides the server's own.", shown="none"
    )
    allow_host: tuple[str, ...] = setting(
        kinds.HOST_NAMES,
        (),
        "Name that a Host header may have, besides this machine's loopback names.",
        shown="none",
    )
    token_file: Path | None = setting(
        kinds.PATH,
        None,
        "File of the tokens, as hashes (mode 0600).",
        shown="tokens.json in the home's state folder",
    )
    require_token: bool = setting(
        kinds.FLAG, False, "Ask for a token from callers on this machine too."
    )
    root: tuple[Path, ...] = setting(
        kinds.PATHS,
        (),
        "Directory below which conversations may work; others need the scope elevate.",
        shown="any for callers on this machine, the user's home for others",
    )
    pass_env: tuple[str, ...] = setting(
        kinds.VARIABLES,
        (),
        "Environment variable handed to the core, besides the usual ones.",
        shown="none",
    )
    log_level: str = setting(
        kinds.choice("debug", "info", "warning", "error"), "info", "Least level that is logged."
    )
    log_format: str = setting(
        kinds.choice("auto", "json", "console"),
        "auto",
        "Form of the log on stderr; auto is console on a terminal, else json.",
    )
    max_body: int = setting(kinds.size(1024, GIB), 16 * MIB, "Largest request body.")
    max_upload: int = setting(kinds.size(1024, 20 * MIB), 20 * MIB, "Largest uploaded image.")
    max_uploads: int = setting(
        kinds.size(1024, 1024 * GIB), GIB, "How much all uploaded images may take on the disk."
    )
    upload_lifetime: float = setting(
        kinds.amount("hours", 0.001, 8760),
        24.0,
        "How long an uploaded image is kept after it was sent or last used.",
    )
    request_timeout: float = setting(
        kinds.amount("seconds", 0.1, 3600), 30.0, "How long to wait for an answer of the core."
    )
    core_wait: float = setting(
        kinds.amount("seconds", 0, 600), 10.0, "How long a request waits for a starting core."
    )
    core_check: float = setting(
        kinds.amount("seconds", 0, 3600),
        30.0,
        "How long the core may leave a question unanswered before it is ended and started"
        " again; 0: for ever.",
    )
    core_memory: int = setting(
        kinds.size(0, 1024 * GIB),
        GIB,
        "Memory of the core past which it is started anew once nothing runs; 0: no limit.",
    )
    turn_silence: float = setting(
        kinds.amount("seconds", 0, 7 * 86400),
        900.0,
        "How long a turn that waits for the model may give no sign before it is interrupted; 0:"
        " for ever.",
    )
    interrupt_grace: float = setting(
        kinds.amount("seconds", 0, 60),
        5.0,
        "How long processes of an interrupted turn have to end by themselves before they are"
        " killed.",
    )
    approval_deadline: float = setting(
        kinds.amount("seconds", 0, 7 * 86400),
        600.0,
        "How long an approval waits before it is declined; 0: for ever. A conversation may have"
        " its own.",
    )
    approval_deadline_alone: float | None = setting(
        kinds.optional(kinds.amount("seconds", 0, 7 * 86400)),
        None,
        "The same, for an approval that is asked while nobody reads the conversation's events.",
        shown="as approval_deadline",
    )
    adopt_within: float = setting(
        kinds.amount("seconds", 0, 7 * 86400),
        900.0,
        "How long the core of a server that was killed waits for the next one, its turns going"
        " on, before it is ended.",
    )
    login_limit: float = setting(
        kinds.amount("seconds", 1, 900),
        900.0,
        "How long a login may be pending; the core ends one in a browser after 600 s, one with a"
        " device code after 900 s.",
    )
    heartbeat: float = setting(
        kinds.amount("seconds", 0.1, 300),
        15.0,
        "Time between comments on a quiet event stream, and between pings of `GET /app-server`.",
    )
    tail_bytes: int = setting(
        kinds.size(64 * 1024, GIB),
        4 * MIB,
        "Recent events kept in memory for each conversation that is watched.",
    )
    log_backlog: int = setting(
        kinds.size(64 * 1024, 16 * GIB),
        64 * MIB,
        "Events that may wait for the disk; past it the deltas of open items are left out.",
    )
    max_streams: int = setting(kinds.whole(1, 100_000), 512, "Most event streams open at once.")
    max_streams_per_caller: int | None = setting(
        kinds.optional(kinds.whole(1, 100_000)),
        None,
        "Most event streams of one caller; all without a token are one.",
        shown="half of max_streams",
    )
    max_requests_per_caller: int = setting(
        kinds.whole(1, 100_000),
        256,
        "Most requests of one caller that run or wait at once; event streams do not count.",
    )
    max_connections: int = setting(
        kinds.whole(8, 1_000_000),
        1024,
        "Most connections at once. Other users and other machines have half of them at most, and"
        " each a quarter.",
    )
    max_app_clients: int = setting(
        kinds.whole(0, 64),
        8,
        "Most clients that speak the core's own protocol (`GET /app-server`) at once.",
    )
    item_limit: float = setting(
        kinds.amount("hours", 0.01, 8760),
        24.0,
        "How long a background command may outlive its turn.",
    )
    webhook_url: str | None = setting(
        kinds.WEBHOOK,
        None,
        "Address that is told when an approval waits, a turn has ended or a login is needed.",
        shown="none",
    )
    webhook_secret_file: Path | None = setting(
        kinds.PATH,
        None,
        "File of the secret that webhooks are signed with (mode 0600).",
        shown="webhook.secret in the home's state folder, made when there is none",
    )
    notify_command: tuple[str, ...] = setting(
        kinds.COMMAND,
        (),
        "Program that is told the same, as JSON on its standard input.",
        shown="none",
    )
    notify_on: tuple[str, ...] = setting(
        kinds.words(*NOTICES), NOTICES, "Types of the events that webhook and command are told."
    )
    quota: tuple[str, ...] = setting(
        kinds.QUOTAS,
        (),
        "Limit on turns, minutes or tokens: of a conversation over its life, of each token"
        " (caller) a day, of all together a day (UTC); such as `day.tokens=5000000`.",
        shown="none",
    )


SETTINGS = tuple(Setting(name=each.name, **each.metadata) for each in fields(Settings))
