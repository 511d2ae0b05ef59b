"""A client of the server, for Python programs: `Client` and, for asyncio, `AsyncClient`.

It knows the HTTP interface and nothing of the server's inside: docs/guides/python.md.
"""

from codex_http_server.client.aio.client import AsyncClient
from codex_http_server.client.aio.conversation import AsyncConversation
from codex_http_server.client.aio.server import AsyncLogin
from codex_http_server.client.aio.streams import AsyncAllEvents, AsyncEvents, AsyncTurn
from codex_http_server.client.errors import (
    ApiError,
    ClientError,
    Conflict,
    ConnectionLost,
    Forbidden,
    Invalid,
    NotAuthorized,
    NotFound,
    ProtocolError,
    ServerFailed,
    ServerNotFound,
    TooMany,
    Unavailable,
    WebhookRefused,
)
from codex_http_server.client.sync.client import Client
from codex_http_server.client.sync.conversation import Conversation
from codex_http_server.client.sync.server import Login
from codex_http_server.client.sync.streams import AllEvents, Events, Turn
from codex_http_server.client.types import (
    Approval,
    ConversationInfo,
    Event,
    Reset,
    SearchHit,
    Sent,
)
from codex_http_server.client.webhooks import verify_webhook

__all__ = [
    "AllEvents",
    "ApiError",
    "Approval",
    "AsyncAllEvents",
    "AsyncClient",
    "AsyncConversation",
    "AsyncEvents",
    "AsyncLogin",
    "AsyncTurn",
    "Client",
    "ClientError",
    "Conflict",
    "ConnectionLost",
    "Conversation",
    "ConversationInfo",
    "Event",
    "Events",
    "Forbidden",
    "Invalid",
    "Login",
    "NotAuthorized",
    "NotFound",
    "ProtocolError",
    "Reset",
    "SearchHit",
    "Sent",
    "ServerFailed",
    "ServerNotFound",
    "TooMany",
    "Turn",
    "Unavailable",
    "WebhookRefused",
    "verify_webhook",
]
