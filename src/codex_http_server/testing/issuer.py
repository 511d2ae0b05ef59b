"""A login issuer and ChatGPT backend on loopback: what core 0.163 signs in with in tests.

It answers what the core asks of auth.openai.com and of chatgpt.com/backend-api: browser login
with PKCE, device login, refresh with rotation, revocation, the account and its limits. It runs in
a thread of its own, so tests of any kind can use it with a plain `with`. Its books are `ledger`,
its secrets `tokens`, its backend `chatgpt`; this file is the login and the switches.

A core is pointed at it by `environment()` (variables that the release binary honours, measured)
and by `config()` in its config.toml.
"""

import asyncio
import itertools
import json
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from codex_http_server.testing.chatgpt import Backend, bearer, refusal
from codex_http_server.testing.core_config import Setting
from codex_http_server.testing.ledger import Ledger, Refused, Tokens
from codex_http_server.testing.serving import Serving
from codex_http_server.testing.tokens import Person, encode, secrets_of

Form: TypeAlias = Mapping[str, str]
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"  # the core's own
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 # no secret


@dataclass
class Trouble:
    """What an endpoint does instead of its work: wait, then answer with `status` if given."""

    status: int | None = None
    delay: float = 0.0
    body: str = '{"error":{"message":"the issuer is in trouble"}}'


@dataclass
class _Code:
    """An authorization code that was given out and not yet redeemed."""

    person: Person
    redirect_uri: str
    challenge: str


@dataclass
class _Device:
    """A device login; `person` once somebody has approved it."""

    auth_id: str
    person: Person | None = None
    denied: bool = False


class Issuer:
    """The issuer. Its switches may be turned while it runs, by any thread.

    - `person`: who signs in next in the browser; `authorize`: what the browser's page does:
      `allow`, `deny` (comes back with an error), `wrong_state`, `wrong_code`, `no_code`.
    - `approve_next_device`: `person` says yes to the next device login without being asked.
    - `ledger.access_seconds`, `ledger.expire_access()`, `ledger.revoke_all()`.
    - `refuse_refresh`: a code (`refresh_token_expired`, `refresh_token_reused`,
      `refresh_token_invalidated`) that every refresh is refused with.
    - `trouble`: by endpoint, `authorize`, `token` (login), `refresh`, `usercode`, `device_token`,
      `revoke`, `accounts`, `usage`, `profile`.
    - `backend.used_percent`: what is used up of the limits.

    `calls` counts requests by endpoint; `log` names every request, without its secrets.
    """

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.backend = Backend(self.ledger)
        self.person = Person()
        self.authorize = "allow"
        self.refuse_refresh: str | None = None
        self.trouble: dict[str, Trouble] = {}
        self.device_interval = 1
        self.approve_next_device = False
        self.calls: Counter[str] = Counter()
        self.log: list[str] = []
        self._codes: dict[str, _Code] = {}
        self._devices: dict[str, _Device] = {}
        self._new_code = secrets_of("ac")
        self._new_device = secrets_of("dev")
        self._user_codes = map("WXYZ-{:05d}".format, itertools.count(1))
        self._serving = Serving(self._routes(), "login-issuer")

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._serving.url

    def __enter__(self) -> "Issuer":
        """Listen on a free port of 127.0.0.1."""
        self._serving.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End the thread."""
        self._serving.close()

    # --- what a test does with it ---------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """The variables that point a core (and the Codex CLI) here."""
        return {
            "CODEX_APP_SERVER_LOGIN_ISSUER": self.url,
            "CODEX_REFRESH_TOKEN_URL_OVERRIDE": f"{self.url}/oauth/token",
            "CODEX_REVOKE_TOKEN_URL_OVERRIDE": f"{self.url}/oauth/revoke",
        }

    def config(self) -> dict[str, Setting]:
        """What the core's config.toml needs: overrides for `Provider.config`."""
        return {"requires_openai_auth": True, "chatgpt_base_url": f"{self.url}/backend-api/"}

    def authorise(self, headers: Mapping[str, str]) -> int | None:
        """For `Provider(authorise=…)`: 401 unless the Authorization header is good now."""
        return None if self.ledger.good(bearer(headers)) else 401

    def write_login(
        self, home: Path, person: Person | None = None, expires_in: float | None = None
    ) -> Tokens:
        """Sign a home in, as an earlier login would have left it."""
        who = person or self.person
        tokens = self.ledger.sign_in(who, expires_in)
        kept = {
            "id_token": tokens.id,
            "access_token": tokens.access,
            "refresh_token": tokens.refresh,
            "account_id": who.account,
        }
        body = {
            "auth_mode": "chatgpt",
            "OPENAI_API_KEY": None,
            "tokens": kept,
            "last_refresh": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        path = home / "auth.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(body))
        return tokens

    def browse(self, auth_url: str, *, follow: bool = True) -> tuple[int, str]:
        """Be the browser: open the page, sign in, follow the redirects. Status and last URL.

        With `follow` False it stops before the callback: its address is what a person on another
        machine would copy out of the browser.
        """
        handlers = [urllib.request.ProxyHandler({})] + ([] if follow else [_Stay()])
        opener = urllib.request.build_opener(*handlers)
        try:
            with opener.open(auth_url, timeout=10) as answer:
                return answer.status, answer.headers.get("location") or answer.url
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers.get("location") or str(error.url)

    def approve_device(self, user_code: str, person: Person | None = None) -> None:
        """The person has typed the code at the verification page and said yes."""
        self._devices[user_code].person = person or self.person

    def deny_device(self, user_code: str) -> None:
        """The person has said no."""
        self._devices[user_code].denied = True

    # --- routes ---------------------------------------------------------------------------------

    def _routes(self) -> list[Route]:
        account = "/api/accounts/deviceauth"
        table: list[tuple[str, str, str, Endpoint]] = [
            ("GET", "/oauth/authorize", "authorize", self._authorize),
            ("POST", "/oauth/token", "token", self._token),
            ("POST", "/oauth/revoke", "revoke", self._revoke),
            ("POST", f"{account}/usercode", "usercode", self._usercode),
            ("POST", f"{account}/token", "device_token", self._device_token),
            ("GET", "/codex/device", "device_page", self._device_page),
            ("GET", "/backend-api/wham/accounts/check", "accounts", self.backend.accounts),
            ("GET", "/backend-api/wham/usage", "usage", self.backend.usage),
            ("GET", "/backend-api/wham/profiles/me", "profile", self.backend.profile),
        ]
        made = [Route(path, self._entry(name, do), methods=[m]) for m, path, name, do in table]
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return [*made, Route("/{path:path}", self._entry("other", _not_found), methods=methods)]

    def _entry(self, name: str, do: Endpoint) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            called = name
            if name == "token" and (await _form(request)).get("grant_type") == "refresh_token":
                called = "refresh"
            self.calls[called] += 1
            self.log.append(f"{request.method} {request.url.path}")
            trouble = self.trouble.get(called, Trouble())
            await asyncio.sleep(trouble.delay)
            if trouble.status is not None:
                return Response(trouble.body, trouble.status, media_type="application/json")
            return await do(request)

        return endpoint

    # --- the issuer -----------------------------------------------------------------------------

    async def _authorize(self, request: Request) -> Response:
        asked = request.query_params
        if asked.get("client_id") != CLIENT_ID or asked.get("code_challenge_method") != "S256":
            return HTMLResponse("not a request of Codex", 400)
        code = next(self._new_code)
        challenge = asked["code_challenge"]
        self._codes[code] = _Code(self.person, asked["redirect_uri"], challenge)
        answer = {"code": code, "state": asked["state"]}
        if self.authorize == "deny":
            answer = {"error": "access_denied", "state": asked["state"]}
        elif self.authorize == "wrong_state":
            answer["state"] = "another-state"
        elif self.authorize == "wrong_code":
            answer["code"] = next(self._new_code)
        elif self.authorize == "no_code":
            del answer["code"]
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 302)

    async def _token(self, request: Request) -> Response:
        form = await _form(request)
        try:
            match form.get("grant_type"):
                case "authorization_code":
                    return JSONResponse(self._redeem(form).json())
                case "refresh_token":
                    return JSONResponse(self._refresh(form).json())
                case kind if kind == TOKEN_EXCHANGE:
                    return JSONResponse({"access_token": self.ledger.new_key()})
                case _:
                    return refusal("unsupported_grant_type", 400)
        except Refused as refused:
            return refusal(refused.code, 401 if refused.code.startswith("refresh") else 400)

    def _redeem(self, form: Form) -> Tokens:
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or form.get("redirect_uri") != code.redirect_uri:
            raise Refused("invalid_grant")
        if encode(sha256(form.get("code_verifier", "").encode()).digest()) != code.challenge:
            raise Refused("invalid_grant")
        return self.ledger.sign_in(code.person)

    def _refresh(self, form: Form) -> Tokens:
        if self.refuse_refresh is not None:
            raise Refused(self.refuse_refresh)
        return self.ledger.refresh(form.get("refresh_token", ""))

    async def _revoke(self, request: Request) -> Response:
        form = await _form(request)
        self.ledger.revoke(form.get("token", ""))
        return JSONResponse({})

    async def _usercode(self, _: Request) -> Response:
        user_code = next(self._user_codes)
        person = self.person if self.approve_next_device else None
        self.approve_next_device = False
        device = self._devices[user_code] = _Device(next(self._new_device), person)
        return JSONResponse(
            {
                "device_auth_id": device.auth_id,
                "user_code": user_code,
                "interval": str(self.device_interval),
            }
        )

    async def _device_token(self, request: Request) -> Response:
        form = await _form(request)
        device = self._devices.get(form.get("user_code", ""))
        if device is None or device.auth_id != form.get("device_auth_id") or device.denied:
            return refusal("access_denied", 400)
        if device.person is None:
            return refusal("authorization_pending", 403)
        verifier, code = encode(device.auth_id.encode()), next(self._new_code)
        challenge = encode(sha256(verifier.encode()).digest())
        redirect = f"{self.url}/deviceauth/callback"
        self._codes[code] = _Code(device.person, redirect, challenge)
        return JSONResponse(
            {"authorization_code": code, "code_challenge": challenge, "code_verifier": verifier}
        )

    async def _device_page(self, _: Request) -> Response:
        return HTMLResponse("<p>Type the code that your device shows.</p>")


class _Stay(urllib.request.HTTPRedirectHandler):
    """Redirects are not followed."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


async def _form(request: Request) -> Form:
    """The body, a form or JSON: the core uses both."""
    body = await request.body()
    if request.headers.get("content-type", "").startswith("application/json"):
        return {name: str(value) for name, value in json.loads(body).items()}
    return dict(parse_qsl(body.decode()))


async def _not_found(_: Request) -> Response:
    return JSONResponse({"error": {"message": "not found"}}, 404)
