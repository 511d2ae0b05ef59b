"""The end of a browser login, brought by hand.

The core waits for the browser at 127.0.0.1 of its own machine. In a browser of another machine
that address leads nowhere, but stands in the address bar; whoever pastes it gets it brought to
the core from here. What was pasted must be the answer to this very login: nothing else is ever
fetched. Before: logins.
"""

from __future__ import annotations

from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from codex_http_server.errors import CoreUnavailable, Invalid, LoginStateMismatch

PATIENCE: Final = 10.0  # seconds for the core, which asks the issuer meanwhile
_HOSTS: Final = frozenset({"127.0.0.1", "localhost"})
_PASSED: Final = ("code", "state", "scope", "error", "error_description")


@dataclass(frozen=True)
class Redirect:
    """Where the browser is sent at the end of a login, and the state it must bring."""

    port: int
    path: str
    state: str


def redirect_of(auth_url: str) -> Redirect:
    """The redirect in the core's authorize URL."""
    query = parse_qs(urlsplit(auth_url).query)
    where = urlsplit(query["redirect_uri"][0])
    return Redirect(where.port or 80, where.path, query["state"][0])


def target(callback_url: str, redirect: Redirect) -> str:
    """Path and query to fetch. Raises `Invalid`, `LoginStateMismatch`."""
    try:
        given = urlsplit(callback_url.strip())
        place = (given.scheme, given.hostname in _HOSTS, given.port or 80, given.path)
    except ValueError:
        raise _invalid("not a URL") from None
    if place != ("http", True, redirect.port, redirect.path) or "@" in given.netloc:
        raise _invalid(f"expected http://127.0.0.1:{redirect.port}{redirect.path}?…")
    query = {name: values[0] for name, values in parse_qs(given.query).items()}
    if query.get("state") != redirect.state:
        raise LoginStateMismatch(
            "The address belongs to another login: its state is not the one of this login.",
            hint="Copy the address at the end of this login's own page; the login goes on.",
        )
    if not query.keys() & {"code", "error"}:
        raise _invalid("it has no code")
    passed = {name: query[name] for name in _PASSED if name in query}
    return f"{redirect.path}?{urlencode(passed)}"


def _invalid(why: str) -> Invalid:
    errors = [{"field": "callback_url", "message": why}]
    return Invalid(f"callback_url: {why}.", errors=errors)


def bring(port: int, path_and_query: str) -> None:
    """Fetch it at the core's own listener, as the browser would. Blocks; raises
    `CoreUnavailable`. Whether the login worked, the core says by its event."""
    try:
        where = _get(port, path_and_query)
        # The core ends the login when the browser has come to the page it is sent to.
        if where is not None:
            _get(port, where)
    except (OSError, HTTPException) as error:
        raise CoreUnavailable(
            "The core's login page did not answer.", hint="Look at the login; start a new one."
        ) from error


def _get(port: int, path_and_query: str) -> str | None:
    """Fetch a page; where it sends the browser next, if that is the same listener."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path_and_query, headers={"Connection": "close"})
        answer = connection.getresponse()
        answer.read()
        return _next(answer, port)
    finally:
        connection.close()


def _next(answer: HTTPResponse, port: int) -> str | None:
    where = urlsplit(answer.getheader("Location") or "")
    if answer.status not in (302, 303, 307) or where.hostname not in _HOSTS or where.port != port:
        return None
    return f"{where.path}?{where.query}"
