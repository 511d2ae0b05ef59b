"""What the routes work with, handed to them as a dependency."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request
from starlette.types import Scope as RequestScope

from codex_http_server.accounts.accounts import Accounts
from codex_http_server.accounts.signin import SignIn
from codex_http_server.api.limits import Streams
from codex_http_server.api.tunnels import Tunnels
from codex_http_server.auth.callers import Caller
from codex_http_server.auth.keyring import Keyring
from codex_http_server.auth.pages import Sessions
from codex_http_server.auth.policy import Gate
from codex_http_server.auth.tickets import Tickets
from codex_http_server.conversations.feed import Feed
from codex_http_server.conversations.files import Files
from codex_http_server.conversations.manager import Manager
from codex_http_server.conversations.rules import Rules
from codex_http_server.conversations.uploads import Uploads
from codex_http_server.engine.discovery import Discovery
from codex_http_server.engine.neighbours import Neighbours
from codex_http_server.eventlog.base import EventLog
from codex_http_server.notify.notifier import Notifier


@dataclass
class Protocols:
    """How the core's protocol compares to the recorded one; None until it was compared."""

    report: dict[str, Any] | None = None


@dataclass
class Services:
    """The pieces that `runtime` has put together."""

    version: str
    manager: Manager
    feed: Feed
    log: EventLog
    accounts: Accounts
    login: SignIn
    discovery: Discovery
    neighbours: Neighbours
    gate: Gate
    heartbeat: float
    streams: Streams
    tunnels: Tunnels
    max_requests: int
    max_body: int
    max_upload: int
    uploads: Uploads
    files: Files
    rules: Rules
    keyring: Keyring
    tickets: Tickets
    sessions: Sessions
    page_codes: Path
    roots: tuple[Path, ...]
    recognise: Callable[[RequestScope], Awaitable[Caller]]
    notifier: Notifier
    protocol: Protocols = field(default_factory=Protocols)


async def services(request: Request) -> Services:  # else it runs in a thread
    """The services of the app that serves this request."""
    found = request.app.state.services
    assert isinstance(found, Services)
    return found


Use = Annotated[Services, Depends(services)]
