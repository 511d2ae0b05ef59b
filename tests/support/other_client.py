"""Another client of the core beside the server, as Codex's own apps are: over its socket."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import ClientConnection, unix_connect

from tests.support.server import Json, Site, core_record

PATIENCE = 20.0  # seconds


class OtherClient:
    """A connection to the core of a site. Use with `with`."""

    def __init__(
        self, site: Site, socket: Path | None = None, *, connecting: ClientConnection | None = None
    ) -> None:
        self._connecting = connecting or unix_connect(
            str(socket or core_record(site)["socket"]),
            uri="ws://localhost/",
            compression=None,
            max_size=None,
        )
        self._next_id = 0
        self.told: list[Json] = []

    def __enter__(self) -> Self:
        self._socket = self._connecting.__enter__()
        client = {"name": "other", "version": "1"}
        self.call("initialize", clientInfo=client, capabilities={"experimentalApi": True})
        self._send({"method": "initialized"})
        return self

    def call(self, method: str, **params: Any) -> Json:
        """The result of a request."""
        self._next_id += 1
        number = f"other-{self._next_id}"
        self._send({"id": number, "method": method, "params": params})
        found = self.wait(lambda message: message.get("id") == number and "method" not in message)
        assert "result" in found, found
        return found["result"]

    def question(self) -> Json:
        """The first request of the core."""
        return self.wait(lambda message: "id" in message and "method" in message)

    def notice(self, method: str) -> Json:
        """The first notification of this name."""
        return self.wait(lambda message: message.get("method") == method)

    def answer(self, question: Json, result: Json) -> None:
        """Answer a request of the core."""
        self._send({"id": question["id"], "result": result})

    def wait(self, test: Any) -> Json:
        """The first message that passes, among those that came and those that come."""
        for message in self.told:
            if test(message):
                return message
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE))
            self.told.append(message)
            if test(message):
                return message

    def _send(self, message: Json) -> None:
        self._socket.send(json.dumps(message))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connecting.__exit__(kind, error, trace)
