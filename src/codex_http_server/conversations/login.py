"""What conversations need to know of the login. Who is signed in is not known here."""

from __future__ import annotations

from typing import Protocol

from codex_http_server.refusal import Refusal, Why


class Login(Protocol):
    """The login, as far as conversations look at it."""

    @property
    def times(self) -> int:
        """How often somebody signed in since this server started."""
        ...

    @property
    def helps(self) -> bool:
        """Whether signing in can help: the provider takes the login of this home."""
        ...

    async def missing(self) -> Why | None:
        """Why nobody is signed in where somebody has to be; None if that is not known."""
        ...

    def refused(self, refusal: Refusal) -> Why:
        """Note that a turn was refused; what to tell."""
        ...

    def worked(self) -> None:
        """Note that a turn got through."""
        ...


class NoLogin:
    """A `Login` for where there is none to look at: nothing waits for it."""

    times = 0
    helps = False

    async def missing(self) -> Why | None:
        return None

    def refused(self, refusal: Refusal) -> Why:
        return Why("refused", refusal.detail, "")

    def worked(self) -> None:
        pass
