"""How httpx is set up and what its answers mean. Shared by both clients; makes no request."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import httpx

from codex_http_server import __version__
from codex_http_server.client.attempts import Contact
from codex_http_server.client.calls import Call
from codex_http_server.client.errors import ApiError, ConnectionLost, of_answer
from codex_http_server.client.where import Address, Locator, token_of

T = TypeVar("T")

CONNECT: Final = 5.0  # seconds
LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=10)


class Setup:
    """What both clients are made of."""

    def __init__(
        self,
        base_url: str | None,
        token: str | None,
        codex_home: str | os.PathLike[str] | None,
        patience: float,
    ) -> None:
        self.locator = Locator(base_url, codex_home)
        self.contact = Contact(patience)
        self._headers = {"User-Agent": f"codex-http-server-client/{__version__}"}
        shown = token_of(token)
        if shown:
            self._headers["Authorization"] = f"Bearer {shown}"

    def options(self, address: Address) -> dict[str, Any]:
        """What an httpx client for this address is made with."""
        return {"headers": self._headers, "limits": LIMITS, "trust_env": not address.local}

    def arguments(self, address: Address, call: Call[Any]) -> dict[str, Any]:
        """What httpx is told of a request."""
        body = {"json": call.json} if call.json is not None else {"content": call.content}
        return {
            "method": call.method,
            "url": address.url + call.path,
            "params": call.query(),
            "headers": call.headers,
            "timeout": httpx.Timeout(call.timeout, connect=CONNECT),
            **body,
        }

    def read(self, call: Call[T], answer: httpx.Response) -> T:
        """What a whole answer says. Raises `ApiError`, `ProtocolError`."""
        if not _also(call, answer):
            self.check(answer)
        return call.read(answer.json() if answer.content else None)

    def check(self, answer: httpx.Response) -> None:
        """Raises the error that an answer is."""
        if not answer.is_success:
            error = of_answer(answer.status_code, answer.headers, _json(answer))
            self.contact.met |= isinstance(error, ApiError)
            raise error
        self.contact.met = True


def _also(call: Call[Any], answer: httpx.Response) -> bool:
    """Whether it has the status that is an answer here, and is no problem."""
    if answer.status_code != call.also:
        return False
    body = _json(answer)
    return isinstance(body, dict) and "code" not in body


def broke_off(error: httpx.TransportError) -> ConnectionLost:
    """What a long answer ends with that ends too soon."""
    return ConnectionLost(
        f"The answer broke off: {str(error) or type(error).__name__}.",
        hint="What has come is not whole. Ask for it again.",
    )


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def pages(call: Call[Any], cursor: str | None) -> Call[Any]:
    """The next page of a list."""
    params: Mapping[str, Any] = {**call.params, "cursor": cursor}
    return Call("GET", call.path, params=params)
