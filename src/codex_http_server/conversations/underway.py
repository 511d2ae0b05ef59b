"""Messages that the core has taken and whose turn has not ended. Pure bookkeeping.

Owns three facts: which message waits for its turn to start, which belong to a running turn, and
which of those a turn has shown. The core says nothing of a steered message that its turn never
read (measured); it is known here by not having been shown.
"""

from __future__ import annotations

from collections.abc import Iterator

from codex_http_server.records import SubmitRecord


class Underway:
    """Sent messages, by their turns."""

    def __init__(self) -> None:
        self.expected: SubmitRecord | None = None  # the core said yes, turn/started is to come
        self._in_turns: dict[str, SubmitRecord] = {}
        self._shown: set[str] = set()

    def __iter__(self) -> Iterator[SubmitRecord]:
        first = [self.expected] if self.expected is not None else []
        return iter([*first, *self._in_turns.values()])

    def __contains__(self, record: SubmitRecord) -> bool:
        return any(each.id == record.id for each in self)

    def expect(self, record: SubmitRecord) -> None:
        """The core will start a turn with this message."""
        self.expected = record

    def join(self, record: SubmitRecord) -> None:
        """This message belongs to a turn that runs."""
        self._in_turns[record.id] = record

    def started(self, turn_id: str | None) -> SubmitRecord | None:
        """A turn has started; the message that waited for it."""
        record = self.expected
        if record is None or record.turn_id != turn_id:
            return None
        self.join(record)
        self.expected = None
        return record

    def shown(self, submit_id: object) -> None:
        """A turn shows this message among its items."""
        if submit_id in self._in_turns:
            self._shown.add(str(submit_id))

    def ended(self, turn_id: str | None) -> list[SubmitRecord]:
        """A turn has ended; the steered messages that it never read, the last one first."""
        self.started(turn_id)
        over = [record for record in self._in_turns.values() if record.turn_id == turn_id]
        unread = [r for r in over if r.state == "steered" and r.id not in self._shown]
        for record in over:
            del self._in_turns[record.id]
            self._shown.discard(record.id)
        return unread[::-1]

    def of_turn(self, turn_id: str | None) -> list[SubmitRecord]:
        """The messages of a turn, in the order in which they were sent."""
        return [record for record in self if record.turn_id == turn_id]

    def drop(self, record: SubmitRecord) -> None:
        """A message has no turn any more."""
        self._in_turns.pop(record.id, None)
        self._shown.discard(record.id)
        if self.expected is record:
            self.expected = None

    def lost(self) -> SubmitRecord | None:
        """The core is gone: the message that was still to get its turn, now in doubt."""
        record, self.expected = self.expected, None
        return record
