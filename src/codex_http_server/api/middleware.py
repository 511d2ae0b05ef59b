"""What every request passes before its route. Pure ASGI.

From the outside in: request id, log line and security headers, and the bodies of event streams,
which pass nothing else; the gate (Host, Origin); the body (JSON,
bounded, complete). CORS headers come from Starlette, between the first two.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codex_http_server import errors
from codex_http_server.api.doorkeeper import CALLER
from codex_http_server.api.eventstream import write_body
from codex_http_server.api.headers import EVERYWHERE, REQUEST_ID
from codex_http_server.api.problems import on_unexpected, problem
from codex_http_server.auth.callers import Caller
from codex_http_server.auth.policy import Gate
from codex_http_server.clock import new_id
from codex_http_server.conversations.uploads import SUFFIXES
from codex_http_server.errors import ServerError
from codex_http_server.logs import bind, get_logger

log = get_logger("codex_http_server.requests")

BODY_SECONDS: Final = 30.0  # for a whole body to arrive
UPLOADS: Final = "/uploads"
IMAGES: Final = frozenset(SUFFIXES)
_GIVEN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CONVERSATION: Final = re.compile(r"/conversations/([0-9a-fA-F-]{8,64})(?:/|$)")


class RequestLog:
    """Gives each request its id, logs it once when it ended, and turns a fault into a 500."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        scope["request_id"] = given if _GIVEN_ID.fullmatch(given) else new_id()
        found = _CONVERSATION.match(scope["path"])
        with bind(request_id=scope["request_id"], conversation_id=found and found[1]):
            await _Observed(self._app, scope, receive, send).run()


class _Observed:
    """One request while it runs."""

    def __init__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        self._app, self._scope, self._receive, self._send = app, scope, receive, send
        self._status = 0
        self._whole = False
        self._received = 0
        self._sent = 0

    async def run(self) -> None:
        started = time.perf_counter()
        try:
            await self._app(self._scope, self._take, self._give)
            await write_body(self._scope, self._receive, self._give)
        except Exception as error:
            if self._whole:
                return  # answered and logged; Starlette raises it again for its server
            answer = await on_unexpected(Request(self._scope), error)
            if self._status:
                raise  # the answer has begun: all that is left is to cut it off
            await answer(self._scope, self._receive, self._give)
        finally:
            self._line(time.perf_counter() - started)

    async def _take(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        return message

    async def _give(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            MutableHeaders(scope=message)[REQUEST_ID] = self._scope["request_id"]
            message["headers"] = [*message["headers"], *EVERYWHERE]
        else:
            self._sent += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
        await self._send(message)

    def _line(self, seconds: float) -> None:
        quiet = self._scope["path"] in ("/health", "/ready")
        (log.debug if quiet else log.info)(
            "request",
            method=self._scope["method"],
            path=self._scope["path"],
            status=self._status or 499,
            ms=round(seconds * 1000, 1),
            received=self._received,
            sent=self._sent,
            **_by(self._scope),
        )


def _by(scope: Scope) -> dict[str, str]:
    """Who called, once that is known."""
    found = scope.get(CALLER)
    return {"caller": found.name} if isinstance(found, Caller) else {}


class GateKeeper:
    """Refuses what the gate refuses, before anything else looks at the request."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            arrived = scope.get("server") or ("", None)
            refusal = self._gate.refusal(Headers(scope=scope), arrived[0])
            if refusal is not None:
                await problem(refusal, scope["request_id"])(scope, receive, send)
                return
        await self._app(scope, receive, send)


class BodyCheck:
    """Reads a body whole before the route runs: JSON only (an image for `/uploads`), bounded,
    complete, in time."""

    def __init__(self, app: ASGIApp, max_body: int, max_upload: int) -> None:
        self._app = app
        self._max = max_body
        self._max_upload = max_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._read(scope, receive)
        except TimeoutError:
            late = errors.BodyTimeout(f"The body was not complete after {BODY_SECONDS:g} s.")
            answer = problem(late, scope["request_id"])
            answer.headers["Connection"] = "close"  # the rest of the body may still come
            await answer(scope, receive, send)
            return
        except ServerError as error:
            await problem(error, scope["request_id"])(scope, receive, send)
            return
        if body is not None:
            await self._app(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body; None if the client left before it was complete."""
        headers = Headers(scope=scope)
        is_upload = scope["path"] == UPLOADS
        if is_upload:
            _check_image(headers.get("content-type", ""))
        most = self._max_upload if is_upload else self._max
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > most:
            raise _too_large(most, is_upload)
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size, more = size + len(parts[-1]), message.get("more_body", False)
            if size > most:
                raise _too_large(most, is_upload)
        if size and not is_upload and not _is_json(headers.get("content-type", "")):
            raise errors.NotJson(
                "The body's Content-Type is not application/json.",
                hint="Send the header: Content-Type: application/json",
            )
        return b"".join(parts)


def _too_large(most: int, is_upload: bool) -> ServerError:
    kind, what = (errors.ImageTooLarge, "image") if is_upload else (errors.TooLarge, "body")
    return kind(f"The {what} is larger than {most:,} bytes.")


def _check_image(content_type: str) -> None:
    """No type of these may be sent by a page without the browser asking first."""
    if content_type.strip().lower() not in IMAGES:
        raise errors.UnsupportedImage(
            f"The Content-Type is not one of {', '.join(sorted(IMAGES))}.",
            hint="Send the file as it is, with the header of what it is: Content-Type: image/png",
        )


def _is_json(content_type: str) -> bool:
    return content_type.split(";", 1)[0].strip().lower() == "application/json"


def _replay(body: bytes, receive: Receive) -> Receive:
    """Hands the body on as if it had just arrived; then whatever comes (the disconnect)."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
