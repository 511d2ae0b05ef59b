"""`Conversation`: what a program does with one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Literal, Unpack

from codex_http_server.client import calls, looking
from codex_http_server.client.calls import Call
from codex_http_server.client.follow import FollowConversation, FollowTurn
from codex_http_server.client.sync.history import HistoryMethods
from codex_http_server.client.sync.streams import Events, Turn
from codex_http_server.client.types import (
    Answer,
    Approval,
    Cleared,
    ConversationInfo,
    ConversationOptions,
    Json,
    MessageOptions,
    QueuedMessage,
    Ran,
    Reverted,
    ReviewTarget,
    Sent,
    TurnEnded,
)
from codex_http_server.client.types_history import ForkOptions, Resumed


class Conversation(HistoryMethods):
    """One conversation, by its `id`."""

    # --- messages ---------------------------------------------------------------------------

    def send(
        self,
        text: str | None = None,
        *,
        wait: float = 0.0,
        key: str | None = None,
        **options: Unpack[MessageOptions],
    ) -> Sent:
        """Send a message. With `wait`, in seconds, the answer comes when its turn has ended or the
        time is up, with `reply`. `key`: your own Idempotency-Key, to ask again later."""
        return self._sent(calls.message(self.id, text, options, key), wait)

    def _sent(self, call: Call[Sent], wait: float) -> Sent:
        end = time.monotonic() + wait
        sent = self._connection.ask(calls.waiting(call, wait))
        while calls.goes_on(sent, left := end - time.monotonic()):
            sent = self._connection.ask(calls.waiting(call, left))
        return sent

    def stream(
        self, text: str | None = None, *, key: str | None = None, **options: Unpack[MessageOptions]
    ) -> Turn:
        """Send a message when the first event is asked for, and get the events of its turn."""
        call = calls.message(self.id, text, options, key)
        return Turn(self._connection, FollowTurn(self.id, call, self._connection.contact))

    def events(self, after: int | Literal["latest"] = 0, *, log: str | None = None) -> Events:
        """The events after a seq, and those that come. `latest`: only those that come after the
        `with` block was entered (or the first one was asked for)."""
        follow = FollowConversation(self.id, after, log, self._connection.contact)
        return Events(self._connection, follow)

    def retry(self, *, anyway: bool = False, wait: float = 0.0, key: str | None = None) -> Sent:
        """Send the message of the last turn again, if that was interrupted or failed. `anyway`:
        also if it had run commands, changed files or called tools."""
        return self._sent(calls.retry(self.id, anyway=anyway, key=key), wait)

    def interrupt(self, *, clear_queue: bool = False, wait: float = 0.0) -> Cleared:
        """End the running turn. `wait`: seconds for the answer to say what was ended with it."""
        path = calls.within(self.id, f"/interrupt?wait={wait:g}" if wait else "/interrupt")
        return self._connection.ask(calls.post(path, {"clear_queue": clear_queue}))

    def revert(self, before_turn_id: str) -> Reverted:
        """Take back this turn and all after it. Files stay as they are."""
        path = calls.within(self.id, "/revert")
        return self._connection.ask(calls.post(path, {"before_turn_id": before_turn_id}))

    def resume(self) -> Resumed:
        """Send what was held back here when everything was stopped."""
        return self._connection.ask(calls.post(calls.within(self.id, "/resume")))

    def end_terminals(self, terminal_id: str | None = None) -> list[str]:
        """End a command that runs, or all, with everything that they started."""
        return self._connection.ask(looking.end_terminals(self.id, terminal_id))

    # --- turns that no message starts -------------------------------------------------------

    def compact(self, *, wait: float = 0.0) -> TurnEnded:
        """Put a summary in the place of what the model has read. `wait`: at most 600 seconds."""
        return self._connection.ask(calls.own_turn(self.id, "compact", None, wait))

    def review(self, target: ReviewTarget | None = None, *, wait: float = 0.0) -> TurnEnded:
        """Have changes reviewed: what is not committed, or `target`."""
        return self._connection.ask(calls.review(self.id, target, wait))

    def shell(self, command: str, *, timeout: float | None = None, wait: float = 0.0) -> Ran:
        """Run a command without sandbox (scope `elevate`); `timeout` is the command's."""
        return self._connection.ask(calls.shell(self.id, command, timeout, wait))

    # --- the conversation itself ------------------------------------------------------------

    def get(self) -> ConversationInfo:
        """How it stands."""
        return self._connection.ask(Call("GET", calls.within(self.id)))

    def snapshot(self) -> Json:
        """All that a first paint needs, at one `seq`."""
        return self._connection.ask(calls.snapshot(self.id))

    def patch(self, **options: Unpack[ConversationOptions]) -> ConversationInfo:
        """Change its title, or what its next turns run under."""
        return self._connection.ask(Call("PATCH", calls.within(self.id), json=options))

    def archive(self) -> ConversationInfo:
        """Put it away."""
        return self._connection.ask(calls.post(calls.within(self.id, "/archive")))

    def unarchive(self) -> ConversationInfo:
        """Take it back."""
        return self._connection.ask(calls.post(calls.within(self.id, "/unarchive")))

    def fork(self, **options: Unpack[ForkOptions]) -> Conversation:
        """A new conversation that begins with what this one had, up to a turn."""
        made = self._connection.ask(calls.fork(self.id, options))
        return Conversation(self._connection, made["id"])

    def delete(self, *, force: bool = False, keep_codex_copy: bool = False) -> Json:
        """Delete it. `force`: interrupt its turn and take back what waits first."""
        call = calls.delete(self.id, force=force, keep_codex_copy=keep_codex_copy)
        return self._connection.ask(call)

    # --- approvals --------------------------------------------------------------------------

    def approvals(self, *, ended: bool = False) -> Iterator[Approval]:
        """What the core asks here, newest first; `ended`: with what has ended."""
        return self._connection.each(calls.approvals(self.id, ended=ended))

    def approval(self, approval_id: str) -> Approval:
        """One of them, with its diff and what can be answered."""
        return self._connection.ask(Call("GET", calls.approval(self.id, approval_id)))

    def answer(
        self, approval_id: str, decision: str | None = None, **answer: Unpack[Answer]
    ) -> Approval:
        """Answer it, once: with the id of a decision, and with what that takes."""
        body = answer if decision is None else {"decision": decision, **answer}
        return self._connection.ask(calls.post(calls.approval(self.id, approval_id), body))

    # --- the queue --------------------------------------------------------------------------

    def queue(self) -> list[QueuedMessage]:
        """The messages that wait, in order."""
        return self._connection.ask(Call("GET", calls.within(self.id, "/queue")))["data"]

    def reorder(self, submit_ids: list[str]) -> list[QueuedMessage]:
        """Put them in another order, each named once."""
        call = Call[Any]("PUT", calls.within(self.id, "/queue"), json={"order": submit_ids})
        return self._connection.ask(call)["data"]

    def edit(self, submit_id: str, text: str) -> QueuedMessage:
        """Change what one says."""
        path = calls.waiting_message(self.id, submit_id)
        return self._connection.ask(Call("PATCH", path, json={"message": text}))

    def take_back(self, submit_id: str) -> None:
        """Take one back."""
        self._connection.ask(Call[Any]("DELETE", calls.waiting_message(self.id, submit_id)))
