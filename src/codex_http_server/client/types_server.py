"""What belongs to the server and its account, as the server shows it.

Owns shapes only.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from codex_http_server.client.types import Json
from codex_http_server.client.types_history import Quota, Spent

LoginMethod = Literal["browser", "device_code", "api_key"]


class Core(TypedDict):
    """The Codex core: its state and version. `joined`: it is Codex's own daemon."""

    state: Literal["starting", "ready", "restarting", "stopped", "failed"]
    version: str | None
    reason: str | None
    joined: bool
    pid: int | None


class Health(TypedDict):
    """The server answers. `core` is None for a caller that may not read."""

    status: Literal["ok"]
    version: str
    core: Core | None


class Ready(TypedDict):
    """Whether a message would be accepted now, and if not, why."""

    ready: bool
    reasons: list[str]
    notes: list[str]
    core: Core


class AuthStatus(TypedDict):
    """Who the core is signed in as; if it would not get through, why, and what to do."""

    authenticated: bool
    auth_mode: str | None
    email: str | None
    plan_type: str | None
    requires_login: bool
    reason: str | None
    detail: str | None
    hint: str | None
    stale: bool
    core: Core | None
    login: str | None
    also_using_home: list[Json]


class LoginError(TypedDict):
    """Why a login did not succeed."""

    code: str
    detail: str
    hint: str | None


class LoginInfo(TypedDict):
    """A login. While it is `pending` a person opens `url`, and types `user_code` there."""

    id: str
    method: LoginMethod
    state: Literal["pending", "succeeded", "failed", "cancelled", "expired"]
    url: str | None
    user_code: str | None
    created_at: str
    expires_at: str
    ended_at: str | None
    error: LoginError | None
    note: str | None


class UsageOptions(TypedDict, total=False):
    """`refresh`: ask the account's backend now; `by`: list the costliest conversations too."""

    refresh: bool
    by: Literal["conversation"]
    limit: int


class ServerTokens(TypedDict):
    """What turns of this server took: ever, and today (UTC)."""

    total: Spent
    today: Spent


class Usage(TypedDict):
    """Rate limits, what this server's turns took, and quotas. `reason`: why there are no limits."""

    rate_limits: list[Json]
    credits: Json | None
    plan_type: str | None
    fetched_at: str | None
    stale: bool
    reason: str | None
    tokens: ServerTokens
    callers: list[Json]
    quotas: list[Quota]
    conversations: list[Json] | None
    core: Json


class InterruptedAll(TypedDict):
    """The conversations whose running turn was asked to end, and what was stopped in each."""

    conversations: list[str]
    stopped: list[Json]
