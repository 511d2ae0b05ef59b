"""What was remembered: the rules of the home with who added them, and taking one back.

Owns the order of a removal: the file first, which holds for every thread that is loaded later;
then the threads that are loaded already, each of which keeps what it read until it is loaded anew.
Before: api. After: engine, manager, eventlog.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Literal, NamedTuple

from codex_http_server import events
from codex_http_server.auth.callers import Caller
from codex_http_server.clock import now_ms, rfc3339
from codex_http_server.conversations.manager import Manager, Open
from codex_http_server.conversations.reload import follow, reload
from codex_http_server.engine.decisions import AMENDMENTS, asked_for
from codex_http_server.engine.rulefiles import RuleFiles
from codex_http_server.engine.rules import Rule
from codex_http_server.errors import ConversationNotFound, ServerError
from codex_http_server.eventlog.base import EventLog
from codex_http_server.events import Draft, raw
from codex_http_server.logs import get_logger
from codex_http_server.records import ApprovalRecord

log = get_logger(__name__)

Hold = Literal["none", "some", "joined", "unknown"]


class Removed(NamedTuple):
    """A rule that is gone from its file, and which conversations do without it or still have it."""

    rule: Rule
    at_ms: int
    hold: Hold
    reloaded: list[str]
    held_by: list[str]


class Rules:
    """See the head of this file."""

    def __init__(self, files: RuleFiles, manager: Manager, log: EventLog) -> None:
        self.files = files
        self._manager = manager
        self._log = log

    async def all(self) -> list[tuple[Rule, ApprovalRecord | None]]:
        """Every rule, with the newest approval that asked for it. Raises `RulesUnusable`."""
        found = await asyncio.to_thread(self.files.read)
        with contextlib.suppress(ServerError):  # then the newest approval may be missing
            await self._log.durable()
        approvals = await self._log.remembered(AMENDMENTS) if found else []
        return [(rule, _approval_of(rule, approvals)) for rule in found]

    async def remove(self, rule_id: str, caller: Caller) -> Removed:
        """Take a rule back. Raises `RuleNotFound`, `RuleNotRemovable`, `RulesUnusable`."""
        rule = await asyncio.to_thread(self.files.remove, rule_id)
        log.info("a rule was removed", file=rule.file, text=rule.text, by=caller.name)
        removed = await self._forget(rule)
        body: dict[str, Any] = {
            "reason": "removed",
            "rule": {"id": rule.id, "kind": rule.kind, "file": rule.file, "text": rule.text},
            "by": caller.name,
            "at": rfc3339(removed.at_ms),
            "held_by": removed.held_by,
        }
        self._log.append(None, [Draft(events.RULES_CHANGED, raw(body), removed.at_ms)])
        try:
            await self._log.durable()  # a later server is to know what is still to be loaded anew
        except ServerError as error:  # the rule is gone all the same
            log.warning("the removal of a rule is not on disk yet", reason=error.detail)
        return removed

    async def _forget(self, rule: Rule) -> Removed:
        """Have the core forget it, wherever nothing runs. A daemon that we joined is left alone."""
        engine, at_ms = self._manager.engine, now_ms()
        try:
            entries = await self._loaded()
        except ServerError as error:
            log.warning("which conversations hold the rule is not known", reason=error.detail)
            return Removed(rule, at_ms, "unknown", [], [])
        ids = [entry.conversation.id for entry in entries]
        if engine.state.joined:
            return Removed(rule, at_ms, "joined", [], ids)
        done = [entry.conversation.id for entry in entries if await reload(self._manager, entry)]
        held = [each for each in ids if each not in done]
        return Removed(rule, at_ms, "some" if held else "none", done, held)

    async def _loaded(self) -> list[Open]:
        """The conversations whose threads the core has in memory, opened here or not."""
        threads = await self._manager.engine.control.loaded()
        known = await self._log.known_threads(threads)
        found: list[Open] = []
        for each in sorted(known.values()):
            with contextlib.suppress(ConversationNotFound):  # deleted in the same moment
                found.append(await self._manager.get(each))
        return found

    def recover(self) -> None:
        """After a start: go on with what an earlier server could not have loaded anew."""
        for entry in self._manager.loaded():
            if entry.conversation.record.reload:
                follow(self._manager, entry)


def _approval_of(rule: Rule, newest_first: list[ApprovalRecord]) -> ApprovalRecord | None:
    """The newest approval that asked for just this rule."""
    for record in newest_first:
        if record.resolution is not None and _is(rule, asked_for(record.resolution.answer)):
            return record
    return None


def _is(rule: Rule, asked: dict[str, Any]) -> bool:
    """Whether an amendment, in the core's own words, is this rule."""
    if rule.kind == "prefix":
        return rule.decision == "allow" and asked.get("pattern") == list(rule.pattern or ())
    action = {"deny": "deny", "forbidden": "deny"}.get(rule.decision or "", rule.decision)
    return rule.host is not None and (asked.get("host"), asked.get("action")) == (rule.host, action)
