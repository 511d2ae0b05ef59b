"""What was remembered: the rules of the home with who added them, and taking one back.

Owns the order of a removal: the file first, which holds for every thread that is loaded later;
then the threads that are loaded already, each of which keeps what it read until it is loaded anew.
What was approved for a session is in no file: it is the core's memory of one thread, and goes with
it.
Before: api. After: engine, manager, eventlog.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final, Literal, NamedTuple

import msgspec

from codex_http_server import events
from codex_http_server.auth.callers import Caller
from codex_http_server.clock import now_ms, rfc3339
from codex_http_server.conversations.manager import Manager, Open
from codex_http_server.conversations.reload import follow, reload
from codex_http_server.engine.decisions import AMENDMENTS, FOR_SESSION, asked_for
from codex_http_server.engine.rulefiles import RuleFiles
from codex_http_server.engine.rules import Rule
from codex_http_server.errors import (
    ConversationNotFound,
    RuleNotFound,
    RuleNotRemovable,
    ServerError,
)
from codex_http_server.eventlog.base import EventLog
from codex_http_server.events import Draft, raw
from codex_http_server.logs import get_logger
from codex_http_server.records import ApprovalRecord

log = get_logger(__name__)

TEXT: Final = 1000  # characters of a question that are shown

Hold = Literal["none", "some", "joined", "unknown"]


class Remembered(NamedTuple):
    """All that is remembered, with the approvals behind it. Not `complete` where the core can't be
    asked what still holds for a session."""

    rules: list[tuple[Rule, ApprovalRecord | None]]
    complete: bool


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

    async def all(self) -> Remembered:
        """Every rule, with the newest approval that asked for it. Raises `RulesUnusable`."""
        found = await asyncio.to_thread(self.files.read)
        with contextlib.suppress(ServerError):  # then the newest approval may be missing
            await self._log.durable()
        approvals = await self._log.remembered(AMENDMENTS) if found else []
        rules = [(rule, _approval_of(rule, approvals)) for rule in found]
        try:
            sessions = await self._sessions()
        except ServerError as error:
            log.info("what holds for a session is not known", reason=error.detail)
            return Remembered(rules, complete=False)
        return Remembered([*rules, *((_session(each), each) for each in sessions)], complete=True)

    async def _sessions(self) -> list[ApprovalRecord]:
        """What was approved for a session that goes on, newest first. Raises as the engine."""
        engine = self._manager.engine
        loaded = set(await engine.control.loaded())
        found = await self._log.remembered(FOR_SESSION)
        since = self._manager.core_since_ms or engine.started_ms
        return [
            record
            for record in found
            if record.thread_id in loaded
            and record.resolution is not None
            and record.resolution.at_ms > max(since, await self._unloaded(record))
        ]

    async def _unloaded(self, record: ApprovalRecord) -> int:
        """When the thread that it was approved in was last unloaded."""
        conversation = await self._log.conversation(record.conversation_id)
        return 0 if conversation is None else conversation.unloaded_ms

    async def remove(self, rule_id: str, caller: Caller) -> Removed:
        """Take a rule back. Raises `RuleNotFound`, `RuleNotRemovable`, `RulesUnusable`; of what
        holds for a session also as the engine."""
        approval = await self._log.approval(rule_id)
        if approval is not None:
            removed = await self._end_session(approval)
        else:
            rule = await asyncio.to_thread(self.files.remove, rule_id)
            removed = await self._forget(rule)
        rule = removed.rule
        log.info("a rule was removed", file=rule.file, text=rule.text, by=caller.name)
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

    async def _end_session(self, approval: ApprovalRecord) -> Removed:
        """Have the thread loaded anew that an approval holds for, and all else that holds for its
        session go with it."""
        if all(each.id != approval.id for each in await self._sessions()):
            raise RuleNotFound("This approval holds for no session any more.")
        entry = await self._manager.get(approval.conversation_id)
        if approval.thread_id != entry.conversation.record.thread_id:
            raise RuleNotRemovable("It holds for an agent that a turn started, and ends with it.")
        done, here = await reload(self._manager, entry), [approval.conversation_id]
        rule, at_ms = _session(approval), now_ms()
        if done:
            return Removed(rule, at_ms, "none", here, [])
        return Removed(rule, at_ms, "some", [], here)

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


def _session(record: ApprovalRecord) -> Rule:
    """What was approved for a session, in words of the core's question."""
    request: Any = msgspec.json.decode(record.request)
    words = (request.get(name) for name in ("command", "message", "reason"))
    text = next((word for word in words if isinstance(word, str)), record.kind)
    return Rule(record.id, "session", None, (), text[:TEXT], decision="allow")


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
