"""Logins: each is a thing with an id that waits for a person, and then has ended.

Owns the one that is pending, its end and its time, and the last ones that have ended. The core
does the login itself: it makes the URL, listens for the browser, gets and keeps the tokens. It
has one pending login at most, and drops it without a word when it dies. Before: api. After:
engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from codex_http_server.accounts import callback, failures
from codex_http_server.clock import new_id, now_ms, rfc3339
from codex_http_server.engine.base import Engine, LoginStarted
from codex_http_server.errors import (
    Invalid,
    LoginEnded,
    LoginInProgress,
    LoginNotFound,
    ServerError,
)
from codex_http_server.logs import get_logger

log = get_logger(__name__)

Method = Literal["browser", "device_code", "api_key"]
State = Literal["pending", "succeeded", "failed", "cancelled", "expired"]

KEPT: Final = 16  # logins, the pending one included
LIMITS: Final = {"browser": 600.0, "device_code": 900.0, "api_key": 60.0}  # the core's own
KEY: Final = r"^[!-~]{8,1000}$"  # the shape of an API key; the core takes any text (measured)
AFTER_CALLBACK: Final = 5.0  # seconds for the core's word on a login that was brought its end
NOTES: Final = {
    "browser": "Open the URL in a browser on the machine of this server. From another machine"
    " device_code is better; else paste the address that the browser ends at as callback_url.",
    "device_code": "Open the URL anywhere, sign in and type the code.",
    "api_key": None,
}


@dataclass
class Login:
    """One login. `core_id` is how the core calls it."""

    method: Method
    expires_ms: int
    id: str = field(default_factory=new_id)
    created_ms: int = field(default_factory=now_ms)
    state: State = "pending"
    url: str | None = None
    user_code: str | None = None
    error: dict[str, Any] | None = None
    ended_ms: int | None = None
    core_id: str | None = None
    closing: State | None = None  # how it ends if the core now says that it ended
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def view(self) -> dict[str, Any]:
        """As the routes show it."""
        return {
            "id": self.id,
            "method": self.method,
            "state": self.state,
            "url": self.url,
            "user_code": self.user_code,
            "created_at": rfc3339(self.created_ms),
            "expires_at": rfc3339(self.expires_ms),
            "ended_at": None if self.ended_ms is None else rfc3339(self.ended_ms),
            "error": self.error,
            "note": NOTES[self.method],
        }

    async def wait(self, seconds: float) -> None:
        """Wait for its end, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.ended.wait()


class Logins:
    """The logins of one core. `record` is a file that names the pending one for the next server,
    which may find this core still at it."""

    def __init__(self, engine: Engine, limit: float, record: Path) -> None:
        self._engine = engine
        self._limit = limit
        self._record = record
        self._logins: dict[str, Login] = {}

    @property
    def pending(self) -> Login | None:
        """The one that waits, if any."""
        return next((each for each in self._logins.values() if each.state == "pending"), None)

    def get(self, login_id: str) -> Login:
        """Raises `LoginNotFound`."""
        found = self._logins.get(login_id)
        if found is None:
            raise LoginNotFound(f"There is no login {login_id}; a restart forgets them.")
        return found

    # --- what callers do ------------------------------------------------------------------------

    async def start(self, method: Method, api_key: str | None) -> Login:
        """Begin one; with an API key it has ended when this returns. Raises as the core's answer
        says, and `Invalid`, `LoginInProgress`, `LoginPortTaken`, `LoginIssuerFailed`."""
        if api_key is not None and not re.match(KEY, api_key):
            raise Invalid("api_key: this is not an API key.", errors=[_NO_KEY])
        login = self._begin(method)
        try:
            if api_key is not None:
                await self._engine.use_key(api_key)
                self._end(login, "succeeded")
            else:
                await self._engine.start_login(method, lambda at: self._started(login, at))
        except ServerError as error:
            refused = await failures.translated(error)
            self._end(login, "failed", failures.problem(refused.code, refused.detail, refused.hint))
            raise refused from error
        if login.state != "pending" and login.core_id is not None:  # cancelled meanwhile
            await self._cancel(login.core_id)
        return login

    async def cancel(self, login_id: str) -> Login:
        """End it; nothing if it has ended. Raises `LoginNotFound`."""
        login = self.get(login_id)
        if login.state == "pending":
            await self._close(login, "cancelled")
        return login

    async def bring(self, login_id: str, callback_url: str) -> Login:
        """Take the address that a browser elsewhere ended at. Raises `LoginNotFound`,
        `LoginEnded`, `Invalid`, `LoginStateMismatch`, `CoreUnavailable`."""
        login = self.get(login_id)
        if login.method != "browser":
            raise Invalid("callback_url: only a browser login has one.", errors=[_FIELD])
        if login.state != "pending" or login.url is None:
            raise LoginEnded(f"This login has ended: {login.state}.", hint="Start a new one.")
        redirect = callback.redirect_of(login.url)
        wanted = callback.target(callback_url, redirect)
        await asyncio.to_thread(callback.bring, redirect.port, wanted)
        await login.wait(AFTER_CALLBACK)
        return login

    # --- what happens ---------------------------------------------------------------------------

    def on_completed(self, body: dict[str, Any]) -> None:
        """The core's `account/login/completed`."""
        login = self.pending
        if login is None or login.core_id is None or body.get("loginId") != login.core_id:
            return
        if body.get("success"):
            self._end(login, "succeeded")
        elif login.closing is not None:
            self._end(login, login.closing)
        else:
            self._fail(login, str(body.get("error") or "The core does not say why."))

    def on_lost(self) -> None:
        """The core can't be heard: what it had pending is given up."""
        login = self.pending
        if login is not None and login.core_id is not None:
            error = failures.problem(
                "core_lost", "The core ended during the login.", "Start a new one."
            )
            self._end(login, "failed", error, keep_record=True)

    async def forget_left(self) -> None:
        """End what a core that goes on still has pending from before. Call it when one is heard
        again."""
        if self.pending is None and (left := await asyncio.to_thread(_read, self._record)):
            await self._cancel(left)
            self._record.unlink(missing_ok=True)

    async def expire(self) -> None:
        """End the pending one if its time is up."""
        login = self.pending
        if login is not None and now_ms() >= login.expires_ms:
            await self._close(login, "expired")

    async def supersede(self) -> None:
        """Another program has signed in or out meanwhile."""
        login = self.pending
        if login is not None:
            login.error = failures.problem(
                "superseded", "Another program has changed the login of this Codex home.", None
            )
            await self._close(login, "cancelled")

    # --- inside ---------------------------------------------------------------------------------

    def _begin(self, method: Method) -> Login:
        other = self.pending
        if other is not None:
            raise LoginInProgress(
                f"The login {other.id} ({other.method}) is pending.",
                hint=f"Finish it, or cancel it: DELETE /auth/login/{other.id}.",
                login_id=other.id,
            )
        seconds = min(self._limit, LIMITS[method])
        login = Login(method, now_ms() + int(seconds * 1000))
        self._logins[login.id] = login
        while len(self._logins) > KEPT:
            del self._logins[next(iter(self._logins))]
        return login

    def _started(self, login: Login, at: LoginStarted) -> None:
        login.core_id, login.url, login.user_code = at.id, at.url, at.user_code
        with contextlib.suppress(OSError):  # then a core that goes on keeps it until its time
            self._record.write_text(at.id)

    async def _close(self, login: Login, state: State) -> None:
        """Cancel it in the core. It may have succeeded meanwhile: then it has."""
        login.closing = state
        if login.core_id is not None:  # else the core is about to begin it, and `start` sees it
            await self._cancel(login.core_id)
        if login.state == "pending":
            self._end(login, state)

    async def _cancel(self, core_id: str) -> None:
        try:
            await self._engine.cancel_login(core_id)
        except ServerError as error:
            log.info("a login could not be cancelled", reason=error.detail)

    def _fail(self, login: Login, words: str) -> None:
        error = failures.failure(words)
        states: dict[str, State] = {"expired": "expired", "cancelled": "cancelled"}
        self._end(login, states.get(error["code"], "failed"), error)

    def _end(
        self,
        login: Login,
        state: State,
        error: dict[str, Any] | None = None,
        *,
        keep_record: bool = False,
    ) -> None:
        login.state, login.error, login.ended_ms = state, error or login.error, now_ms()
        login.ended.set()
        if not keep_record:
            self._record.unlink(missing_ok=True)
        log.info("a login has ended", login_id=login.id, method=login.method, state=state)


_NO_KEY: Final = {"field": "api_key", "message": "this is not an API key"}
_FIELD: Final = {"field": "callback_url", "message": "only a browser login has one"}


def _read(record: Path) -> str:
    with contextlib.suppress(OSError):
        return record.read_text().strip()
    return ""
