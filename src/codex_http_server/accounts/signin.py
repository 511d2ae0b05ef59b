"""The login as conversations see it: who is missing, what was refused, when somebody signed in.

Owns the count of logins and the word to those who wait for one. What the account looks like is
`accounts.py`'s. This is the `Login` of conversations/login.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from codex_http_server import events
from codex_http_server.accounts.accounts import Accounts
from codex_http_server.errors import ServerError
from codex_http_server.events import Draft
from codex_http_server.logs import get_logger
from codex_http_server.refusal import Refusal, Why

log = get_logger(__name__)

HINT: Final = (
    "Sign in again (POST /auth/login, `codex-http-server login` or `codex login`); what waits is"
    " sent then."
)


class SignIn:
    """The login of one home. `on_signed_in` is called each time somebody has signed in."""

    def __init__(
        self,
        accounts: Accounts,
        on_signed_in: Callable[[], None],
        renew_core: Callable[[], None],
    ) -> None:
        self._accounts = accounts
        self._on_signed_in = on_signed_in
        self._renew_core = renew_core
        self._refused = False
        self._usable = False  # as far as the core said when it was last asked
        self.times = 0
        self.why: Why | None = None  # what is wrong, as it was last told

    @property
    def helps(self) -> bool:
        """Whether signing in can help; so it is taken to be until the account was read."""
        last = self._accounts.last
        return last is None or bool(last["requires_login"])

    async def missing(self) -> Why | None:
        """Why nobody is signed in where somebody has to be; asks the core before it says so."""
        if not self._is_missing(self._accounts.last):
            return None
        try:
            view = await self.look()
        except ServerError as error:
            log.info("the account could not be read", reason=error.detail)
            return None
        self.why = self._why(view) if self._is_missing(view) else None
        return self.why

    async def look(self) -> dict[str, Any]:
        """Ask the core; somebody may have signed in without a word. Raises as `Accounts.status`."""
        view = await self._accounts.status()
        was_usable, self._usable = self._usable, not self._is_missing(view)
        if self._usable and not was_usable:
            self._signed_in()
        return view

    @staticmethod
    def _is_missing(view: dict[str, Any] | None) -> bool:
        return view is not None and view["requires_login"] and not view["authenticated"]

    @staticmethod
    def _why(view: dict[str, Any]) -> Why:
        return Why(str(view["reason"]), "Nobody is signed in.", HINT)

    def changed_elsewhere(self) -> None:
        """Another process changed the login of this home. The core keeps the one that it has
        (measured: a new API key, and even a removed one, are not seen), so it is started anew."""
        self._usable = False  # the next look tells whether somebody is signed in
        self._renew_core()

    def refused(self, refusal: Refusal) -> Why:
        """Note that a turn was refused; what to tell."""
        self._refused = True
        self.why = Why("refused", refusal.detail, HINT)
        return self.why

    def worked(self) -> None:
        """A turn got through: a refusal before it was not the last word."""
        if self._refused:
            self._signed_in()

    def on_server_event(self, draft: Draft) -> Draft | None:
        """See `Accounts.on_server_event`; a login is recognised here."""
        passed = self._accounts.on_server_event(draft)
        if passed is not None and _is_login(passed):
            self._signed_in()
        return passed

    def _signed_in(self) -> None:
        self._refused, self.why = False, None
        self.times += 1
        self._on_signed_in()


class _Completed(msgspec.Struct):
    success: bool = False


def _is_login(draft: Draft) -> bool:
    """`account/updated` is none: the core says it of an old login too (measured)."""
    if draft.type != events.LOGIN_COMPLETED:
        return False
    try:
        return msgspec.json.decode(draft.data, type=_Completed).success
    except msgspec.MsgspecError:
        return False
