"""Asks the person what the core asks, and sends the answer.

Only decisions that the server lists are offered. An approval that ended meanwhile, by someone
else or by its deadline, is said so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from codex_http_server.cli.chat.screen import DIFF, Screen
from codex_http_server.client.errors import ApiError, Conflict
from codex_http_server.client.sync.conversation import Conversation
from codex_http_server.client.types import Approval, Decision

ALONE: Final = "decline"
Ask = Callable[[str], str]


class Asking:
    """Answers the approvals of one conversation. Without `ask`, nobody is there: they are
    declined."""

    def __init__(self, conversation: Conversation, screen: Screen, ask: Ask | None) -> None:
        self._conversation = conversation
        self._screen = screen
        self._ask = ask

    def answer(self, approval_id: str) -> None:
        """Show an approval, ask for a decision, and send it."""
        approval = self._conversation.approval(approval_id)
        if approval["status"] == "resolved":
            return
        for line in described(approval):
            self._screen.say(line)
        try:
            self._conversation.answer(approval_id, **self._decided(approval))
        except Conflict as error:
            if error.code != "approval_ended":
                raise
            resolution: Any = error.extra.get("resolution") or {}
            self._screen.say(f"  ended already: {resolution.get('reason')}")
        except ApiError as error:  # this caller may not decide that: let it be asked again
            self._screen.say(f"! {error.detail}" + (f" {error.hint}" if error.hint else ""))
            if self._ask is not None:
                self.answer(approval_id)

    def _decided(self, approval: Approval) -> dict[str, Any]:
        offered = [each for each in approval["decisions"] if each["takes"] in (None, "answers")]
        if self._ask is None:
            self._screen.say("  declined: nobody is here to answer")
            return {"decision": _decline(approval["decisions"])}
        self._screen.say("  " + ", ".join(f"{n} {_name(d)}" for n, d in enumerate(offered, 1)))
        chosen = self._choose(offered)
        if chosen["takes"] == "answers":
            return {"decision": chosen["id"], "answers": self._answers(approval)}
        return {"decision": chosen["id"]}

    def _choose(self, offered: list[Decision]) -> Decision:
        """The decision that is named by its number or its id."""
        while True:
            given = self._asked(f"  1-{len(offered)}? ").strip()
            for number, each in enumerate(offered, 1):
                if given in (str(number), each["id"]):
                    return each
            self._screen.say(f"  {given!r} is not among them")

    def _answers(self, approval: Approval) -> dict[str, str]:
        questions: list[dict[str, Any]] = approval["request"]["questions"]
        found: dict[str, str] = {}
        for each in questions:
            self._screen.say(f"  {each.get('question')}")
            given: list[dict[str, Any]] = each.get("options") or []
            options = [str(option["label"]) for option in given]
            if options:
                self._screen.say("  " + " / ".join(options))
            found[each["id"]] = self._asked("  > ")
        return found

    def _asked(self, prompt: str) -> str:
        assert self._ask is not None
        return self._ask(prompt)


def described(approval: Approval) -> Iterator[str]:
    """What is asked, in lines."""
    request: dict[str, Any] = approval["request"] or {}
    yield f"? {approval['kind'].replace('_', ' ')}"
    for name in ("command", "cwd", "message", "url", "tool", "grantRoot", "reason"):
        if request.get(name):
            yield f"  {name}: {request[name]}"
    for name in ("permissions", "arguments", "requestedSchema"):
        if request.get(name):
            yield f"  {name}: {json.dumps(request[name], ensure_ascii=False)}"
    lines = (approval["diff"] or "").splitlines()
    yield from (f"  {line}" for line in lines[:DIFF])
    if len(lines) > DIFF:
        yield f"  … {len(lines) - DIFF} more lines: look at the whole before you accept"


def _name(decision: Decision) -> str:
    needs = " (needs a token with elevate)" if decision["needs"] == "elevate" else ""
    return decision["id"] + needs


def _decline(decisions: list[Decision]) -> str:
    ids = [each["id"] for each in decisions]
    return ALONE if ALONE in ids else ids[-1]
