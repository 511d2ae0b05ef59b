"""A conversation in a terminal: sends messages, shows their turns, and minds Ctrl-C.

Ctrl-C while a turn runs interrupts it, without breaking off what is shown; a second one leaves.
The turn belongs to the server: leaving does not end it.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Generator, Iterable
from typing import Any, Final

from codex_http_server.cli.chat.asking import Ask, Asking
from codex_http_server.cli.chat.screen import Screen
from codex_http_server.client.errors import ClientError, Conflict, NotFound
from codex_http_server.client.sync.conversation import Conversation
from codex_http_server.client.types import Event, Reset

REMOVED: Final = "removed"


class Talk:
    """One conversation."""

    def __init__(self, conversation: Conversation, screen: Screen, ask: Ask | None) -> None:
        self._conversation = conversation
        self._screen = screen
        self._alone = ask is None
        self._asking = Asking(conversation, screen, None if ask is None else self._minded(ask))
        self._prompting = False
        self._stopping: threading.Thread | None = None
        self._waiting: list[str] = []  # our messages that wait for a login

    # --- turns ------------------------------------------------------------------------------

    def say(self, text: str) -> str | None:
        """Send a message and show its turn; how that ended."""
        with self._minding_ctrl_c(), self._conversation.stream(text) as turn:
            return self._follow(turn)

    def catch_up(self) -> None:
        """Show where the conversation stands; if a turn runs, show it to its end."""
        snapshot = self._conversation.snapshot()
        said = [e["item"] for e in snapshot["items"] if e["item_type"] == "agentMessage"]
        if said and said[-1]:
            self._screen.say(str(said[-1].get("text")))
        if snapshot["conversation"]["status"] != "running":
            return
        self._screen.say("[a turn runs]")
        with self._minding_ctrl_c():
            for approval in snapshot["approvals"]:
                self._answer(approval["approval_id"])
            after, log = snapshot["seq"], snapshot["log_id"]
            with self._conversation.events(after=after, log=log) as events:
                self._follow(events)

    def _follow(self, events: Iterable[Event | Reset]) -> str | None:
        for event in events:
            if isinstance(event, Reset):
                self._screen.say("[the server has another log now; this is where it stands]")
                return None
            self._screen.show(event)
            if event.type == "turn/completed":
                return self._ended(event.status)
            if event.type == "message/removed":
                self._screen.say(f"[removed] {event.data.get('error') or ''}".rstrip())
                return REMOVED
            if event.type == "approval/requested":
                self._answer(event.data["approval_id"])
            if event.type == "auth/required" and not self._wait_for_login(event):
                return REMOVED
        return None

    def _ended(self, status: str | None) -> str | None:
        if self._alone:
            self._take_back()
        return status

    def _wait_for_login(self, event: Event) -> bool:
        """Whether to go on: without a person the message is taken back, so that the exit code
        tells all of it."""
        self._waiting = [str(each) for each in event.data.get("submit_ids") or ()]
        if event.turn_id is None and self._alone:
            self._take_back()
            return False
        return True

    def _take_back(self) -> None:
        for submit_id in self._waiting:
            with contextlib.suppress(NotFound):
                self._conversation.take_back(submit_id)
        self._waiting = []

    def _answer(self, approval_id: str) -> None:
        try:
            self._asking.answer(approval_id)
        except (KeyboardInterrupt, EOFError):  # in place of an answer
            self._interrupt()

    # --- Ctrl-C -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def _minding_ctrl_c(self) -> Generator[None]:
        self._stopping = None
        before = signal.signal(signal.SIGINT, self._on_ctrl_c)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _on_ctrl_c(self, number: int, frame: Any) -> None:
        del number, frame
        if self._prompting or self._stopping is not None:
            raise KeyboardInterrupt
        self._interrupt()

    def _interrupt(self) -> None:
        """Ask for the end of the turn beside what is read meanwhile: that shows it."""
        if self._stopping is None:
            self._stopping = threading.Thread(target=self._stop, daemon=True)
            self._stopping.start()

    def _stop(self) -> None:
        self._screen.say("[interrupting; Ctrl-C again leaves]")
        try:
            self._conversation.interrupt()
        except Conflict:  # it has no turn: it waits for a login
            self._take_back()
        except ClientError as error:
            self._screen.say(f"! {error.detail}")

    def _minded(self, ask: Ask) -> Ask:
        """While the person is asked, Ctrl-C has to break off the question."""

        def asked(prompt: str) -> str:
            self._prompting = True
            try:
                return ask(prompt)
            finally:
                self._prompting = False

        return asked
