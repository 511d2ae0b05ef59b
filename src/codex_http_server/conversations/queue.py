"""The messages that wait in one conversation: durable, listed, edited, announced.

Owns the outbox and the `queue/changed` events; a change and its event are in one commit. Knows
neither core nor turns: `messages.py` takes out what may run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from codex_http_server import events
from codex_http_server.clock import now_ms
from codex_http_server.conversations import views
from codex_http_server.conversations.conversation import Conversation
from codex_http_server.conversations.outbox import Outbox
from codex_http_server.errors import ServerError
from codex_http_server.events import Draft, raw
from codex_http_server.records import SubmitRecord, SubmitState


class Queue:
    """The waiting messages of one conversation."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._log = conversation.log
        self._outbox = Outbox()
        self._waits: tuple[str, dict[str, Any]] | None = None  # for what the first message waits

    def __len__(self) -> int:
        return len(self._outbox)

    def __iter__(self) -> Iterator[SubmitRecord]:
        return iter(self._outbox)

    def view(self) -> list[dict[str, Any]]:
        """As the API shows it."""
        return [self._shown(record) for record in self._outbox]

    def _shown(self, record: SubmitRecord) -> dict[str, Any]:
        """One message, with what it waits for."""
        waits = self._waits
        mine = waits[1] if waits is not None and waits[0] == record.id else None
        return views.queued(record) | {"waits": mine}

    def first(self) -> SubmitRecord | None:
        """The next message."""
        return self._outbox.first()

    def restore(self, records: Sequence[SubmitRecord]) -> None:
        """After a restart of the server: take what waited, and what is in doubt."""
        self._outbox.restore(records)

    async def add(self, record: SubmitRecord, *, first: bool) -> None:
        """Put a new message last, or first. Raises `QueueFull`, `StorageFull`."""
        self._outbox.add(record, first=first)
        self.announce("added", record)
        try:
            await self._log.durable()
        except ServerError:
            self._outbox.take(record.id)
            refuse(record)
            self.announce("removed", record)
            raise

    def hold(self, record: SubmitRecord) -> None:
        """Keep a message first in line whose fate is not known: it will be looked for."""
        state = record.state
        self._outbox.add(record, first=True)
        record.state = state  # starting or steering: the core may have it
        self.announce("restored", record)

    def put_first(self, records: Sequence[SubmitRecord], reason: str) -> None:
        """Put messages that had a turn first in line again, in this order."""
        for record in reversed(records):
            self._outbox.add(record, first=True)
        if records:
            self.announce(reason, *records)

    def hold_back(self, record: SubmitRecord, reason: str, fields: dict[str, Any]) -> None:
        """The first message must wait though nothing runs. Told once, for as long as it is so."""
        before, self._waits = self._waits, (record.id, {"reason": reason} | fields)
        same = ("reason", "quota")
        if before is None or before[0] != record.id or any(
            before[1].get(name) != self._waits[1].get(name) for name in same
        ):  # fmt: skip
            earlier = [each for each in self if before is not None and each.id == before[0]]
            self.announce(reason, *{each.id: each for each in (*earlier, record)}.values())

    def go_on(self) -> None:
        """Nothing holds the first message back any more."""
        waits, self._waits = self._waits, None
        self.announce("resumed", *(each for each in self if waits and each.id == waits[0]))

    def take(self, record: SubmitRecord) -> None:
        """Take a message out, for a turn. The caller announces it."""
        self._outbox.take(record.id)

    def announce(self, reason: str, *records: SubmitRecord, error: str | None = None) -> None:
        """Append `queue/changed` with what has changed, and write the records that changed."""
        body = self._change(records) | {"reason": reason, "length": len(self)}
        if error is not None:
            body["error"] = error
        self._tell(body, records)

    def _change(self, records: Sequence[SubmitRecord]) -> dict[str, Any]:
        """What these messages are now: where each stands, or that it does not wait any more."""
        places = {record.id: self._outbox.index(record.id) for record in records}
        stand = {at: record for record in records if (at := places[record.id]) is not None}
        return {
            "put": [{"at": at, "message": self._shown(stand[at])} for at in sorted(stand)],
            "removed": [record.id for record in records if places[record.id] is None],
            "submit_ids": [record.id for record in records],
        }

    def _tell(self, body: dict[str, Any], records: Sequence[SubmitRecord]) -> None:
        draft = Draft(events.QUEUE_CHANGED, raw(body), now_ms())
        self._conversation.append([draft], records)

    # --- what users do ----------------------------------------------------------------------

    async def edit(self, submit_id: str, message: list[dict[str, Any]]) -> SubmitRecord:
        """Change a waiting message. Raises `MessageNotFound`."""
        record = self._outbox.get(submit_id)
        before, record.message = record.message, message
        self.announce("edited", record)

        def undo() -> None:
            record.message = before
            self.announce("edited", record)

        await self._durable(undo)
        return record

    async def remove(self, submit_id: str) -> None:
        """Take a waiting message back. Raises `MessageNotFound`."""
        record = self._outbox.get(submit_id)
        await self._take_back([record], "removed")

    async def reorder(self, order: Sequence[str]) -> None:
        """Put the waiting messages in this order. Raises `Invalid`."""
        before = [record.id for record in self._outbox]
        self._reorder(order)
        await self._durable(lambda: self._reorder(before))

    def _reorder(self, order: Sequence[str]) -> None:
        records = self._outbox.reorder(order)
        same: dict[str, Any] = {"put": [], "removed": [], "submit_ids": []}
        body = {"reason": "reordered", "order": list(order), "length": len(self)}
        self._tell(same | body, records)

    async def clear(self) -> int:
        """Take all waiting messages back; how many."""
        taken = list(self._outbox)
        if taken:
            await self._take_back(taken, "cleared")
        return len(taken)

    async def _take_back(self, records: Sequence[SubmitRecord], reason: str) -> None:
        states: list[SubmitState] = [record.state for record in records]
        for record in records:
            self._outbox.take(record.id)
            record.state = "removed"
        self.announce(reason, *records)

        def undo() -> None:
            for record, state in zip(records, states, strict=True):
                record.state = state
                self._outbox.put_back(record)
            self.announce("restored", *records)

        await self._durable(undo)

    async def _durable(self, undo: Callable[[], None]) -> None:
        """Wait until a change is on disk; if it can't be, the caller is told that it was not
        done, so it is undone."""
        try:
            await self._log.durable()
        except ServerError:
            undo()
            raise


def refuse(record: SubmitRecord) -> None:
    """The caller is told that it was not taken: it must not run when the disk is back, and its
    key may be used again."""
    record.state, record.key = "removed", None
