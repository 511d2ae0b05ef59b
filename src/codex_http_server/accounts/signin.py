"""The login as conversations see it: who is missing, what was refused, when somebody signed in.

Owns the count of logins and the word to those who wait for one. What the account looks like is
`accounts.py`'s, the reasons are those of `reasons.py`. This is the `Login` of
conversations/login.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from codex_http_server.accounts import reasons
from codex_http_server.accounts.accounts import Accounts
from codex_http_server.errors import ServerError
from codex_http_server.logs import get_logger
from codex_http_server.refusal import Refusal, Why

log = get_logger(__name__)

OWN_KEY: Final = (
    "The model provider in the configuration of Codex takes no login: look at its key there"
    " (env_key, experimental_bearer_token, http_headers)."
)


class SignIn:
    """The login of one home. `on_signed_in` is called each time a login has become good."""

    def __init__(self, accounts: Accounts, on_signed_in: Callable[[], None]) -> None:
        self._accounts = accounts
        self._on_signed_in = on_signed_in
        self._usable = False  # as far as is known
        self.times = 0
        self.why: Why | None = None  # what is wrong, as it was last told
        accounts.on_view = self._on_view

    @property
    def helps(self) -> bool:
        """Whether signing in can help; so it is taken to be until the account was read."""
        last = self._accounts.last
        return last is None or bool(last["requires_login"])

    async def missing(self) -> Why | None:
        """Why nobody is signed in where somebody has to be; asks the core before it says so."""
        try:
            await self._accounts.look()  # so that no turn begins with a login that has gone
            if not self._nobody(self._accounts.last):
                return None
            view = await self._accounts.status()
        except ServerError as error:
            log.info("the account could not be read", reason=error.detail)
            return None
        self.why = _why(view) if self._nobody(view) else None
        return self.why

    def _nobody(self, view: dict[str, Any] | None) -> bool:
        """Whether the core has nobody. A login that a turn was refused with is tried again: its
        provider may have been wrong."""
        if view is None or view["authenticated"] or not view["requires_login"]:
            return False
        return not self._accounts.somebody and view["reason"] != reasons.UNREADABLE

    def refused(self, refusal: Refusal) -> Why:
        """Note that a turn was refused; what to tell."""
        detail = reasons.plain(refusal.detail)
        if not self.helps:
            return Why("provider_refused", detail, OWN_KEY)
        self._usable = False
        code = self._code(refusal)
        self._accounts.note_refusal(code, detail)
        self.why = Why(code, detail, reasons.HINTS[code] or "")
        return self.why

    def _code(self, refusal: Refusal) -> str:
        found = reasons.refused_refresh(refusal.detail)
        if found is not None:
            return found
        mode = (self._accounts.last or {}).get("auth_mode")
        if mode is None:
            return reasons.NOT_SIGNED_IN
        return reasons.KEY_REFUSED if mode == "apikey" else reasons.REVOKED

    def worked(self) -> None:
        """A turn got through: a refusal before it was not the last word."""
        self._accounts.note_success()

    def _on_view(self, view: dict[str, Any]) -> None:
        """The account was looked at; what was not good may be good now."""
        was, self._usable = self._usable, view["authenticated"] or not view["requires_login"]
        if self._usable and not was:
            self.times += 1
            self.why = None
            self._on_signed_in()


def _why(view: dict[str, Any]) -> Why:
    return Why(str(view["reason"]), str(view["detail"] or ""), str(view["hint"] or ""))
