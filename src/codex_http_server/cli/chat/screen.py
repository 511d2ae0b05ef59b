"""What the terminal shows: the answer on stdout, all else briefly on stderr.

Owns which text has been shown, so that after a lost connection only the rest of it is. What comes
from the model, a command or a file may hold control characters that would move the cursor or turn
text around; on a terminal they are shown as what they are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final, TextIO

from codex_http_server.cli.cleaning import clean
from codex_http_server.client.types import Event, Json

OUTPUT: Final = 3  # lines shown of what a command printed
DIFF: Final = 40  # lines shown of a diff that is to be approved


class Screen:
    """Shows the events of one conversation."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._for_people = self._out.isatty()
        self._shown: dict[str, str] = {}  # of each answer of the turn, as far as it was shown
        self._in_line = False

    def show(self, event: Event) -> None:
        """Show one event, if it is worth a look."""
        match event.type:
            case "item/agentMessage/delta":
                self._add(event.item_id or "", event.text or "")
            case "item/completed" | "item/discarded" if event.item_type == "agentMessage":
                self._whole(event)
            case "item/started" if event.item_type == "commandExecution":
                self.say(f"$ {_item(event).get('command')}")
            case "item/completed" if event.item_type == "commandExecution":
                self._command(_item(event))
            case "item/completed" if event.item_type == "fileChange":
                self._changes(_item(event))
            case "error" | "auth/required" | "core/state":
                self._trouble(event)
            case "turn/completed":
                self._end(event)
            case _:
                pass

    def say(self, text: str) -> None:
        """A line that is not part of the answer."""
        self._break()
        line = clean(text) if self._err.isatty() else text
        print(line, file=self._err, flush=True)

    # --- the answer -------------------------------------------------------------------------

    def _add(self, item_id: str, text: str) -> None:
        self._shown[item_id] = self._shown.get(item_id, "") + text
        self._write(text)

    def _whole(self, event: Event) -> None:
        """An answer has ended: show what of it did not come as deltas."""
        shown, whole = self._shown.get(event.item_id or "", ""), str(_item(event).get("text", ""))
        if whole.startswith(shown):
            self._write(whole[len(shown) :])
        else:
            self._break()
            self._write(whole)
        self._break()

    def _write(self, text: str) -> None:
        if text:
            print(clean(text) if self._for_people else text, end="", file=self._out, flush=True)
            self._in_line = not text.endswith("\n")

    def _break(self) -> None:
        if self._in_line:
            print(file=self._out, flush=True)
        self._in_line = False

    # --- the rest ---------------------------------------------------------------------------

    def _command(self, item: Json) -> None:
        output = str(item.get("aggregatedOutput") or "").rstrip().splitlines()
        if len(output) > OUTPUT:
            self.say(f"  … {len(output) - OUTPUT} more lines")
        for line in output[-OUTPUT:]:
            self.say(f"  {line[:200]}")
        if item.get("status") == "declined":
            self.say("  declined")
        elif item.get("exitCode"):
            self.say(f"  exit code {item['exitCode']}")

    def _changes(self, item: Json) -> None:
        for change in item.get("changes", []):
            self.say(f"± {change['path']} {counts(change)}")
        if item.get("status") != "completed":
            self.say(f"  {item.get('status')}")

    def _trouble(self, event: Event) -> None:
        if event.type == "core/state":
            if event.data.get("state") != "ready":
                self.say(f"[the core: {event.data.get('state')}]")
            return
        error: Json = event.data.get("error") or event.data
        self.say(f"! {error.get('message') or error.get('detail') or event.status}")
        if event.data.get("hint"):
            self.say(f"  {event.data['hint']}")

    def _end(self, event: Event) -> None:
        self._break()
        self._shown.clear()
        turn: Json = event.data.get("turn") or {}
        error: Json = turn.get("error") or {}
        if event.status != "completed":
            self.say(f"[{event.status}] {error.get('message') or ''}".rstrip())


def counts(change: Json) -> str:
    """How many lines a change adds and takes away. Of a new and of a deleted file the core gives
    the text in place of a diff (measured)."""
    kind: Json = change.get("kind") or {}
    lines = str(change.get("diff") or "").splitlines()
    match kind.get("type"):
        case "add":
            return f"(+{len(lines)} -0)"
        case "delete":
            return f"(+0 -{len(lines)})"
        case _:
            body = [line for line in lines if not line.startswith(("+++", "---"))]
            return f"(+{_starting(body, '+')} -{_starting(body, '-')})"


def _starting(lines: Iterable[str], mark: str) -> int:
    return sum(line.startswith(mark) for line in lines)


def _item(event: Event) -> Json:
    return event.data.get("item") or {}
