"""An answer that the model gives while it is read, so that a line can break in its middle."""

from __future__ import annotations

from codex_http_server.client import Event
from codex_http_server.testing.answers import Gate


class Sections:
    """An answer in sections: the model goes on when the end of one was seen."""

    def __init__(self, count: int) -> None:
        self._gates = {f"end{number} ": Gate(str(number)) for number in range(count)}
        words = [f"word{number} " for number in range(50)]
        self.parts = [p for end, gate in self._gates.items() for p in (*words, end, gate)]

    def seen(self, event: Event) -> Event:
        """Tell it what came."""
        if event.text in self._gates:
            self._gates[event.text].open()
        return event
