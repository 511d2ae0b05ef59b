"""Sends one scripted response: joins what may go together, waits where the script says so."""

import asyncio
from collections.abc import Callable, Iterable, Mapping

from starlette.types import Receive, Scope, Send

from codex_http_server.testing.answers import Drop, Gate, Pause, Silence
from codex_http_server.testing.requests import ModelRequest
from codex_http_server.testing.responses import Frame, Halt

GATE_SECONDS = 60.0
_JOIN_BYTES = 65_536


class EventStream:
    """A streamed answer (an ASGI app); it ends early if the caller hangs up or `closing` is set."""

    def __init__(
        self,
        frames: Iterable[Frame],
        headers: Mapping[str, str],
        asked: ModelRequest,
        closing: asyncio.Event,
        failures: list[str],
    ) -> None:
        self._frames = frames
        self._headers = {"content-type": "text/event-stream", **headers}
        self._asked = asked
        self._closing = closing
        self._failures = failures

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Play the frames. Leaving before the last body message makes uvicorn cut the line."""
        play = asyncio.ensure_future(self._play(send))
        gone = asyncio.ensure_future(_hung_up(receive))
        close = asyncio.ensure_future(self._closing.wait())
        tasks = (play, gone, close)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if gone.done() and not play.done():
            self._asked.hung_up.set()
        for task in tasks:
            task.cancel()
        ended, *_ = await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(ended, Exception):
            self._failures.append(f"the answer cannot be sent: {ended!r}")

    async def _play(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._raw_headers()})
        joined = bytearray()
        for frame in self._frames:
            if isinstance(frame, bytes):
                joined += frame
                if len(joined) < _JOIN_BYTES:
                    continue
            await _flush(send, joined)
            if not isinstance(frame, bytes) and not await self._passed(frame):
                return
        await send({"type": "http.response.body", "body": bytes(joined)})

    async def _passed(self, halt: Halt) -> bool:
        """Do what the halt says; False if the stream is to be cut here."""
        match halt:
            case Pause(seconds):
                await asyncio.sleep(seconds)
                return True
            case Gate():
                return await self._opened_in_time(halt)
            case Silence(gate):
                await self._opened_in_time(gate)
                return False
            case Drop():
                return False

    async def _opened_in_time(self, gate: Gate) -> bool:
        gate.reached.set()
        try:
            async with asyncio.timeout(GATE_SECONDS):
                await _opened(gate)
        except TimeoutError:
            self._failures.append(f"{gate!r} was not opened within {GATE_SECONDS} s")
            return False
        return True

    def _raw_headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in self._headers.items()
        ]


async def _flush(send: Send, joined: bytearray) -> None:
    if joined:
        await send({"type": "http.response.body", "body": bytes(joined), "more_body": True})
        joined.clear()
    # Other streams get their turn: sending does not wait while the socket takes it all.
    await asyncio.sleep(0)


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _opened(gate: Gate) -> None:
    """Wait for a gate that another thread opens."""
    opened = asyncio.Event()
    gate.when_open(_notifier(asyncio.get_running_loop(), opened))
    await opened.wait()


def _notifier(loop: asyncio.AbstractEventLoop, opened: asyncio.Event) -> Callable[[], None]:
    def notify() -> None:
        # The gate may outlive the server's loop; then nobody waits any more.
        if not loop.is_closed():
            loop.call_soon_threadsafe(opened.set)

    return notify
