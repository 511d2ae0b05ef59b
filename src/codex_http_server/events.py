"""What happened: the envelope of every event, and its one rendering.

The envelope is ours and stable; `data` is the core's own JSON, kept byte for byte. Owns the
names of the events that this server makes. Knows neither log nor HTTP.
"""

from __future__ import annotations

from typing import Final

import msgspec

from codex_http_server.clock import rfc3339

RAW_EMPTY: Final = msgspec.Raw(b"{}")

# --- events in the core's own names that this server looks at ----------------------------

TURN_STARTED: Final = "turn/started"
TURN_COMPLETED: Final = "turn/completed"
TURN_DIFF: Final = "turn/diff/updated"
TURN_PLAN: Final = "turn/plan/updated"
ITEM_STARTED: Final = "item/started"
ITEM_COMPLETED: Final = "item/completed"
USAGE: Final = "thread/tokenUsage/updated"
THREAD_STARTED: Final = "thread/started"
THREAD_STATUS: Final = "thread/status/changed"
THREAD_CLOSED: Final = "thread/closed"
THREAD_ARCHIVED: Final = "thread/archived"
THREAD_UNARCHIVED: Final = "thread/unarchived"
THREAD_REVERTED: Final = "thread/reverted"
THREAD_NAME: Final = "thread/name/updated"
RATE_LIMITS: Final = "account/rateLimits/updated"
ACCOUNT_UPDATED: Final = "account/updated"
LOGIN_COMPLETED: Final = "account/login/completed"
ERROR: Final = "error"
REQUEST_RESOLVED: Final = "serverRequest/resolved"

DELTA_OF: Final[dict[str, str]] = {  # what type of item a delta belongs to
    "item/agentMessage/delta": "agentMessage",
    "item/plan/delta": "plan",
    "item/reasoning/summaryTextDelta": "reasoning",
    "item/reasoning/textDelta": "reasoning",
    "item/commandExecution/outputDelta": "commandExecution",
    "item/fileChange/outputDelta": "fileChange",
}
TEXT_DELTAS: Final = frozenset(DELTA_OF)

# --- events that this server makes ---------------------------------------------------------

ITEM_DISCARDED: Final = "item/discarded"
ITEM_GAP: Final = "item/gap"
TURN_STALLED: Final = "turn/stalled"
TURN_CLEARED: Final = "turn/cleared"
QUOTA_EXCEEDED: Final = "quota/exceeded"
APPROVAL_REQUESTED: Final = "approval/requested"
APPROVAL_RESOLVED: Final = "approval/resolved"
QUEUE_CHANGED: Final = "queue/changed"
AUTH_REQUIRED: Final = "auth/required"
CONVERSATION_UPDATED: Final = "conversation/updated"
CONVERSATION_REVERTED: Final = "conversation/reverted"
CONVERSATION_DELETED: Final = "conversation/deleted"
FEED_RESET: Final = "feed/reset"
CORE_STATE: Final = "core/state"
RULES_CHANGED: Final = "rules/changed"
MESSAGE_REMOVED: Final = "message/removed"
HEARTBEAT: Final = "heartbeat"

OURS: Final[dict[str, str]] = {
    ITEM_DISCARDED: (
        "An item that will never be finished. `data`: `{turnId, itemId, reason, item}`; `reason` is"
        " `retried` (the model's stream broke and is tried again), `steered`, `interrupted`,"
        " `failed` (its turn failed), `replaced` (what a reviewer wrote as data; its words come as"
        " another message), `declined` (it was not approved), `core_lost` (the core died,"
        " or no longer knows of it), `reverted` (its turn was taken back) or `expired` (a"
        " background command outlived the server's `item_limit`); `item` is its last form with all"
        " text so far. Drop it from view, or show it as broken off."
    ),
    ITEM_GAP: (
        "Deltas of an open item are missing here. `data`: `{turnId, itemId, reason}`; `reason`"
        " is `not_connected` (the core went on while nobody heard it) or `log_full` (the disk"
        " did not keep up). The item's end mends it: a finished message has its whole text."
    ),
    TURN_STALLED: (
        "A turn that waits for the model gave no sign for longer than `turn_silence` and is being"
        " interrupted. `data`: `{turnId, silent_seconds}`."
    ),
    TURN_CLEARED: (
        "What an interrupted turn left has been ended; not told where it left nothing. `data`:"
        " `{turnId, commands, processes}`; `commands` are those that still ran"
        " (`{itemId, command}`), `processes` those that had"
        " left their commands (`{pid, itemId, command, how}`): `how` is `terminated` (it ended when"
        " asked to), `killed` (it did not, within `interrupt_grace`) or `left` (of a core that was"
        " joined, or not to be killed). With `problem` the core could not be asked, and they may"
        " go on."
    ),
    QUOTA_EXCEEDED: (
        "The running turn passed a quota and is being interrupted. `data`: `{turnId, quota, limit,"
        " used, resets_at}`; `quota` is the setting's word, such as `day.tokens`."
    ),
    APPROVAL_REQUESTED: (
        "The core asks for a decision. `data`: `{approval_id, kind, method, request, diff,"
        " decisions, default, deadline_at}`; `request` is the core's own, `decisions` what can be"
        " answered, `default` what is answered at `deadline_at`."
    ),
    APPROVAL_RESOLVED: (
        "The question has ended, once. `data`: `{approval_id, decision, answer, by, reason, at}`;"
        " `by` is the caller who answered, `client` (another client of the core), `server` or"
        " `core_lost`; `reason` is `answered`, `answered_elsewhere`, `while_not_connected`,"
        " `expired`, `interrupted`, `turn_ended`, `core_lost`, `server_stopped`, `unknown_method`"
        " or `no_conversation`. `decision` is null where nobody here decided."
    ),
    QUEUE_CHANGED: (
        "The messages waiting in this conversation have changed. `data`: `{reason, submit_ids,"
        " removed, put: [{at, message}], order, length}`. To follow: take out what `removed` and"
        " `put` name, put each of `put` in at its place `at` (they rise), and where there is an"
        " `order` (of all ids), sort by it; then `length` wait. `reason` is `added`, `started`,"
        " `steered`, `edited`, `removed`, `reordered`, `cleared`, `failed`, `restored`,"
        " `waiting_for_login`, `signed_in`, `quota` (the first message waits for room in a quota),"
        " `held` (all was stopped) or `resumed`; with `failed`, `error` says why the message was"
        " given up, and `waits` of the first message says for what it waits."
    ),
    AUTH_REQUIRED: (
        "Somebody has to sign in. `data`: `{turnId, code, http_status, detail, hint, resend,"
        " submit_ids}`; `code` is a reason of `/auth/status`, `http_status` the answer of the"
        " model's provider. `resend`: the messages wait and are sent once after a login; else the"
        " turn had already done something, or no login can help, and they are not sent again. It"
        " is over when the turn goes on after all, or with the next `account/updated`."
    ),
    CONVERSATION_UPDATED: (
        "Title, model, policy or thread changed, or it was archived or taken back from there."
        " `data`: the conversation."
    ),
    CONVERSATION_REVERTED: (
        "Turns were taken back: the model knows nothing of them any more. `data`:"
        " `{before_turn_id, turn_ids, from_seq, by}`; `turn_ids` oldest first, `from_seq` the seq"
        " of the first one's start, `by` the caller or `client` (another client of the core). Drop"
        " these turns and their items from view. Their events stay in the log; pages, snapshots and"
        " diffs are without them. Files are as the turns left them."
    ),
    CONVERSATION_DELETED: (
        "The conversation was deleted: this is its last event, and all that is left of it here;"
        " streams of it end with it. `data`: `{conversation_id, by, codex}`; `by` is the caller,"
        " `codex` says what became of Codex's own copy: `deleted`, `kept` or `none`."
    ),
    FEED_RESET: (
        "The cursor does not belong to this log: forget what you have, read `snapshot`, and go"
        " on from here. `data`: `{reason, head, log_id, snapshot}`; sent without an id."
    ),
    RULES_CHANGED: (
        "A rule was taken back, on `/events`. `data`: `{reason, rule, by, at, held_by}`; `reason`"
        " is `removed`, `rule` its id, kind, file and text, `held_by` the conversations that go by"
        " it until they are loaded anew. A rule that was added: see `approval/resolved`."
    ),
    CORE_STATE: (
        "The Codex core changed state. `data`: `{state, version, reason}`. Logged once, on"
        " `/events`; on a conversation's stream it is a frame without an id."
    ),
    MESSAGE_REMOVED: (
        "The last frame of a streaming answer whose message never got a turn: it was taken out"
        " of the queue, or the core refused it. `data`: the message. Without an id, not kept."
    ),
    HEARTBEAT: "Nothing happened; sent with `?heartbeat=` only. Without an id, not kept.",
}


ENVELOPE: Final[dict[str, str]] = {
    "seq": "Number in the conversation and SSE id of its stream. It rises, with holes, and is"
    " never used twice. Absent where `conversation_id` is null.",
    "position": "Opaque place in the whole log, SSE id of `/events`.",
    "conversation_id": "Null for events of the server and the account.",
    "turn_id": "The turn it belongs to, or null.",
    "item_id": "The item it belongs to, or null. Unique only within its turn.",
    "type": "What happened.",
    "item_type": "On events about an item: `agentMessage`, `commandExecution`, `fileChange` …",
    "text": "On deltas: the text to append.",
    "status": "How a turn or an item stands: `inProgress`, `completed`, `interrupted`, `failed` …;"
    " on `error`: `retrying` (progress, the core tries again) or `failed`.",
    "synthetic": "Only on events that this server made in the core's stead: the reason. `history`:"
    " it happened while nobody was connected to the core, or in another process, and is told from"
    " what the core keeps."
    " `auth_file`: another program has changed the login of this Codex home.",
    "policy": "Only on `turn/started`: all that the turn runs under.",
    "folded": "Only on the end of an item: how many deltas of it are gone from the log, because"
    " the finished item holds their text (a command's output: its output route).",
    "at": "When this server took it in (RFC 3339); of a turn that another process ran, when it"
    " happened.",
    "core": "Version of the Codex core that made `data`.",
    "data": "What it tells. Of an event of the core: the core's own object, byte for byte; only"
    " from errors and warnings are secrets cut out. It may change with the core's version.",
}


class Draft(msgspec.Struct, gc=False):
    """An event before the log has numbered it."""

    type: str
    data: msgspec.Raw
    at_ms: int
    turn_id: str | None = None
    item_id: str | None = None
    item_type: str | None = None
    text: str | None = None
    status: str | None = None
    synthetic: str | None = None
    policy: msgspec.Raw | None = None


class Event(msgspec.Struct, gc=False):
    """A numbered event. `seq` is 0 where `conversation_id` is null (server and account)."""

    seq: int
    position: int
    conversation_id: str | None
    turn_id: str | None
    item_id: str | None
    type: str
    item_type: str | None
    text: str | None
    status: str | None
    synthetic: str | None
    at_ms: int
    core: str
    data: msgspec.Raw
    log_tag: str
    policy: msgspec.Raw | None = None
    folded: int | None = None
    rendered: bytes | None = None

    def json(self) -> bytes:
        """The event as JSON, rendered once and shared by every reader."""
        if self.rendered is None:
            self.rendered = _ENCODER.encode(_envelope(self))
        return self.rendered

    def cursor(self) -> str:
        """The opaque position on the stream of all conversations."""
        return f"{self.log_tag}-{self.position}"


class _Envelope(msgspec.Struct, omit_defaults=True, gc=False):
    seq: int | msgspec.UnsetType
    position: str
    conversation_id: str | None
    turn_id: str | None
    item_id: str | None
    type: str
    at: str
    core: str
    data: msgspec.Raw
    item_type: str | msgspec.UnsetType = msgspec.UNSET
    text: str | msgspec.UnsetType = msgspec.UNSET
    status: str | msgspec.UnsetType = msgspec.UNSET
    synthetic: str | msgspec.UnsetType = msgspec.UNSET
    policy: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    folded: int | msgspec.UnsetType = msgspec.UNSET


_ENCODER = msgspec.json.Encoder()


_UNSET = msgspec.UNSET


def _envelope(event: Event) -> _Envelope:
    """By position, in the order of `_Envelope`: one event is rendered for every delta."""
    uid, item_type, text, status = event.conversation_id, event.item_type, event.text, event.status
    synthetic, policy, folded = event.synthetic, event.policy, event.folded
    return _Envelope(
        _UNSET if uid is None else event.seq,
        event.cursor(),
        uid,
        event.turn_id,
        event.item_id,
        event.type,
        rfc3339(event.at_ms),
        event.core,
        event.data,
        _UNSET if item_type is None else item_type,
        _UNSET if text is None else text,
        _UNSET if status is None else status,
        _UNSET if synthetic is None else synthetic,
        _UNSET if policy is None else policy,
        _UNSET if folded is None else folded,
    )


def raw(value: object) -> msgspec.Raw:
    """Any JSON value as the raw bytes that a draft's `data` takes."""
    return msgspec.Raw(_ENCODER.encode(value))


def transient(kind: str, data: object, *, at_ms: int, core: str = "") -> bytes:
    """The JSON of a frame that is not in the log and so has neither seq nor position."""
    body = {"type": kind, "conversation_id": None, "at": rfc3339(at_ms), "core": core, "data": data}
    return _ENCODER.encode(body)
