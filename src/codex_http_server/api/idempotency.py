"""`Idempotency-Key` on every POST but messages: the same key and body get the stored answer.

Messages have their own way (conversations/messages.py), because their answer may be a stream
and changes with time. Answers are kept for 24 h, across restarts; 5xx answers are not kept.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codex_http_server import errors
from codex_http_server.api.problems import problem
from codex_http_server.clock import now_ms
from codex_http_server.errors import ServerError
from codex_http_server.eventlog.base import EventLog
from codex_http_server.records import AnswerRecord

KEY_MAX: Final = 255  # characters
NOT_KEPT: Final = frozenset({"/tokens", "/tickets", "/session", "/auth/login", "/rpc"})
"""Paths whose answers hold secrets: only that there was one is written down."""
SECRET: Final = 0  # the status of an answer that is not kept
OWN_WAY: Final = re.compile(r"/conversations/[^/]+/(messages|retry)/?")
_KEPT_HEADERS: Final = frozenset({"content-type", "location", "cache-control"})


def key_of(headers: Headers) -> str | None:
    """The request's Idempotency-Key. Raises `BadRequest` for one that is empty or too long."""
    key = headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= KEY_MAX:
        raise errors.BadRequest(f"Idempotency-Key must have 1 to {KEY_MAX} characters.")
    return key


class Idempotency:
    """Sits inside the body check: the body is there, and whole."""

    def __init__(self, app: ASGIApp, log: EventLog) -> None:
        self._app = app
        self._log = log
        self._running: set[tuple[str, str]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        plain = scope["type"] != "http" or scope["method"] != "POST"
        if plain or "idempotency-key" not in headers or OWN_WAY.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            await self._once(scope, receive, send, headers)
        except ServerError as error:
            await problem(error, scope["request_id"])(scope, receive, send)

    async def _once(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        place = (f"POST {scope['path']}", key_of(headers) or "")
        first = await receive()
        body_hash = hashlib.sha256(first.get("body", b"")).hexdigest()
        if place in self._running:
            raise errors.RequestInProgress("A request with this Idempotency-Key is running.")
        self._running.add(place)
        try:
            stored = await self._log.answer(*place)
            if stored is not None:
                await _stored(stored, body_hash)(scope, receive, send)
            else:
                await self._run(scope, _again(first, receive), send, place, body_hash)
        finally:
            self._running.discard(place)

    async def _run(
        self, scope: Scope, receive: Receive, send: Send, place: tuple[str, str], body_hash: str
    ) -> None:
        """Run the request; its answer is on disk before the caller sees it."""
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await self._app(scope, receive, hold)
        record = _record(place, body_hash, held) if held else None
        if record is not None and scope["path"].rstrip("/") in NOT_KEPT:
            record = _without_answer(record)
        if record is not None and record.status < 500:
            self._log.append(None, (), [record])
            await self._log.durable()
        for message in held:
            await send(message)


def _again(first: Message, receive: Receive) -> Receive:
    waiting = [first]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _record(place: tuple[str, str], body_hash: str, held: list[Message]) -> AnswerRecord:
    headers = [(k.decode(), v.decode()) for k, v in held[0]["headers"]]
    return AnswerRecord(
        scope=place[0],
        key=place[1],
        body_hash=body_hash,
        status=held[0]["status"],
        headers=[(k, v) for k, v in headers if k.lower() in _KEPT_HEADERS],
        body=b"".join(message.get("body", b"") for message in held[1:]),
        created_ms=now_ms(),
    )


def _without_answer(record: AnswerRecord) -> AnswerRecord | None:
    """That a request was answered, without the answer; nothing for one that was refused."""
    if record.status >= 400:
        return None
    return msgspec.structs.replace(record, status=SECRET, headers=[], body=b"")


def _stored(record: AnswerRecord, body_hash: str) -> Response:
    if record.body_hash != body_hash:
        raise errors.KeyReused("This Idempotency-Key came with another body before.")
    if record.status == SECRET:
        raise errors.AnswerNotKept(
            "This request was answered before, and its answer holds a secret: it was not kept.",
            hint="If that answer never reached you, ask again with another Idempotency-Key.",
        )
    return Response(record.body, record.status, dict(record.headers))
