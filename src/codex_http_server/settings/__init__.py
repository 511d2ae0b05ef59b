"""The server's settings: one table, read from flags, environment, file and defaults."""

from codex_http_server.settings.docs import settings_markdown
from codex_http_server.settings.sources import Flags, default_file, resolve
from codex_http_server.settings.table import (
    CONFIG_ENV,
    ENV_PREFIX,
    SETTINGS,
    TOKEN_ENV,
    Setting,
    Settings,
)

__all__ = [
    "CONFIG_ENV",
    "ENV_PREFIX",
    "SETTINGS",
    "TOKEN_ENV",
    "Flags",
    "Setting",
    "Settings",
    "default_file",
    "resolve",
    "settings_markdown",
]
