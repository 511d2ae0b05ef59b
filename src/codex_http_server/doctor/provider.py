"""Which model provider config.toml means, whether it can be reached, and what its clock says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from codex_http_server.doctor.case import Case
from codex_http_server.doctor.network import Reached, Unreachable, reach
from codex_http_server.doctor.results import Result, bare, fail, ok, skip, warn
from codex_http_server.engine.environment import may_pass
from codex_http_server.engine.lock import read_json

CHATGPT: Final = "https://chatgpt.com/backend-api/codex"
API: Final = "https://api.openai.com/v1"
ISSUER: Final = "https://auth.openai.com"
ISSUER_ENV: Final = "CODEX_APP_SERVER_LOGIN_ISSUER"  # the core's own
BUILT_IN: Final = {  # without a login
    "ollama": "http://localhost:11434/v1",
    "lmstudio": "http://localhost:1234/v1",
}
APART: Final = 60.0  # seconds between our clock and theirs


@dataclass(frozen=True)
class Endpoint:
    """A provider: its name, its address if that is known here, whether it needs a login."""

    name: str
    url: str | None
    login: bool
    key: str | None = None  # the variable that holds its key


def endpoint(case: Case) -> Endpoint:
    """The provider that config.toml chooses."""
    name = case.config.text("model_provider") or "openai"
    own = case.config.table("model_providers", name)
    url, key = own.get("base_url"), own.get("env_key")
    if name == "openai":
        url = case.config.text("openai_base_url")
        return Endpoint(name, url or _official(case), login=True)
    if not own:
        return Endpoint(name, BUILT_IN.get(name), login=False)
    login = own.get("requires_openai_auth") is True
    known = url if isinstance(url, str) else _official(case)
    return Endpoint(name, known, login, key if isinstance(key, str) else None)


def _official(case: Case) -> str:
    """ChatGPT's address, unless the login is an API key."""
    stored = read_json(case.places.home / "auth.json") or {}
    return API if stored.get("OPENAI_API_KEY") and not stored.get("tokens") else CHATGPT


def provider(case: Case) -> list[Result]:
    """`provider` and `clock`: one answer serves both."""
    if case.offline:
        return [skip("provider", "offline"), skip("clock", "offline")]
    there = endpoint(case)
    if there.url is None:
        found = f"The address of the provider {there.name} is not known here."
        return [skip("provider", found), skip("clock", "No provider was asked.")]
    try:
        reached = reach(f"{there.url.rstrip('/')}/models", case.environ)
    except Unreachable as error:
        missed = _missed("provider", f"{there.name} at {bare(there.url)}", error)
        return [missed, skip("clock", "No provider answered.")]
    return [_reached(case, there, reached), clock(reached)]


def _missed(name: str, what: str, error: Unreachable) -> Result:
    return fail(name, f"{what} can't be reached: {error.step}: {error.reason}.", error.advice)


def _reached(case: Case, there: Endpoint, reached: Reached) -> Result:
    found = f"{there.name} at {bare(there.url or '')} answers{_via(reached)}"
    if there.key and not case.environ.get(there.key):
        advice = f"Set it for the server and hand it on: --pass-env {there.key}"
        return fail("provider", f"{found}, but its key is missing: {there.key} is not set.", advice)
    if there.key and not may_pass(there.key, case.settings.pass_env):
        advice = f"Start the server with --pass-env {there.key}"
        return fail("provider", f"{found}, but {there.key} is not handed to the core.", advice)
    return ok("provider", found)


def _via(reached: Reached) -> str:
    return f" (through {reached.via})" if reached.via else ""


def clock(reached: Reached) -> Result:
    """Our clock against the provider's: tokens end by the clock."""
    if reached.date is None:
        return skip("clock", "The provider does not say what time it is.")
    apart = reached.at - reached.date
    if abs(apart) > APART:
        way = "ahead of" if apart > 0 else "behind"
        advice = "Set the clock of this machine (NTP): tokens are refused or renewed by it."
        return warn("clock", f"{_span(abs(apart))} {way} the provider's.", advice)
    return ok("clock", "agrees with the provider's")


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def issuer(case: Case) -> list[Result]:
    """`login_service`: where ChatGPT logins come from and are renewed."""
    if case.offline:
        return [skip("login_service", "offline")]
    there = endpoint(case)
    stored = read_json(case.places.home / "auth.json") or {}
    if not there.login or (stored.get("OPENAI_API_KEY") and not stored.get("tokens")):
        return [skip("login_service", "No ChatGPT login is used.")]
    url = case.environ.get(ISSUER_ENV) or ISSUER
    try:
        reached = reach(url, case.environ)
    except Unreachable as error:
        return [_missed("login_service", bare(url), error)]
    return [ok("login_service", f"{bare(url)} answers{_via(reached)}")]
