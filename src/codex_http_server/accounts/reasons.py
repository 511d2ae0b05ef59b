"""Why the core would not get through, in words of this product. Pure.

Owns the reason codes of /auth/status and the reading of the core's own sentences. What is known
comes from three places: the core's answer to `account/read`, `auth.json`, and what a turn saw
last (`Refusal`): a core whose refresh token was refused says of itself that nobody is signed in
(measured), so the file and the refusal tell why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from codex_http_server.accounts.authfile import AuthFile
from codex_http_server.engine.base import Account, LoginRules

NOT_SIGNED_IN: Final = "not_signed_in"
EXPIRED: Final = "expired"
REFRESH_REFUSED: Final = "refresh_refused"
REVOKED: Final = "revoked"
KEY_REFUSED: Final = "key_refused"
WRONG_WORKSPACE: Final = "wrong_workspace"
WRONG_METHOD: Final = "wrong_method"
NEEDS_NO_LOGIN: Final = "provider_needs_no_login"
UNREADABLE: Final = "account_unreadable"

_SIGN_IN: Final = (
    "POST /auth/login, `codex-http-server login`, or `codex login` on the same Codex home."
)
HINTS: Final = MappingProxyType(
    {
        NOT_SIGNED_IN: f"Sign in: {_SIGN_IN}",
        EXPIRED: f"Sign in again: {_SIGN_IN}",
        REFRESH_REFUSED: f"Sign in again: {_SIGN_IN} If it happens again, another program uses a"
        " copy of this login.",
        REVOKED: f"Sign in again: {_SIGN_IN}",
        KEY_REFUSED: "Sign in with another API key, or with ChatGPT: POST /auth/login.",
        WRONG_WORKSPACE: "Sign in with an account of the workspace that the configuration of Codex"
        " demands (forced_chatgpt_workspace_id): POST /auth/login.",
        WRONG_METHOD: "Sign in in the way that the configuration of Codex demands"
        " (forced_login_method): POST /auth/login.",
        NEEDS_NO_LOGIN: None,
        UNREADABLE: "Look at the detail; if auth.json is damaged, sign in again.",
    }
)

# What the core says when it could not renew the access token (0.163), and what that means.
_REFUSED_REFRESH: Final = (
    ("has expired", EXPIRED),
    ("already used", REFRESH_REFUSED),
    ("was revoked", REVOKED),
    ("since logged out or signed in", REVOKED),
    ("could not be refreshed", REFRESH_REFUSED),
)
_SECRET: Final = re.compile(r"\b(?:sk-|eyJ|rt[-_.]|ac[-_.])[\w.~+/=-]{6,}")


@dataclass(frozen=True)
class Refusal:
    """What a turn, or the core, was told when it used the login."""

    reason: str
    detail: str


def refused_refresh(message: str) -> str | None:
    """The reason in a sentence of the core about a refused refresh; None if it is none."""
    return next((reason for words, reason in _REFUSED_REFRESH if words in message), None)


def plain(text: str) -> str:
    """Without anything that looks like a key or a token."""
    return _SECRET.sub("[removed]", text)


@dataclass(frozen=True)
class Known:
    """All that is known about the login."""

    account: Account | None  # None: the core could not say
    error: str  # then why
    file: AuthFile
    rules: LoginRules
    refusal: Refusal | None
    renewing: bool  # another program changed auth.json and the core does not know yet
    now: float
    stale: bool = False  # another program changed auth.json, and the core is not ours to start anew


def view(known: Known) -> dict[str, Any]:
    """/auth/status, but for the login that is pending."""
    mode, email, plan = _who(known)
    reason, detail = _why(known)
    account = known.account
    return {
        "authenticated": reason is None,
        "auth_mode": mode,
        "email": email,
        "plan_type": plan,
        "requires_login": account is None or account.requires_login,
        "reason": reason,
        "detail": detail if reason or not known.stale else _STALE,
        "hint": HINTS[reason] if reason and not known.stale else _RESTART if known.stale else None,
        "stale": known.stale,
    }


_STALE: Final = (
    "Another program has changed the login since; the daemon of Codex, whose core this server"
    " uses, goes on with the one that it read."
)
_RESTART: Final = "Start the daemon anew when nothing runs in it: codex app-server daemon restart"


def _who(known: Known) -> tuple[str | None, str | None, str | None]:
    """As the core says; where it has nobody, as the file says: whose login is the broken one."""
    account, file = known.account, known.file
    if account is not None and not account.requires_login:
        return account.auth_mode, account.email, account.plan_type
    if account is not None and account.auth_mode is not None and not known.renewing:
        return account.auth_mode, account.email, account.plan_type
    return file.mode, file.email, file.plan


def _why(known: Known) -> tuple[str | None, str | None]:
    """Reason and detail; None where the core would get through."""
    account, refusal = known.account, known.refusal
    if known.renewing:
        return _why_renewing(known)
    if account is not None and not account.requires_login:
        return NEEDS_NO_LOGIN, "The model provider in the configuration of Codex wants no login."
    if refusal is not None:
        return refusal.reason, refusal.detail
    if account is None:
        if "unauthorized" in known.error:
            return REFRESH_REFUSED, f"ChatGPT does not take this login: {plain(known.error)}."
        return UNREADABLE, plain(known.error)
    return (None, None) if account.auth_mode is not None else _why_nobody(known)


_LATER: Final = "The core takes it in as soon as no turn runs; messages wait until then."


def _why_renewing(known: Known) -> tuple[str | None, str | None]:
    if known.file.state == "present":
        return None, f"Another program has changed the login. {_LATER}"
    if known.file.state == "absent":
        return NOT_SIGNED_IN, f"Another program has signed out. {_LATER}"
    return UNREADABLE, f"Another program has written an auth.json that can't be read. {_LATER}"


def _why_nobody(known: Known) -> tuple[str, str]:
    """Nobody is signed in, says the core; perhaps it only does not take what is there."""
    file, rules = known.file, known.rules
    if file.state == "absent":
        return NOT_SIGNED_IN, "Nobody is signed in on this Codex home."
    if file.state == "unreadable":
        return UNREADABLE, "auth.json in the Codex home can't be read."
    if rules.method and rules.method != {"apikey": "api"}.get(file.mode or "", file.mode):
        return WRONG_METHOD, f"The configuration of Codex allows {_METHODS[rules.method]} only."
    if rules.workspaces and file.account_id not in rules.workspaces:
        return WRONG_WORKSPACE, (
            f"The login is of the workspace {file.account_id}, and the configuration of Codex"
            f" allows {', '.join(rules.workspaces)} only."
        )
    if file.expires_at is not None and file.expires_at < known.now:
        return EXPIRED, "The access token is over and the core could not renew it."
    return (
        REFRESH_REFUSED,
        "The core does not take the login that is stored, or could not renew it.",
    )


_METHODS: Final = {"api": "API keys", "chatgpt": "a login with ChatGPT"}
