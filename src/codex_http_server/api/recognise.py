"""Who calls: by token, by ticket, as the page, or as a local caller without any of them.

Owns the order in which what a request shows is looked at, and where it stands: header, query,
cookie. What is shown first counts alone: a wrong header is an error, never a fall-back to less.
Who is local, `local` says; what tokens, tickets and sessions are: auth/.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers, QueryParams
from starlette.requests import cookie_parser
from starlette.types import Scope as RequestScope

from codex_http_server.api.eventstream import MEDIA_TYPE
from codex_http_server.auth.attempts import Attempts
from codex_http_server.auth.callers import NOBODY, Caller
from codex_http_server.auth.keyring import Keyring
from codex_http_server.auth.pages import Sessions
from codex_http_server.auth.policy import forwarded, is_loopback, own_page
from codex_http_server.auth.tickets import Stream, Tickets
from codex_http_server.errors import InvalidToken, TokenInUrl

BEARER: Final = re.compile(r"bearer +([!-~]+)", re.IGNORECASE)
IN_URL: Final = ("token", "access_token")
STREAMS: Final = re.compile(r"/events|/conversations/[^/]+/events")

Local = Callable[[RequestScope], Awaitable[Caller]]


@dataclass(frozen=True)
class Recogniser:
    """Finds the caller of a request. Raises a `ServerError` where there must not be one."""

    local: Local  # a caller of this machine, without a token
    keyring: Keyring
    tickets: Tickets
    sessions: Sessions
    attempts: Attempts
    require_token: bool  # of local callers too

    async def __call__(self, scope: RequestScope) -> Caller:
        headers, query = Headers(scope=scope), QueryParams(scope["query_string"])
        _refuse_tokens_in(query)
        shown = headers.getlist("authorization")
        if shown:
            return self._by_token(shown, peer(scope))
        if "ticket" in query:
            return self.tickets.use(query["ticket"], _stream(scope, headers, query))
        refusal = forwarded(headers)
        if refusal is not None:
            raise refusal
        if not near(scope):
            return NOBODY
        return await self._by_place(scope, headers)

    def _by_token(self, shown: list[str], address: str) -> Caller:
        match = BEARER.fullmatch(shown[0].strip()) if len(shown) == 1 else None
        token = self.keyring.find(match[1]) if match else None
        if token is not None and not token.expired():
            return self.keyring.caller(token)
        if token is not None:
            raise InvalidToken("This token has expired.", hint=_NEW)
        self.attempts.wrong(address)
        if match is None:
            raise InvalidToken("The header must be: Authorization: Bearer <token>", hint=_NEW)
        raise InvalidToken("This token is not one of this server.", hint=_NEW)

    async def _by_place(self, scope: RequestScope, headers: Headers) -> Caller:
        """A caller on this machine. The cookie adds to it and never stands in for it: browsers
        send it to every port of this address, so that others can come to have it."""
        caller = await self.local(scope)
        page = self._page(scope, headers)
        if page is not None:
            return page
        return NOBODY if self.require_token else caller

    def _page(self, scope: RequestScope, headers: Headers) -> Caller | None:
        secret = page_cookie(scope)
        if secret is None or not own_page(headers):
            return None
        return self.sessions.caller(secret)


_NEW: Final = "`codex-http-server token list` shows which there are, `token create` makes one."


def _refuse_tokens_in(query: QueryParams) -> None:
    if any(name in query for name in IN_URL):
        raise TokenInUrl(
            "A token in the address would stand in logs and histories: this one is not taken.",
            hint="Send it as a header, Authorization: Bearer …; for an EventSource get a ticket:"
            " POST /tickets. Take the token in this address for lost.",
        )


def _stream(scope: RequestScope, headers: Headers, query: QueryParams) -> Stream | None:
    """The event stream that is asked for; None for every other request."""
    streaming = MEDIA_TYPE in headers.get("accept", "")
    if scope["method"] != "GET" or not streaming or not STREAMS.fullmatch(scope["path"]):
        return None
    return Stream.of(scope["path"], query.multi_items())


def peer(scope: RequestScope) -> str:
    """The address of the other end; empty for a Unix socket, and for one that is gone already."""
    client = scope.get("client")
    return client[0] if client else ""


def near(scope: RequestScope) -> bool:
    """Whether the other end is on this machine."""
    server = scope.get("server")
    unix = server is not None and server[1] is None
    return unix or is_loopback(peer(scope))


def cookie_name(scope: RequestScope) -> str | None:
    """Our cookie's name: browsers keep cookies by host, not by port. None on a Unix socket."""
    server = scope.get("server")
    return f"codex_http_{server[1]}" if server and server[1] else None


def page_cookie(scope: RequestScope) -> str | None:
    """The secret in the page's cookie."""
    name = cookie_name(scope)
    found = cookie_parser("; ".join(Headers(scope=scope).getlist("cookie")))
    return found.get(name) if name else None
