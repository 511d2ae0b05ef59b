"""A turn that was refused for its credentials: how it is recognised, and what to tell. Pure.

The core says "Reconnecting… 1/5" when the provider refuses its credentials, five times, and then
gives up (6 s; measured). The HTTP status in the notice tells what it is: 401 and 403 are the
login's, all others are the network's or the provider's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from codex_http_server import events
from codex_http_server.events import Draft, Event

REFUSED: Final = (401, 403)


class Refusal(msgspec.Struct, frozen=True):
    """The provider, or the core itself, refused a turn for its credentials.

    `status` is the provider's HTTP status; None where the core gave up by itself, because it
    could not renew the login.
    """

    status: int | None
    detail: str


class Why(msgspec.Struct, frozen=True):
    """Why nothing can be sent: `code` is one of the reasons of /auth/status."""

    code: str
    detail: str
    hint: str


class _Error(msgspec.Struct):
    message: str = ""
    codexErrorInfo: Any = None
    additionalDetails: str | None = None


class _Turn(msgspec.Struct):
    error: _Error | None = None


class _Params(msgspec.Struct):
    error: _Error | None = None
    turn: _Turn | None = None


def refusal(happened: Draft | Event) -> Refusal | None:
    """The refusal that an `error` or the end of a turn tells of; None if it tells of none."""
    try:
        found = msgspec.json.decode(happened.data, type=_Params)
    except msgspec.MsgspecError:
        return None
    error = found.error if happened.type == events.ERROR else found.turn and found.turn.error
    return _of(error) if error else None


def _of(error: _Error) -> Refusal | None:
    detail = error.additionalDetails or error.message
    if error.codexErrorInfo == "unauthorized":
        return Refusal(None, detail)
    status = _status(error.codexErrorInfo)
    return Refusal(status, detail) if status in REFUSED else None


def _status(info: Any) -> int | None:
    """`{"responseStreamDisconnected": {"httpStatusCode": 401}}` → 401; the kinds are several."""
    if not isinstance(info, Mapping):
        return None
    for inner in cast(Mapping[str, Any], info).values():
        if isinstance(inner, Mapping):
            status = cast(Mapping[str, Any], inner).get("httpStatusCode")
            if isinstance(status, int):
                return status
    return None
