"""Messages that wait for a login: turns that the provider refused, and what becomes of them.

Owns, for each running turn, how often it was refused in a row and what it has done. A first
refusal is told (`auth/required`), a second one interrupts the turn. A turn that did nothing gives
its messages back: they wait first in the queue and are sent once, after a login. Before they are,
the core forgets the refused turn, else the model would read them twice (measured).
Before: messages. After: queue, engine.
"""

from __future__ import annotations

from typing import Any, Final

from codex_http_server import events
from codex_http_server.clock import now_ms
from codex_http_server.conversations.conversation import Conversation
from codex_http_server.conversations.queue import Queue
from codex_http_server.conversations.underway import Underway
from codex_http_server.errors import ServerError
from codex_http_server.events import Draft, Event, raw
from codex_http_server.logs import get_logger
from codex_http_server.records import SubmitRecord
from codex_http_server.refusal import Refusal, Why, refusal
from codex_http_server.state import MODEL_ITEMS

log = get_logger(__name__)

PATIENCE: Final = (
    2  # refusals in a row that a turn is given: the core renews the login at the first
)
SIGNS: Final = (
    events.ITEM_STARTED,
    events.ITEM_COMPLETED,
    events.ITEM_DISCARDED,
    events.USAGE,
)
NOT_AGAIN: Final = (
    "The login was refused after this turn had already done something, so the message is not sent"
    " again. Sign in, and say how to go on."
)


class _Turn:
    """A running turn, as far as a login matters."""

    def __init__(self) -> None:
        self.refusals = 0
        self.logins = 0  # how many there had been at the first refusal
        self.stopped = False  # we asked for its end
        self.done: set[str] = set()  # its items, but for messages and what was thrown away

    def note(self, happened: Draft | Event) -> None:
        """Take in an event of the turn. Not every command has items: one that the sandbox denied
        has none, but the answer of the model that asked for it is counted (measured)."""
        item = happened.item_id or ""
        if happened.type == events.USAGE:
            self.done.add("an answer")
        elif happened.type == events.ITEM_DISCARDED and happened.item_type in MODEL_ITEMS:
            self.done.discard(item)
        elif happened.item_type not in (None, "userMessage"):
            self.done.add(item)
            self.refusals = 0


class LoginWait:
    """See the head of this file. One for each conversation, made by its `Messages`."""

    def __init__(self, conversation: Conversation, queue: Queue, underway: Underway) -> None:
        self._conversation = conversation
        self._login = conversation.host.login
        self._queue = queue
        self._underway = underway
        self._turns: dict[str, _Turn] = {}

    # --- what happens to turns --------------------------------------------------------------

    def note(self, happened: Draft | Event) -> None:
        """Take in an event, also one that is read again after a restart."""
        turn_id = happened.turn_id or ""
        if turn_id not in self._conversation.open.turns:
            self._turns.pop(turn_id, None)
        elif happened.type in SIGNS:
            self._turns.setdefault(turn_id, _Turn()).note(happened)

    def on_error(self, draft: Draft) -> None:
        """The core tells of an error: say it if it is the login's, end the turn if it is again."""
        found = refusal(draft)
        if found is None or draft.turn_id is None:
            return
        turn = self._turns.setdefault(draft.turn_id, _Turn())
        turn.refusals += 1
        if turn.refusals == 1:
            turn.logins = self._login.times
            self._tell_refused(draft.turn_id, turn, found)
        elif turn.refusals == PATIENCE and draft.status == "retrying" and not turn.stopped:
            turn.stopped = True
            self._conversation.host.spawn(self._stop())

    def _tell_refused(self, turn_id: str, turn: _Turn, found: Refusal) -> None:
        why = self._login.refused(found)
        ids = [record.id for record in self._underway.of_turn(turn_id)]
        resend = self._login.helps and not turn.done and bool(ids)
        self._tell(why, turn_id, ids, resend=resend, http_status=found.status)

    async def _stop(self) -> None:
        try:
            await self._conversation.interrupt()
        except ServerError as error:  # it has ended by itself
            log.info("a refused turn was not interrupted", reason=error.detail)

    def on_turn_end(self, draft: Draft) -> None:
        """A turn is over: if it was refused and did nothing, its messages wait for a login."""
        turn = self._turns.pop(draft.turn_id or "", None) or _Turn()
        found = refusal(draft)
        if draft.status == "completed":
            self._login.worked()
        if not (found or turn.stopped) or not self._login.helps:
            return
        records = self._underway.of_turn(draft.turn_id)
        if found and not turn.refusals:  # it failed while nobody heard it
            turn.logins = self._login.times
            self._tell_refused(draft.turn_id or "", turn, found)
        if turn.done:
            self._not_again(records)
        else:
            self._give_back(records, draft.turn_id, turn)

    def _not_again(self, records: list[SubmitRecord]) -> None:
        for record in records:
            record.error = NOT_AGAIN
        self._conversation.log.append(self._conversation.id, (), records)

    def _give_back(self, records: list[SubmitRecord], turn_id: str | None, turn: _Turn) -> None:
        # Somebody may have signed in before the turn was over: then it is sent at once.
        held = "login" if turn.logins == self._login.times else None
        for record in records:
            self._underway.drop(record)
            record.revert, record.turn_id, record.held = turn_id, None, held
        self._queue.put_first(records, "waiting_for_login" if held else "restored")

    # --- messages that arrive while nobody is signed in --------------------------------------

    async def holds(self, record: SubmitRecord) -> bool:
        """Whether a message has to wait because nobody is signed in; if so it is marked."""
        why = await self._login.missing()
        if why is None:
            return False
        if record.held is None:
            record.held = "login"
            self._tell(why, None, [record.id], resend=True, http_status=None)
        return True

    def release(self) -> None:
        """Somebody signed in: what waits for that may be sent."""
        held = [record for record in self._queue if record.held]
        for record in held:
            record.held = None
        if held:
            self._queue.announce("signed_in", *held)

    async def forget_refused(self, record: SubmitRecord) -> None:
        """Have the core forget the turn that was refused with this message, before it is sent."""
        if record.revert is None:
            return
        await self._conversation.reverts.ask(record.revert, record.caller, sent_again=True)
        for each in (record, *self._queue):
            if each.revert == record.revert and each is not record:
                each.revert = None
        record.revert = None

    def _tell(
        self,
        why: Why,
        turn_id: str | None,
        ids: list[str],
        *,
        resend: bool,
        http_status: int | None,
    ) -> None:
        body: dict[str, Any] = {
            "turnId": turn_id,
            "code": why.code,
            "http_status": http_status,
            "detail": why.detail,
            "hint": why.hint,
            "resend": resend,
            "submit_ids": ids,
        }
        told = Draft(events.AUTH_REQUIRED, raw(body), now_ms(), turn_id=turn_id, status=why.code)
        self._conversation.append([told])
