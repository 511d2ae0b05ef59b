"""Answers about who calls: tokens, tickets, sessions."""

from __future__ import annotations

from typing import Literal

from codex_http_server.api.schemas.base import Answer


class TokenView(Answer):
    """A token, without the token. `source` says where it stands."""

    name: str
    scopes: list[str]
    created_at: str
    expires_at: str | None
    expired: bool
    source: Literal["file", "environment"]


class TokenList(Answer):
    """All tokens of this server, those that have expired too."""

    data: list[TokenView]


class NewToken(TokenView):
    """A token that was just made. It is shown this once."""

    token: str


class NewTicket(Answer):
    """A ticket: `url` is the stream, with it. It must be opened before `expires_at`."""

    ticket: str
    expires_at: str
    url: str


class SessionView(Answer):
    """How this caller is known, and what it may do."""

    via: Literal["local", "token", "page", "ticket", "none"]
    scopes: list[str]
