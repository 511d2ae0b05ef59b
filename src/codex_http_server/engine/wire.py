"""Bytes of the core ↔ values. Sans-I/O: knows the shape of the core's JSON, not its transport.

Only the envelope and the few fields that this server acts on are decoded; everything else
stays the core's own bytes (0.3 µs for a delta, against 3.5 µs for full models; measured).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from codex_http_server.events import (
    ERROR,
    ITEM_COMPLETED,
    LOGIN_COMPLETED,
    TEXT_DELTAS,
    TURN_COMPLETED,
    Draft,
)
from codex_http_server.logs import redact_text, redact_value
from codex_http_server.records import RequestId

# Here the core quotes others: a provider or a proxy may have answered with the key it was sent.
SPOKEN: Final = frozenset(
    {
        ERROR, TURN_COMPLETED, LOGIN_COMPLETED,
        "warning", "guardianWarning", "configWarning", "deprecationNotice",
        "mcpServer/startupStatus/updated", "mcpServer/oauthLogin/completed",
    }
)  # fmt: skip


class RpcError(msgspec.Struct):
    """A JSON-RPC error object."""

    code: int
    message: str
    data: Any = None


class Incoming(msgspec.Struct, gc=False):
    """One message of the core: an answer, a request or a notification."""

    id: RequestId | None = None
    method: str | None = None
    params: msgspec.Raw = msgspec.Raw(b"{}")
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: RpcError | None = None


class _Delta(msgspec.Struct, gc=False):
    threadId: str
    turnId: str
    itemId: str
    delta: str


class _Named(msgspec.Struct):
    id: str = ""
    type: str | None = None
    status: Any = None


class _Params(msgspec.Struct):
    threadId: str | None = None
    turnId: str | None = None
    itemId: str | None = None
    thread: _Named | None = None
    turn: _Named | None = None
    item: _Named | None = None
    willRetry: bool = False


class _Place(msgspec.Struct):
    threadId: str | None = None
    turnId: str | None = None


_place: Final = msgspec.json.Decoder(_Place)
_incoming: Final = msgspec.json.Decoder(Incoming)
_delta: Final = msgspec.json.Decoder(_Delta)
_params: Final = msgspec.json.Decoder(_Params)
_encoder: Final = msgspec.json.Encoder()


def decode(message: bytes) -> Incoming:
    """One message. Raises `msgspec.MsgspecError` if it is not JSON-RPC."""
    return _incoming.decode(message)


def encode_request(request_id: int, method: str, params: object) -> bytes:
    """A request of ours."""
    return _encoder.encode({"id": request_id, "method": method, "params": params})


def encode_notification(method: str) -> bytes:
    """A notification of ours; the protocol has only `initialized`."""
    return _encoder.encode({"method": method})


def encode_result(request_id: RequestId, result: object) -> bytes:
    """Our answer to a request of the core."""
    return _encoder.encode({"id": request_id, "result": result})


def encode_error(request_id: RequestId, code: int, message: str) -> bytes:
    """Our refusal of a request of the core that has no valid way to decline."""
    return _encoder.encode({"id": request_id, "error": {"code": code, "message": message}})


class Notice(msgspec.Struct, gc=False):
    """A notification of the core, as far as this server understands it."""

    draft: Draft
    thread_id: str | None
    will_retry: bool = False


def notice(method: str, params: msgspec.Raw, at_ms: int) -> Notice:
    """A notification as a draft of an event, with the thread it belongs to.

    Params that do not have the expected shape pass through with no ids: a newer core must
    not break the feed.
    """
    if method in TEXT_DELTAS:
        try:
            d = _delta.decode(params)
        except msgspec.MsgspecError:
            return Notice(Draft(method, params, at_ms), None)
        return Notice(Draft(method, params, at_ms, d.turnId, d.itemId, text=d.delta), d.threadId)
    return _general(method, _redacted(params) if method in SPOKEN else params, at_ms)


def _redacted(params: msgspec.Raw) -> msgspec.Raw:
    """The same bytes, unless something in them looks like a secret."""
    text = bytes(params).decode("utf-8", "replace")
    if redact_text(text) == text:
        return params
    return msgspec.Raw(msgspec.json.encode(redact_value(msgspec.json.decode(params))))


def _general(method: str, params: msgspec.Raw, at_ms: int) -> Notice:
    try:
        p = _params.decode(params)
    except msgspec.MsgspecError:
        return _unshaped(method, params, at_ms)
    draft = Draft(
        type=method,
        data=params,
        at_ms=at_ms,
        turn_id=p.turnId or (p.turn.id if p.turn else None),
        item_id=p.itemId or (p.item.id if p.item else None),
        item_type=p.item.type if p.item else None,
        status=_status(method, p),
    )
    return Notice(draft, p.threadId or (p.thread.id if p.thread else None), p.willRetry)


def _unshaped(method: str, params: msgspec.Raw, at_ms: int) -> Notice:
    """A notification in a shape of its own: it still goes to its thread, if it names one."""
    try:
        ids = _place.decode(params)
    except msgspec.MsgspecError:
        return Notice(Draft(method, params, at_ms), None)
    return Notice(Draft(method, params, at_ms, turn_id=ids.turnId), ids.threadId)


def _status(method: str, params: _Params) -> str | None:
    if method == ERROR:  # a retry is progress
        return "retrying" if params.willRetry else "failed"
    for named in (params.turn, params.item):
        if named is not None and isinstance(named.status, str):
            return named.status
    return "completed" if method == ITEM_COMPLETED else None
