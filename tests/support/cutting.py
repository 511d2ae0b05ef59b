"""A TCP proxy before a server that a test can cut: at once, or in the middle of an answer."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from codex_http_server.testing.reader import PATIENCE


class Proxy:
    """Passes connections on to `url`. `cut` resets all that are open; with `cut_after` each is
    reset when so many bytes of answers have passed."""

    def __init__(self, url: str) -> None:
        at = urlsplit(url)
        self._target = (at.hostname or "", at.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cut_after: int | None = None
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def _run(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self.connections += 1
                far = socket.create_connection(self._target, PATIENCE)
                far.settimeout(None)
                with self._lock:
                    self._open |= {near, far}
                self._run(self._pass, near, far, False)
                self._run(self._pass, far, near, True)

    def _pass(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while chunk := source.recv(65_536):
                most = self.cut_after
                if answers and most is not None and passed + len(chunk) > most:
                    target.sendall(chunk[: most - passed])
                    break
                target.sendall(chunk)
                passed += len(chunk)
        self._end(source, target)

    def _end(self, *sockets: socket.socket) -> None:
        with self._lock:
            for each in sockets:
                self._open.discard(each)
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()

    def cut(self) -> None:
        """Cut every connection that is open."""
        with self._lock:
            found = tuple(self._open)
        self._end(*found)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(PATIENCE)
