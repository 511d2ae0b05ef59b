"""A JSON-RPC peer: ids, the table of open requests, deadlines.

Knows no method name and no process. At most `IN_FLIGHT` requests are with the core at once:
past about 128 queued ones it drops some without an answer (measured). A request that gets no
answer ends by its deadline; all open ones end when the connection does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from codex_http_server.clock import now_ms
from codex_http_server.engine import wire
from codex_http_server.engine.transport import Transport
from codex_http_server.errors import CoreError, CoreGone, CoreTimeout
from codex_http_server.logs import get_logger, redact_text, redact_value
from codex_http_server.records import RequestId

IN_FLIGHT: Final = 64
log = get_logger(__name__)

OnNotification = Callable[[str, msgspec.Raw, int], None]
OnRequest = Callable[[RequestId, str, msgspec.Raw], None]
OnResult = Callable[[msgspec.Raw], None]


class _Open(NamedTuple):
    answered: asyncio.Future[msgspec.Raw]
    on_result: OnResult | None


class Peer:
    """Our end of one connection to the core.

    `on_notification` and `on_request` are called on the event loop, in the order of arrival,
    and must not wait. After the connection ended every request raises `CoreGone`.
    """

    def __init__(self, on_notification: OnNotification, on_request: OnRequest) -> None:
        self._on_notification = on_notification
        self._on_request = on_request
        self._transport: Transport | None = None
        self._open: dict[int, _Open] = {}
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._next_id = 0
        self._gone = False

    def attach(self, transport: Transport) -> None:
        """Use `transport` for sending; its owner calls `receive` and `lost`."""
        self._transport = transport

    async def request(
        self,
        method: str,
        params: object,
        *,
        deadline: float,
        on_result: OnResult | None = None,
    ) -> msgspec.Raw:
        """Send a request and wait for its result, at most `deadline` seconds in all.

        `on_result` runs the moment the answer is read, before any message behind it: what the
        caller must know to place those messages (the new thread's id, say) is bound there.
        Raises `CoreError`, `CoreTimeout` or `CoreGone`.
        """
        try:
            async with asyncio.timeout(deadline), self._slots:
                return await self._send(method, params, on_result)
        except TimeoutError:
            raise CoreTimeout(f"The core did not answer {method} within {deadline:g} s.") from None

    async def _send(self, method: str, params: object, on_result: OnResult | None) -> msgspec.Raw:
        if self._gone or self._transport is None:
            raise CoreGone(method)
        self._next_id += 1
        request_id = self._next_id
        answered: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._open[request_id] = _Open(answered, on_result)
        try:
            self._transport.send(wire.encode_request(request_id, method, params))
            return await answered
        finally:
            self._open.pop(request_id, None)

    def notify(self, method: str) -> None:
        """Send a notification."""
        if self._transport is not None and not self._gone:
            self._transport.send(wire.encode_notification(method))

    def answer(self, request_id: RequestId, result: object) -> None:
        """Answer a request of the core. Nothing happens if the connection is gone."""
        if self._transport is not None and not self._gone:
            self._transport.send(wire.encode_result(request_id, result))

    def refuse(self, request_id: RequestId, code: int, message: str) -> None:
        """Answer a request of the core with an error."""
        if self._transport is not None and not self._gone:
            self._transport.send(wire.encode_error(request_id, code, message))

    def receive(self, message: bytes) -> None:
        """Take one message of the core."""
        try:
            incoming = wire.decode(message)
        except msgspec.MsgspecError as error:
            log.warning("core sent what is not JSON-RPC", error=str(error), size=len(message))
            return
        if incoming.method is None:
            self._resolve(incoming)
        elif incoming.id is None:
            self._on_notification(incoming.method, incoming.params, now_ms())
        else:
            self._on_request(incoming.id, incoming.method, incoming.params)

    def _resolve(self, incoming: wire.Incoming) -> None:
        entry = self._open.get(incoming.id) if isinstance(incoming.id, int) else None
        if entry is None or entry.answered.done():
            log.debug("late or unknown answer of the core", id=incoming.id)
            return
        if incoming.error is not None:
            e = incoming.error
            said = CoreError(e.code, redact_text(e.message), redact_value(e.data))
            entry.answered.set_exception(said)
            return
        try:
            if entry.on_result is not None:
                entry.on_result(incoming.result)
        except Exception as error:  # noqa: BLE001 # it costs its own request, not the connection
            entry.answered.set_exception(error)
        else:
            entry.answered.set_result(incoming.result)

    def lost(self) -> None:
        """The connection ended: every open request raises `CoreGone`. May be called twice."""
        self._gone = True
        for entry in self._open.values():
            if not entry.answered.done():
                entry.answered.set_exception(CoreGone("the connection to the core ended"))
