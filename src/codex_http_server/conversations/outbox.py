"""The messages of one conversation that wait for a turn, in order. Durable through the log.

Owns the order; knows neither core nor turns. Every change is a record, written by whoever
calls, in the same commit as the event that tells of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from codex_http_server.conversations import views
from codex_http_server.errors import Invalid, MessageNotFound, QueueFull
from codex_http_server.records import SubmitRecord

LIMIT: Final = 100  # messages that may wait in one conversation


class Outbox:
    """Messages with state `queued`, lowest place first."""

    def __init__(self) -> None:
        self._waiting: list[SubmitRecord] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self):
        return iter(tuple(self._waiting))

    def view(self) -> list[dict[str, Any]]:
        """As the API shows it."""
        return [views.queued(record) for record in self._waiting]

    def add(self, record: SubmitRecord, *, first: bool = False) -> None:
        """Put a message last, or first. Raises `QueueFull`."""
        if len(self._waiting) >= LIMIT and not first:
            raise QueueFull(
                f"{LIMIT} messages wait already.",
                hint="Wait for the running turn, or remove some: DELETE …/queue/{submit_id}.",
            )
        record.state = "queued"
        places = [each.place for each in self._waiting]
        if first:
            record.place = min(places, default=0.0) - 1
        else:
            record.place = max(places, default=0.0) + 1
        self._waiting.append(record)
        self._sort()

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
        for place, submit_id in enumerate(order, 1):
            self.get(submit_id).place = float(place)
        self._sort()
        return list(self._waiting)

    def put_back(self, record: SubmitRecord) -> None:
        """Put a message back where it was."""
        self._waiting.append(record)
        self._sort()

    def _sort(self) -> None:
        self._waiting.sort(key=lambda record: record.place)
