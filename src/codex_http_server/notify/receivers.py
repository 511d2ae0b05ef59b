"""The receivers that the settings name."""

from __future__ import annotations

import os

from codex_http_server.notify.command import Command
from codex_http_server.notify.secret import load
from codex_http_server.notify.telling import Receiver
from codex_http_server.notify.webhook import Webhook
from codex_http_server.places import Places
from codex_http_server.settings import Settings


def receivers_of(settings: Settings, where: Places, version: str) -> list[Receiver]:
    """Webhook and command, where they are set. Raises `WebhookSecretUnusable`."""
    found: list[Receiver] = []
    if settings.webhook_url:
        key = load(settings.webhook_secret_file or where.webhook_secret)
        found.append(Webhook(settings.webhook_url, key, version))
    if settings.notify_command:
        found.append(Command(settings.notify_command, os.environ, str(where.home)))
    return found
