"""Who the core is signed in as, for /auth/status and snapshots.

Owns the last known account and what is known to be wrong with it; `usage.py` has its rate limits.
Two things of the core (0.163, measured) shape this file:

- It keeps the login that it read, none included: what another program does on the home it sees
  at the earliest when a turn is refused. So `auth.json` is watched, and a core that holds another
  login than the file is started anew (`renew`) as soon as no turn runs. A daemon that was joined is
  not ours to start anew: that it holds an old login is said (`stale`).
- Its `account/rateLimits/updated` is mostly nulls, so it is passed on merged, and only when
  something changed.

Before: api. After: engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from codex_http_server import events
from codex_http_server.accounts import authfile, reasons
from codex_http_server.accounts.authfile import AuthFile, Watch
from codex_http_server.accounts.logins import Login, Logins, Method
from codex_http_server.accounts.reasons import Known, Refusal
from codex_http_server.accounts.usage import AccountUsage
from codex_http_server.clock import now_ms
from codex_http_server.engine.base import Account, CoreState, Engine, LoginRules
from codex_http_server.errors import CoreRefused, CoreUnavailable, ServerError
from codex_http_server.events import Draft, raw
from codex_http_server.logs import get_logger

log = get_logger(__name__)

POLL: Final = 1.0  # seconds between looks at auth.json
PATIENCE: Final = 20.0  # seconds for one look, with all that the core does for it
GRACE: Final = 5.0  # seconds between the core's writing of auth.json in a login and its word on it
ECHO: Final = 10.0  # seconds after its start in which the core repeats who is signed in

UNKNOWN: Final = "?"  # no identity

_VISIBLE: Final = ("authenticated", "auth_mode", "email", "plan_type", "reason")


class Accounts:
    """The account of one core. `run` looks after it until cancelled; `renew` is to start the core
    anew once no turn runs, `append` puts an event into the log."""

    def __init__(
        self,
        engine: Engine,
        home: Path,
        logins: Logins,
        append: Callable[[Draft], object],
        renew: Callable[[], None],
    ) -> None:
        self._engine = engine
        self.logins = logins
        self._append = append
        self._renew = renew
        self.usage = AccountUsage(engine)
        self.last: dict[str, Any] | None = None
        self.on_view: Callable[[dict[str, Any]], None] = lambda _: None  # told of each look
        self._watch = Watch(home / authfile.NAME)
        self._file = self._watch.look()
        self._held: str = self._file.identity  # of the login that the core holds
        self._at_start: str = self._held  # who stood in the file when the core was started
        self._signed_in = False  # as the core said last
        self._refusal: Refusal | None = None
        self._renewing = False
        self._stale_login = False  # a joined daemon holds another login than the file
        self._doubtful = False
        self._at_work = False  # a key or a sign-out of our own is on its way
        self._noticed: float | None = None  # since when a change may be that of our own login
        self._untold = False  # another program has changed the login, and no event says so yet
        self._told: tuple[str | None, str | None] | None = None
        self._told_until = 0.0
        self._looking = asyncio.Lock()
        self._news = asyncio.Event()
        self._stale = False  # what is shown may no longer be true

    # --- what callers ask -----------------------------------------------------------------------

    async def status(self) -> dict[str, Any]:
        """The account as the core sees it now. Raises `CoreUnavailable`, `CoreTimeout`."""
        await self.look()
        return await self._read()

    async def sign_in(self, method: Method, api_key: str | None) -> Login:
        """Begin a login. Raises as `Logins.start`."""
        if api_key is None:
            return await self.logins.start(method, None)
        with self._own_change():
            return await self.logins.start(method, api_key)

    async def sign_out(self) -> dict[str, Any]:
        """Sign out, and cancel a pending login; the new status. Running turns fail."""
        pending = self.logins.pending
        if pending is not None:
            await self.logins.cancel(pending.id)
        with self._own_change():
            await self._engine.logout()
        return await self._read()

    @contextlib.contextmanager
    def _own_change(self):
        """What happens to auth.json inside is ours."""
        self._at_work = True
        try:
            yield
        finally:
            self._at_work = False
        self._take_file()
        self._refusal = None

    @property
    def somebody(self) -> bool:
        """Whether the core said that somebody is signed in when it was last asked."""
        return self._signed_in

    # --- what turns say -------------------------------------------------------------------------

    def note_refusal(self, reason: str, detail: str) -> None:
        """A turn was refused for its login. It stands until a login, a change of auth.json, or a
        turn that got through. `reason` is a code of `reasons`."""
        if not self._renewing:  # else it was the login that is about to go
            self._refusal = Refusal(reason, reasons.plain(detail))
        self._news.set()

    def note_success(self) -> None:
        """A turn got through."""
        if self._refusal is not None:
            self._refusal = None
            self._news.set()

    # --- what the core says ---------------------------------------------------------------------

    def on_core(self, state: CoreState) -> None:
        """The core changed state."""
        if state.state != "ready":
            self.logins.on_lost()
            self._at_start = authfile.read(self._watch.path).identity
            return
        if not state.adopted and not state.joined:
            self._new_core()
        else:  # a core that goes on may hold another login than the file by now
            self._renewing, self._stale_login = False, False
            self._doubtful = True
        self._news.set()

    def _new_core(self) -> None:
        """It has read the file, at some moment of its start."""
        self._held = authfile.read(self._watch.path).identity
        if self._held != self._at_start:
            self._held = UNKNOWN
            self._watch.again()
        self._renewing = False
        self._told_until = time.monotonic() + ECHO

    def on_server_event(self, draft: Draft) -> Draft | None:
        """What an event that belongs to no conversation becomes; None if it says nothing new."""
        if draft.type == events.RATE_LIMITS:
            return self._merge(draft)
        if draft.type == events.LOGIN_COMPLETED:
            said: dict[str, Any] = msgspec.json.decode(draft.data)
            self.logins.on_completed(said)
            if said.get("success"):
                self._refusal = None
                self._news.set()
        if draft.type == events.ACCOUNT_UPDATED:
            self.usage.forget()  # it may be another account's
            return draft if self._is_news(msgspec.json.decode(draft.data)) else None
        return draft

    def _is_news(self, body: dict[str, Any]) -> bool:
        """Take in the core's `account/updated`; False if it only repeats what we said for it."""
        self._news.set()
        said = (body.get("authMode"), body.get("planType"))
        if said == self._told and (self._renewing or time.monotonic() < self._told_until):
            return False
        self._untold, self._told = False, None
        stale = self._stale_login
        if not self._renewing:
            self._take_file()
        if self._engine.state.joined:  # a daemon may only repeat who was signed in all along
            self._stale_login, self._doubtful = stale, True
        return True

    def _take_file(self) -> None:
        """The core holds what the file says. What was refused may be refused still: the core
        says `account/updated` of tokens that it renewed, too (measured)."""
        self._file = self._watch.look()
        self._held, self._stale_login = self._file.identity, False
        self._noticed, self._told = None, None

    # --- looking after it -----------------------------------------------------------------------

    async def run(self) -> None:
        """Look at auth.json every second and end logins in time, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._news.wait()
            if self._news.is_set():  # cleared here, whatever comes: a set one would never wait
                self._news.clear()
                self._stale = True
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._tend()
            except (ServerError, TimeoutError) as error:
                log.info("the account could not be read", reason=str(error))

    async def _tend(self) -> None:
        await self.logins.expire()
        await self.look()
        if self._stale and self._engine.state.state == "ready":
            await self.logins.forget_left()
            if self._doubtful:
                self._doubtful = False
                await self._compare()
            await self._read()
            self._stale = False

    async def look(self) -> None:
        """See whether another program has changed auth.json: one stat, if none has. Raises as
        `status`."""
        if not self._watch.changed():
            return
        if self._renewing:  # the new core will read it
            self._file, self._untold = self._watch.look(), True
            self._news.set()
        elif self._engine.state.state == "ready":
            async with self._looking:
                if self._watch.changed():
                    await self._take_in()

    async def _take_in(self) -> None:
        """Take a change in, or see it again next time."""
        try:
            await self._changed()
        except BaseException:
            self._watch.again()
            raise

    async def _changed(self) -> None:
        file = self._watch.look()
        renewed = await self._is_held(file)
        other = file.identity != self._held or (self._is_mended(file) and not renewed)
        taken = False
        if other and await self._may_be_ours(file):
            self._watch.again()
            return
        if file.content != self._file.content and not renewed:
            self._refusal = None  # it was about other tokens
        self._file = file
        if other:
            self._untold = True
            taken = await self._is_taken(file)
            if not taken:
                self._must_renew()
            if taken or not self._stale_login:
                self._held, self._told_until = file.identity, time.monotonic() + ECHO
        self._stale_login = self._stale_login and other and not taken
        await self._read()

    async def _compare(self) -> None:
        """See whether a core that we did not start just now holds the file's login."""
        if await self._differs():
            self._must_renew()
        else:
            self._stale_login = False

    async def _differs(self) -> bool:
        file, (account, _) = self._file, await self._ask()
        if account is None or not account.requires_login:
            return False
        if file.state != "present":
            signed_out = file.state == "absent" and account.auth_mode is not None
            return self._engine.state.joined and signed_out
        pairs = ((account.account_id, file.account_id), (account.email, file.email))
        other = any(None not in pair and pair[0] != pair[1] for pair in pairs)
        other = other or account.auth_mode != file.mode
        return other or (file.mode == "apikey" and not await self._holds(file))

    def _must_renew(self) -> None:
        if self._engine.state.joined:
            log.warning("the daemon of Codex holds another login than auth.json")
            self._stale_login = True
            return
        log.info("another program has changed the login; the core is to be started anew")
        self._renewing = True
        self._renew()

    async def _is_held(self, file: AuthFile) -> bool:
        """Whether the core holds just these tokens: then it has renewed them itself."""
        return self._refusal is not None and await self._holds(file)

    async def _holds(self, file: AuthFile) -> bool:
        held = await self._engine.held_token()
        return held is not None and authfile.digest(held.encode()) == file.token

    def _is_mended(self, file: AuthFile) -> bool:
        """Whether there are other tokens in place of those that did not work."""
        broken = self._refusal is not None or not self._signed_in
        return broken and file.state == "present" and file.content != self._file.content

    async def _may_be_ours(self, file: AuthFile) -> bool:
        """Whether our own login or sign-out may have done it: the core's word follows."""
        if not self._at_work and self.logins.pending is None and file.state != "unreadable":
            self._noticed = None
            return False
        now = time.monotonic()
        if self._noticed is None:
            self._noticed = now
        if now - self._noticed < GRACE:
            return True
        self._noticed = None
        await self.logins.supersede()
        return False

    async def _is_taken(self, file: AuthFile) -> bool:
        """Whether the core needs no new start: a turn that was refused made it look, or there is
        nothing to look for."""
        account, _ = await self._ask()
        if account is None:
            return False
        if file.state == "absent" or not account.requires_login:
            return account.auth_mode is None
        return await self._holds(file)

    # --- the view -------------------------------------------------------------------------------

    async def _ask(self) -> tuple[Account | None, str]:
        """The core's answer, or why it has none. One that is to be started anew is not asked."""
        if self._renewing:
            return None, "the core is about to be started anew"
        try:
            account = await self._engine.read_account()
        except CoreRefused as error:
            return None, error.detail
        except CoreUnavailable:
            if self._renewing:  # meanwhile
                return None, "the core is being started anew"
            raise
        self._signed_in = account.auth_mode is not None
        return account, ""

    async def _read(self) -> dict[str, Any]:
        """Ask the core, and keep what is shown; say so if another program has changed it."""
        account, error = await self._ask()
        rules = LoginRules()
        if account is not None and account.auth_mode is None and self._file.state == "present":
            rules = await self._engine.login_rules()
        known = Known(
            account,
            error,
            self._file,
            rules,
            self._refusal,
            self._renewing,
            time.time(),
            stale=self._stale_login,
        )
        before, self.last = self.last, reasons.view(known)
        pending = self.logins.pending
        self.last["login"] = None if pending is None else pending.id
        self.on_view(self.last)
        if self._untold:
            self._untold = False
            if before and any(before[name] != self.last[name] for name in _VISIBLE):
                self._tell(self.last)
        return self.last

    def _tell(self, status: dict[str, Any]) -> None:
        """Append the `account/updated` that the core does not send."""
        known = status if status["authenticated"] else {"auth_mode": None, "plan_type": None}
        mode, plan = known["auth_mode"], known["plan_type"]
        self._told, self._told_until = (mode, plan), time.monotonic() + ECHO
        body = {"authMode": mode, "planType": plan}
        self._append(Draft(events.ACCOUNT_UPDATED, raw(body), now_ms(), synthetic="auth_file"))

    # --- rate limits ----------------------------------------------------------------------------

    def _merge(self, draft: Draft) -> Draft | None:
        fresh: dict[str, Any] = msgspec.json.decode(draft.data).get("rateLimits") or {}
        merged = self.usage.heard(fresh, draft.at_ms)
        if merged is None:
            return None
        draft.data = raw({"rateLimits": merged})
        draft.synthetic = "merged"
        return draft
