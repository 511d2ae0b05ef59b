"""The messages of one conversation that wait for a turn, in order. Durable through the log.

Owns the order; knows neither core nor turns. Every change is a record, written by whoever
calls, in the same commit as the event that tells of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from codex_http_server.errors import Invalid, MessageNotFound, QueueFull
from codex_http_server.records import SubmitRecord

LIMIT: Final = 1000  # messages that may wait in one conversation


class Outbox:
    """Messages with state `queued`, lowest place first."""

    def __init__(self) -> None:
        self._waiting: list[SubmitRecord] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self):
        return iter(tuple(self._waiting))

    def index(self, submit_id: str) -> int | None:
        """Where a message stands; None if it does not wait."""
        found = (at for at, each in enumerate(self._waiting) if each.id == submit_id)
        return next(found, None)

    def add(self, record: SubmitRecord, *, first: bool = False) -> None:
        """Put a message last, or first. Raises `QueueFull`."""
        if len(self._waiting) >= LIMIT and not first:
            raise QueueFull(
                f"{LIMIT} messages wait already.",
                hint="Wait for the running turn, or remove some: DELETE …/queue/{submit_id}.",
            )
        record.state = "queued"
        if not self._waiting:
            record.place = -1.0 if first else 1.0
        else:
            record.place = self._waiting[0].place - 1 if first else self._waiting[-1].place + 1
        self._waiting.insert(0 if first else len(self._waiting), record)

    def restore(self, records: Sequence[SubmitRecord]) -> None:
        """Take what the log has, in its order."""
        self._waiting = list(records)
        self._sort()

    def first(self) -> SubmitRecord | None:
        """The next message."""
        return self._waiting[0] if self._waiting else None

    def take(self, submit_id: str) -> SubmitRecord:
        """Take a message out. Raises `MessageNotFound`."""
        record = self.get(submit_id)
        self._waiting.remove(record)
        return record

    def get(self, submit_id: str) -> SubmitRecord:
        """A waiting message. Raises `MessageNotFound`."""
        for record in self._waiting:
            if record.id == submit_id:
                return record
        raise MessageNotFound(
            f"No message {submit_id} waits here.", hint="It may have been sent or removed."
        )

    def reorder(self, order: Sequence[str]) -> list[SubmitRecord]:
        """Put the messages in this order, which must name each once. Returns them."""
        if sorted(order) != sorted(record.id for record in self._waiting):
            raise Invalid(
                "order must name every waiting message once.",
                errors=[{"field": "order", "message": "must name every waiting message once"}],
            )
        places = {submit_id: float(place) for place, submit_id in enumerate(order, 1)}
        for record in self._waiting:
            record.place = places[record.id]
        self._sort()
        return list(self._waiting)

    def put_back(self, record: SubmitRecord) -> None:
        """Put a message back where it was."""
        self._waiting.append(record)
        self._sort()

    def _sort(self) -> None:
        self._waiting.sort(key=lambda record: record.place)
