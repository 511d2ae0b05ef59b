"""Answers about tokens, minutes and money."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from codex_http_server.api.schemas.base import Answer


class RateLimit(Answer):
    """One window of one limit of the account."""

    limit_id: str | None
    limit_name: str | None
    window: Literal["primary", "secondary"]
    used_percent: int | None
    window_minutes: int | None
    resets_at: str | None
    reached: str | None = Field(description="Why nothing is left, in the core's words.")


class Credits(Answer):
    """What is paid for beside the plan."""

    has_credits: bool | None
    unlimited: bool | None
    balance: str | None


class TokenCounts(Answer):
    """Tokens by kind: `cached_input` is part of `input`, `reasoning_output` of `output`."""

    input: int
    cached_input: int
    cache_write_input: int
    output: int
    reasoning_output: int
    total: int


class SpentView(TokenCounts):
    """What turns took: how many, how long, their tokens. Running ones are in it."""

    turns: int
    minutes: float


class CallerSpent(SpentView):
    """What the turns of one caller took today."""

    caller: str


class ConversationSpentView(SpentView):
    """What a conversation's turns took that have ended."""

    conversation_id: str
    last_turn_at: str


class ServerTokens(Answer):
    """What turns of this server took: ever, and today (UTC)."""

    total: SpentView
    today: SpentView


class QuotaView(Answer):
    """A limit that the server's owner has set, and what is used of it: by this caller, today or
    in this conversation. `used` is null where the quota is each conversation's own."""

    quota: str
    limit: float
    used: float | None
    resets_at: str | None


class CoreUsage(Answer):
    """The core's own answers to `account/rateLimits/read` and `account/usage/read`, unchanged."""

    rate_limits: dict[str, Any] | None
    token_usage: dict[str, Any] | None
    token_usage_reason: str | None


class Usage(Answer):
    """What is left and what was used. `reason` says why the rate limits can't be read:
    `not_signed_in`, `api_key`, `provider_needs_no_login`, `unreadable` (the backend refused),
    `core_unavailable`. `stale`: they are shown, but are older than a minute."""

    rate_limits: list[RateLimit]
    credits: Credits | None
    plan_type: str | None
    fetched_at: str | None
    stale: bool
    reason: str | None
    tokens: ServerTokens
    callers: list[CallerSpent]
    quotas: list[QuotaView]
    conversations: list[ConversationSpentView] | None
    core: CoreUsage


class TurnSpent(Answer):
    """What one turn took. `caller` is whose message started it, `core` where none did. `usage`:
    its tokens were `reported` while it ran, there were `none`, they are `unknown` (nobody was
    connected to the core for a part of it) or came `late` (from the core's total afterwards)."""

    turn_id: str
    caller: str
    status: str
    started_at: str
    ended_at: str | None
    minutes: float
    tokens: TokenCounts
    usage: Literal["reported", "none", "unknown", "late"]
    reverted: bool = Field(description="It was taken back since; what it took was spent.")


class ContextView(Answer):
    """How full the model's context is, in tokens."""

    window: int
    used: int
    left: int


class ConversationUsage(Answer):
    """What a conversation took: in all, its running turns, its ended turns newest first (go on
    with `before=next_before`), and the core's newest token report, unchanged."""

    conversation_id: str
    tokens: SpentView
    context: ContextView | None
    running: list[TurnSpent]
    turns: list[TurnSpent]
    next_before: str | None
    quotas: list[QuotaView]
    core: dict[str, Any] | None
