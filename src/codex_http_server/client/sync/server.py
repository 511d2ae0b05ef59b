"""What belongs to the server and its account: what `Client` does without a conversation."""

from __future__ import annotations

import time
from typing import Unpack

from codex_http_server.client import serverwide
from codex_http_server.client.calls import SLICE
from codex_http_server.client.sync.connection import Connection
from codex_http_server.client.types import Json
from codex_http_server.client.types_server import (
    AuthStatus,
    Health,
    InterruptedAll,
    LoginInfo,
    LoginMethod,
    Ready,
    Usage,
    UsageOptions,
)


class Login:
    """A login. While it is pending a person opens `info["url"]`, and types `info["user_code"]`."""

    def __init__(self, connection: Connection, info: LoginInfo) -> None:
        self._connection = connection
        self.info = info

    def wait(self, timeout: float = 600.0) -> LoginInfo:
        """How it stands when it has ended, or after so many seconds."""
        end = time.monotonic() + timeout
        while self.info["state"] == "pending" and (left := end - time.monotonic()) > 0:
            call = serverwide.login_state(self.info["id"], min(left, SLICE))
            self.info = self._connection.ask(call)
        return self.info

    def finish(self, callback_url: str) -> LoginInfo:
        """End a browser login from another machine, with the address that the browser ended at."""
        call = serverwide.finish_login(self.info["id"], callback_url)
        self.info = self._connection.ask(call)
        return self.info

    def cancel(self) -> LoginInfo:
        """Give it up."""
        self.info = self._connection.ask(serverwide.cancel_login(self.info["id"]))
        return self.info


class ServerMethods:
    """The server, who it is signed in as, what is left, and what it offers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def health(self) -> Health:
        """That it answers, its version, and how the core is."""
        return self._connection.ask(serverwide.HEALTH)

    def ready(self) -> Ready:
        """Whether a message would be accepted now, and if not, why."""
        return self._connection.ask(serverwide.READY)

    def interrupt(self, *, clear_queues: bool = False, hold: bool = True) -> InterruptedAll:
        """Stop everything. What waits is held back until `resume`, unless `hold` is false or
        `clear_queues` takes it back."""
        return self._connection.ask(serverwide.interrupt(clear_queues=clear_queues, hold=hold))

    def resume(self) -> list[str]:
        """Send what was held back; the ids of the conversations where something was."""
        return self._connection.ask(serverwide.resume())

    def models(self, *, hidden: bool = False) -> list[Json]:
        """The core's models, in its own words."""
        return self._connection.ask(serverwide.models(hidden=hidden))

    def skills(self, working_directory: str | None = None, *, reload: bool = False) -> list[Json]:
        """The skills of the Codex home and of the project in a directory."""
        return self._connection.ask(serverwide.skills(working_directory, reload=reload))

    # --- signing in -------------------------------------------------------------------------

    def auth_status(self) -> AuthStatus:
        """Who the core is signed in as; if nobody, why, and what to do."""
        return self._connection.ask(serverwide.AUTH_STATUS)

    def login(self, method: LoginMethod, api_key: str | None = None) -> Login:
        """Begin to sign in (scope `login`): in a browser of the server's machine, with a code
        anywhere, with a key."""
        info = self._connection.ask(serverwide.login(method, api_key))
        return Login(self._connection, info)

    def logout(self) -> AuthStatus:
        """Sign out, for every Codex program on this home."""
        return self._connection.ask(serverwide.logout())

    def usage(self, **wanted: Unpack[UsageOptions]) -> Usage:
        """Rate limits, tokens that this server's turns took, and quotas."""
        return self._connection.ask(serverwide.usage(wanted))
