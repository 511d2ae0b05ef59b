"""Every error of the client: what the server refused, or that it can't be reached.

Owns the tree and how an answer becomes an error. One class for each kind of refusal; which one
exactly says `code`, stable and listed in docs/errors.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from codex_http_server.client.types import Json


class ClientError(Exception):
    """Anything that this client raises. `hint` says what to do, where something can be done."""

    def __init__(self, detail: str, *, hint: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint


class ServerNotFound(ClientError):
    """No server was named, and none runs on this Codex home."""


class ConnectionLost(ClientError):
    """The server can't be reached, or went away and did not come back in time."""


class ProtocolError(ClientError):
    """The answer is not one of this server: something else listens there."""


class WebhookRefused(ClientError):
    """What came is no webhook of this secret, or is too old."""


class ApiError(ClientError):
    """The server refused. `extra` has the other fields of its answer (`resolution`, `errors` …);
    `retry_after` is in seconds, None where trying again is no use."""

    def __init__(self, status: int, body: Json, retry_after: float | None = None) -> None:
        super().__init__(str(body.get("detail") or f"status {status}"), hint=body.get("hint"))
        self.status = status
        self.code = str(body.get("code") or "unknown")
        self.request_id: str | None = body.get("request_id")
        self.retry_after = retry_after
        self.extra = {k: v for k, v in body.items() if k not in _COMMON}

    def __str__(self) -> str:
        return f"{self.detail} [{self.code}]"


class Invalid(ApiError):
    """The request is wrong (400, 413, 414, 415, 422, 431)."""


class NotAuthorized(ApiError):
    """A token is needed, or this one does not hold (401)."""


class Forbidden(ApiError):
    """This caller may not do that (403, 421)."""


class NotFound(ApiError):
    """There is no such thing (404)."""


class Conflict(ApiError):
    """It does not fit the present state: busy, queue full, already answered … (409)."""


class TooMany(ApiError):
    """A limit or a quota of the server is reached (429)."""


class ServerFailed(ApiError):
    """The server failed (500), or its disk is full (507)."""


class Unavailable(ApiError):
    """The server can't do it now (503)."""


_COMMON: Final = {"type", "title", "status", "detail", "code", "request_id", "hint"}
_KINDS: Final[Mapping[int, type[ApiError]]] = {
    401: NotAuthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    421: Forbidden,
    429: TooMany,
    503: Unavailable,
}


def of_answer(status: int, headers: Mapping[str, str], body: Any) -> ClientError:
    """The error of an answer of 400 and above, or of one that this server never gives."""
    if not isinstance(body, dict) or "code" not in body:
        return ProtocolError(
            f"The answer ({status}) is not one of codex-http-server.",
            hint="Look which program listens at this address, or whether a proxy is in between.",
        )
    kind = _KINDS.get(status, ServerFailed if status >= 500 else Invalid)
    return kind(status, body, seconds_of(headers.get("retry-after")))  # pyright: ignore[reportUnknownArgumentType]


def seconds_of(retry_after: str | None) -> float | None:
    """The seconds of a Retry-After header; this server never sends a date."""
    return float(retry_after) if retry_after and retry_after.isdigit() else None
