"""Answers about the login."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from codex_http_server.api.schemas.base import Answer
from codex_http_server.api.schemas.server import CoreView, NeighbourView


class AuthStatus(Answer):
    """Who the core is signed in as. `authenticated` is false where it would not get through, and
    `reason` says why: `not_signed_in`, `expired`, `refresh_refused`, `revoked`, `key_refused`,
    `wrong_workspace`, `wrong_method`, `provider_needs_no_login`, `account_unreadable`. `email`
    and `plan_type` are then of the login that does not work, if there is one."""

    authenticated: bool
    auth_mode: str | None
    email: str | None
    plan_type: str | None
    requires_login: bool
    reason: str | None
    detail: str | None = Field(description="What is wrong, in a sentence.")
    hint: str | None = Field(description="What to do.")
    stale: bool = Field(
        description="Whether the core holds another login than `auth.json`, and is Codex's own"
        " daemon, which this server does not start anew."
    )
    core: CoreView | None = None
    login: str | None = Field(description="The login that is pending, by its id.")
    also_using_home: list[NeighbourView] = Field(default=[])


class LoginError(Answer):
    """Why a login did not succeed."""

    code: str
    detail: str
    hint: str | None


class LoginView(Answer):
    """A login. While it is `pending` a person has to do something: open `url`, and type
    `user_code` there if it is not null."""

    id: str
    method: Literal["browser", "device_code", "api_key"]
    state: Literal["pending", "succeeded", "failed", "cancelled", "expired"]
    url: str | None
    user_code: str | None
    created_at: str
    expires_at: str
    ended_at: str | None
    error: LoginError | None
    note: str | None = Field(description="What to do with it, in a sentence.")
