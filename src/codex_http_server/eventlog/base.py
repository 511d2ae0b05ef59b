"""The port to the event log: append, read after, head. Everything above knows only this.

The contract, held by one test suite for every implementation:
- `append` numbers at once, in call order; `seq` rises per conversation, `position` over all.
- `on_commit` gets events only after they are on disk, in position order, none twice.
- a number that was ever shown is never given out again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from codex_http_server.eventlog.search.query import Word
from codex_http_server.eventlog.search.text import Kind
from codex_http_server.events import Draft, Event
from codex_http_server.records import (
    AnswerRecord,
    ApprovalRecord,
    ConversationRecord,
    Record,
    Spent,
    SubmitRecord,
    TurnRecord,
)


class ConversationFilter(msgspec.Struct, frozen=True):
    """Which conversations a list shows. None: any."""

    q: str | None = None
    archived: bool = False
    working_directory: str | None = None
    status: str | None = None
    waiting: bool = False  # only those with an approval that waits


class SnapshotRows(msgspec.Struct):
    """The stored part of a snapshot, read in one transaction at one seq."""

    items: list[Event]
    items_before: int
    turns: list[Event]
    usage: Event | None


class Span(msgspec.Struct, frozen=True):
    """Which part of a list: the newest before seq `before`, or with `after` the oldest after it."""

    before: int = 2**62
    after: int | None = None


class ItemRows(msgspec.Struct):
    """Ended items, oldest first, and how many lie before and after them."""

    items: list[Event]
    before: int
    after: int


class TurnRow(msgspec.Struct):
    """What the log has of a turn. `diff` is its last one's data, where that is small."""

    started: Event
    ended: Event | None
    items: int  # that have ended
    has_diff: bool
    diff: bytes | None
    plan: Event | None  # the last one
    submit_ids: list[str]
    spent: TurnRecord | None


class TurnRows(msgspec.Struct):
    """Turns, oldest first, and how many lie before and after them."""

    turns: list[TurnRow]
    before: int
    after: int


class KnownTurn(msgspec.Struct, frozen=True):
    """A turn of the log: the seq of its start, and whether the core itself told its end."""

    turn_id: str
    seq: int
    ended_by_core: bool


class OutputPage(msgspec.Struct, frozen=True):
    """A piece of a command's output. Offsets and sizes count characters."""

    text: str
    offset: int
    next_offset: int
    size: int
    ended: bool
    truncated: bool = False


class LedgerSums(msgspec.Struct, frozen=True):
    """What all turns cost, and by caller those that ended since some moment."""

    total: Spent
    since: dict[str, Spent]


class ConversationSpent(msgspec.Struct, frozen=True):
    """What one conversation's turns cost, and when the last one ended."""

    conversation_id: str
    ended_ms: int
    spent: Spent


class SearchFilter(msgspec.Struct, frozen=True):
    """What is looked for, and where. None or nothing: anywhere."""

    words: tuple[Word, ...]
    kinds: tuple[Kind, ...]
    conversations: tuple[str, ...] = ()
    working_directory: str | None = None
    archived: bool | None = None


class Snippet(msgspec.Struct, frozen=True):
    """A part of a text, and where in it what was found begins and ends, in characters."""

    text: str
    found: list[tuple[int, int]]
    cut_before: bool
    cut_after: bool


class SearchHit(msgspec.Struct, frozen=True):
    """Where all the words were found. Without seq: in what the conversation is called."""

    id: int
    kind: Kind
    record: ConversationRecord
    seq: int | None
    turn_id: str | None
    item_id: str | None
    status: str | None
    at_ms: int
    snippet: Snippet


class SearchPage(msgspec.Struct, frozen=True):
    """Hits, those in titles first, then newest first; `complete`: all that was appended before
    was looked at."""

    hits: list[SearchHit]
    complete: bool


class EventLog(Protocol):
    """A durable log. Call it from one event loop."""

    @property
    def log_id(self) -> str:
        """Identifies this log: cursors of another one mean nothing here."""
        ...

    @property
    def failure(self) -> str | None:
        """Why nothing can be written at the moment, or None."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether so much waits for the disk that what can be left out should be."""
        ...

    def append(
        self,
        conversation_id: str | None,
        drafts: Sequence[Draft],
        records: Sequence[Record] = (),
    ) -> list[Event]:
        """Number the drafts and queue them, with the records, for one commit."""
        ...

    def flush(self) -> None:
        """Begin to commit what was appended; without this it is begun in the loop's next turn."""
        ...

    async def durable(self) -> None:
        """Return when all that was appended before this call is on disk.

        Raises `StorageFull` if the log can't be written at the moment.
        """
        ...

    def head(self, conversation_id: str) -> int:
        """The last committed seq of a conversation; 0 before its first event."""
        ...

    def last_appended(self, conversation_id: str) -> int:
        """The last seq given out in a conversation; it may not be on disk yet."""
        ...

    @property
    def appended_position(self) -> int:
        """The last position given out; it may not be on disk yet."""
        ...

    @property
    def log_tag(self) -> str:
        """Marks the positions of this log."""
        ...

    @property
    def last_position(self) -> int:
        """The last committed position."""
        ...

    async def read(self, conversation_id: str, after: int, limit: int) -> list[Event]:
        """Committed events of one conversation after `after`, oldest first. A page that is large
        ends before `limit`: only an empty one says that there are no more."""
        ...

    async def read_all(self, after: int, limit: int) -> list[Event]:
        """Committed events of all conversations and the server after position `after`, in such
        pages as well."""
        ...

    async def snapshot(
        self, conversation_id: str, upto: int, items: int, open_turns: Collection[str]
    ) -> SnapshotRows:
        """The newest `items` ended items up to seq `upto`, the events of their turns and of
        `open_turns`, and the last token usage."""
        ...

    async def items(
        self, conversation_id: str, span: Span, limit: int, turn_id: str | None = None
    ) -> ItemRows:
        """Ended items, by the seq of their end; of one turn where it is named."""
        ...

    async def turns(self, conversation_id: str, span: Span, limit: int, diff_size: int) -> TurnRows:
        """Turns, by the seq of their start; diffs of at most `diff_size` bytes with them."""
        ...

    async def turn(self, conversation_id: str, turn_id: str, diff_size: int) -> TurnRow | None:
        """One turn."""
        ...

    async def last_diff(
        self, conversation_id: str, turn_id: str | None
    ) -> tuple[str, Event | None] | None:
        """A turn, by default the newest, and its last diff; None where there is no such turn."""
        ...

    async def turn_events(self, conversation_id: str, turn_id: str) -> list[Event]:
        """The turn's start, items' ends, diffs, plans and end, oldest first."""
        ...

    async def turn_ids(self, conversation_id: str) -> set[str]:
        """The turns whose start is in the log; the newest 1,000."""
        ...

    async def known_turns(self, conversation_id: str, thread_id: str) -> list[KnownTurn]:
        """The turns of this thread that were not taken back, oldest first."""
        ...

    async def reverted(self, conversation_id: str) -> dict[str, str]:
        """The turns that were taken back, each with the first of those that went with it."""
        ...

    async def output(
        self, conversation_id: str, turn_id: str, item_id: str, offset: int, limit: int
    ) -> OutputPage | None:
        """A command's output from `offset` on, at most `limit` characters; None if there is
        no such command. Where the middle was dropped, `offset` jumps over it."""
        ...

    async def conversations(
        self, wanted: ConversationFilter, before: str | None, limit: int
    ) -> list[ConversationRecord]:
        """Newest first, with ids below `before`."""
        ...

    async def conversation(self, conversation_id: str) -> ConversationRecord | None:
        """One conversation."""
        ...

    async def forks(self, conversation_id: str) -> list[ConversationRecord]:
        """The conversations that were forked from this one, oldest first."""
        ...

    async def known_threads(self, thread_ids: Collection[str]) -> dict[str, str]:
        """The conversations of these threads of the core, by thread, as far as they have one."""
        ...

    async def unfinished(self) -> list[ConversationRecord]:
        """Conversations with something open, or with messages or approvals that wait."""
        ...

    async def waiting(self, conversation_id: str) -> list[SubmitRecord]:
        """Messages that wait or whose fate is open, in order."""
        ...

    async def submits_of(
        self, conversation_id: str, turn_ids: Collection[str]
    ) -> list[SubmitRecord]:
        """The messages that belong to these turns."""
        ...

    async def submit(self, submit_id: str) -> SubmitRecord | None:
        """A message by its id."""
        ...

    async def submit_by_key(self, conversation_id: str, key: str) -> SubmitRecord | None:
        """A message by its Idempotency-Key."""
        ...

    async def approvals(
        self, conversation_id: str | None, before: str | None, limit: int, *, ended: bool
    ) -> list[ApprovalRecord]:
        """Approvals, newest first, with ids below `before`: those that wait, with `ended` all.
        None: of every conversation."""
        ...

    async def remembered(self, decisions: Sequence[str]) -> list[ApprovalRecord]:
        """The newest 1000 approvals that ended with one of these decisions, or one that begins
        with it; newest first."""
        ...

    async def open_approvals(self, conversation_id: str) -> list[ApprovalRecord]:
        """Approvals that wait, or whose answer the core may not have; oldest first."""
        ...

    async def approval(self, approval_id: str) -> ApprovalRecord | None:
        """An approval by its id."""
        ...

    async def answer(self, scope: str, key: str) -> AnswerRecord | None:
        """A stored answer."""
        ...

    # --- the ledger: turns that have ended --------------------------------------------------

    async def ledger_sums(self, since_ms: int) -> LedgerSums:
        """What all turns cost, and by caller those that ended since then."""
        ...

    async def spent(self, conversation_id: str) -> Spent:
        """What the conversation's turns cost."""
        ...

    async def ledger(
        self, conversation_id: str, before: str | None, limit: int, *, reverted: bool = True
    ) -> list[TurnRecord]:
        """Its turns with ids below `before`, newest first; with or without those taken back."""
        ...

    async def costliest(self, limit: int) -> list[ConversationSpent]:
        """The conversations whose turns took the most tokens."""
        ...

    async def last_usage(self, conversation_id: str) -> Event | None:
        """The core's newest token report on the conversation."""
        ...

    async def search(self, wanted: SearchFilter, before: int | None, limit: int) -> SearchPage:
        """What was found, with ids below `before`. Raises `SearchUnavailable`."""
        ...

    async def erase(self, conversation_id: str, thread_id: str, told: Draft) -> bool:
        """Remove all that is kept of a conversation, but for what its turns cost and the event
        `told`, its last. What is appended to it afterwards is dropped. False if remains of it
        may be in the files until the next start. Raises `StorageFull`."""
        ...

    def forget_keys(self, before_ms: int) -> None:
        """Drop Idempotency-Keys and stored answers older than `before_ms`."""
        ...
