"""The login: asked of a running server, else read from auth.json, without its tokens.

Never renews anything: whoever redeems a refresh token signs the others out.
"""

from __future__ import annotations

import base64
import json
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast

from codex_http_server.clock import rfc3339
from codex_http_server.doctor.case import Case, get
from codex_http_server.doctor.provider import Endpoint, endpoint
from codex_http_server.doctor.results import Result, fail, ok, skip, warn
from codex_http_server.engine.lock import read_json

SIGN_IN: Final = "Sign in with `codex login`, on this home."
CLAIMS: Final = "https://api.openai.com/auth"  # of ChatGPT's tokens

Json = dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """What auth.json says, without secrets. `ends`: of the access token, seconds since 1970."""

    mode: Literal["chatgpt", "apikey", "other"]
    email: str | None = None
    plan: str | None = None
    ends: float | None = None
    renewable: bool = False


def login(case: Case) -> list[Result]:
    """Is there one, whose, and is it good?"""
    if case.running and case.running.health:
        status, body = get(case.running.url, "/auth/status", 12.0)
        if status == 200 and body is not None:
            return [told(body)]
    provider = endpoint(case)
    if not provider.login:
        return [ok("login", f"the provider {provider.name} needs none")]
    return [_stored(case, provider)]


def told(status: Mapping[str, Any]) -> Result:
    """What a running server's /auth/status comes to."""
    who = _who(status.get("auth_mode"), status.get("email"), status.get("plan_type"))
    if status.get("authenticated"):
        return ok("login", f"{who}, says the server")
    if not status.get("requires_login"):
        return ok("login", "the provider needs none, says the server")
    reason = status.get("reason") or "not_signed_in"
    detail = f": {status['detail']}" if status.get("detail") else ""
    return fail("login", f"Not signed in ({reason}{detail}).", SIGN_IN)


def _stored(case: Case, provider: Endpoint) -> Result:
    path = case.places.home / "auth.json"
    store = case.config.text("cli_auth_credentials_store")
    if store in ("keyring", "auto") and not path.exists():
        return skip("login", "It is in the system's keyring: start the server to see it.")
    stored = read_auth(path)
    if stored is None:
        needs = f"The provider {provider.name} needs a login, and there is none"
        return fail("login", f"{needs} ({path}).", SIGN_IN)
    found = judge(stored, time.time())
    mode = path.stat().st_mode
    if found.status == "ok" and mode & 0o077:
        shown = f"{path} can be read by other users ({stat.filemode(mode)})."
        return warn("login", f"{found.found}, but {shown}", f"chmod 600 {path}")
    return found


def judge(stored: Stored, now: float) -> Result:
    """What a stored login is worth at this time."""
    who = _who(stored.mode, stored.email, stored.plan)
    if stored.ends is None:
        return ok("login", who)
    ends = rfc3339(int(stored.ends * 1000))
    if stored.ends > now:
        return ok("login", f"{who}; its access token is good until {ends}")
    found = f"{who}; its access token ended at {ends}"
    if not stored.renewable:
        return fail("login", f"{found}, and there is nothing to renew it with.", SIGN_IN)
    advice = "The core renews it with the next message. If a turn says 401: sign in again."
    return warn("login", f"{found}.", advice)


def _who(mode: Any, email: Any, plan: Any) -> str:
    if mode == "apikey":
        return "signed in with an API key"
    name = {"chatgpt": "ChatGPT"}.get(str(mode), str(mode))
    about = ", ".join(str(each) for each in (email, plan) if each)
    return f"signed in with {name}{f' ({about})' if about else ''}"


def read_auth(path: Path) -> Stored | None:
    """What is stored there; None for no login."""
    content = read_json(path)
    if content is None:
        return None
    raw = content.get("tokens")
    tokens = cast("Json", raw) if isinstance(raw, dict) else {}
    if tokens.get("access_token"):
        claims = _claims(tokens.get("id_token"))
        own = claims.get(CLAIMS)
        plan = cast("Json", own).get("chatgpt_plan_type") if isinstance(own, dict) else None
        ends = _claims(tokens["access_token"]).get("exp")
        return Stored(
            "chatgpt",
            _text(claims.get("email")),
            _text(plan),
            float(ends) if isinstance(ends, int | float) else None,
            bool(tokens.get("refresh_token")),
        )
    if content.get("OPENAI_API_KEY"):
        return Stored("apikey")
    mode = content.get("auth_mode")
    return Stored("other") if mode not in (None, "chatgpt", "apikey") else None


def _claims(token: Any) -> Json:
    """The claims of a JSON Web Token, not verified; empty if it is none."""
    try:
        part = str(token).split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, IndexError):
        return {}
    return cast("Json", claims) if isinstance(claims, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
