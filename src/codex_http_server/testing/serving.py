"""An ASGI app on a free port of 127.0.0.1, in a thread with an event loop of its own."""

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

CLOSE_SECONDS = 2.0


class Serving:
    """Use with `with`; `url` is known inside."""

    _loop: asyncio.AbstractEventLoop  # of the thread, known once `_ready` is set

    def __init__(self, routes: Sequence[Route], name: str) -> None:
        self.url = ""
        self.closing = asyncio.Event()
        self._name = name
        self._ready = threading.Event()
        self._server = uvicorn.Server(
            uvicorn.Config(
                Starlette(routes=routes, lifespan=self._lifespan),
                # A cut connection is what the script asked for; uvicorn would log it as an error.
                log_config=None,
                log_level="critical",
                access_log=False,
                ws="none",
                timeout_graceful_shutdown=1,
            )
        )

    def __enter__(self) -> Self:
        """Listen; returns once requests are answered."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name=self._name, daemon=True
        )
        self._thread.start()
        if not self._ready.wait(10):
            raise TimeoutError(f"the {self._name} did not start within 10 s")
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Cut all connections and end the thread; RuntimeError if that takes more than 2 s."""
        if not self._thread.is_alive():
            return
        self._server.should_exit = True
        self._loop.call_soon_threadsafe(self.closing.set)
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            raise RuntimeError(f"the {self._name} did not end within {CLOSE_SECONDS} s")

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        self._loop = asyncio.get_running_loop()
        self._ready.set()
        yield
