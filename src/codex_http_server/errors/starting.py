"""The server can't start: never seen over HTTP."""

from __future__ import annotations

from typing import ClassVar

from codex_http_server.errors.base import ServerError


class StartError(ServerError):
    """The server can't start. `exit_code` is what the command exits with."""

    code = "start_failed"
    title = "The server can't start"
    exit_code: ClassVar[int] = 1


class SettingsError(StartError):
    """A setting has a value that is not allowed, or is not known."""

    code = "bad_setting"
    title = "A setting is not valid"
    exit_code = 2


class WebhookSecretUnusable(SettingsError):
    """The file of the webhook's secret is open to others, can't be read, or holds no secret."""

    code = "webhook_secret_unusable"
    title = "The webhook's secret can't be used"


class TokenFileUnusable(SettingsError):
    """The token file is open to others, belongs to someone else, or is damaged."""

    code = "token_file_unusable"
    title = "The token file can't be used"


class HomeInUse(StartError):
    """Another codex-http-server holds this CODEX_HOME."""

    code = "home_in_use"
    title = "Another server holds this Codex home"
    exit_code = 3


class PortTaken(StartError):
    """The port is taken by another program."""

    code = "port_taken"
    title = "The port is taken"
    exit_code = 4


class SocketTaken(PortTaken):
    """The Unix socket is taken by another server."""

    code = "socket_taken"
    title = "The socket is taken"


class HomeNotWritable(StartError):
    """CODEX_HOME, the state folder or the data folder can't be written."""

    code = "home_not_writable"
    title = "A folder is not writable"


class CoreMissing(StartError):
    """The codex binary is not there or can't be run."""

    code = "core_missing"
    title = "The Codex core is not installed"


class NoDaemon(StartError):
    """The setting `core` says to join Codex's own daemon, and there is none to join."""

    code = "no_daemon"
    title = "There is no daemon to join"
    exit_code = 5


class LogUnusable(StartError):
    """The event log is of a newer version, of another home, or not a log of ours."""

    code = "log_unusable"
    title = "The event log can't be used"
