"""The response behind every event stream: its head passes the app, its body does not.

The framework puts six coroutines around each send and keeps the frames of all its layers for as
long as a response runs. So an `EventStream` sends its head and leaves its body in the scope; the
outermost middleware writes it when the app has returned (an idle reader is 19 KB, and was 36).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

MEDIA_TYPE: Final = "text/event-stream"
HEADERS: Final = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}
LEFT_BODY: Final = "codex_http_server.body"  # in the scope

Work = Coroutine[Any, Any, None]
Write = Callable[[bytes], Work]
Body = Callable[[Write], Work]


class EventStream(Response):
    """A stream whose body is what `body` writes. It is cut off where it waits, as a cancelled
    task is, when the client leaves."""

    def __init__(self, body: Body) -> None:
        super().__init__(headers=HEADERS, media_type=MEDIA_TYPE)
        del self.headers["content-length"]
        self._write_body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        scope[LEFT_BODY] = self._write_body


async def write_body(scope: Scope, receive: Receive, send: Send) -> None:
    """Write the body that the app has left in the scope, if it has."""
    body: Body | None = scope.pop(LEFT_BODY, None)
    if body is None:
        return

    async def write(chunk: bytes) -> None:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})

    if await _unless_left(receive, body(write)):
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _unless_left(receive: Receive, work: Work) -> bool:
    """Run `work`; False if the client left before its end."""
    task, left = asyncio.current_task(), False
    assert task is not None

    async def watch() -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass
        left = True
        task.cancel()

    watching = asyncio.create_task(watch())
    try:
        await work
    except asyncio.CancelledError:
        if not left or task.uncancel():  # it is someone else who wants us to end
            raise
    finally:
        watching.cancel()
    return not left
