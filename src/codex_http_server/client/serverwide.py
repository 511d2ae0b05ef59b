"""What belongs to the server and its account, asked for: requests as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from codex_http_server.client.calls import ANSWER, Call, Query, named, post
from codex_http_server.client.types import Json
from codex_http_server.client.types_server import (
    AuthStatus,
    Health,
    InterruptedAll,
    LoginInfo,
    LoginMethod,
    Ready,
    Usage,
)

HEALTH: Final[Call[Health]] = Call("GET", "/health")
READY: Final[Call[Ready]] = Call("GET", "/ready", also=503)
AUTH_STATUS: Final[Call[AuthStatus]] = Call("GET", "/auth/status")


def usage(wanted: Mapping[str, Any]) -> Call[Usage]:
    """What is left and what was used."""
    return Call("GET", "/auth/usage", params=wanted)


def models(*, hidden: bool) -> Call[list[Json]]:
    """The core's catalogue."""
    return Call("GET", "/models", params={"hidden": hidden}, read=_data)


def skills(working_directory: str | None, *, reload: bool) -> Call[list[Json]]:
    """What a turn there has."""
    params: Query = {"working_directory": working_directory, "reload": reload}
    return Call("GET", "/skills", params=params, read=_data)


def interrupt(*, clear_queues: bool, hold: bool) -> Call[InterruptedAll]:
    """Stop everything."""
    return post("/interrupt", {"clear_queues": clear_queues, "hold": hold})


def resume() -> Call[list[str]]:
    """Let go what is held back."""
    return post("/resume", read=_conversations)


def login(method: LoginMethod, api_key: str | None) -> Call[LoginInfo]:
    """Begin to sign in."""
    return post("/auth/login", {"method": method} | ({"api_key": api_key} if api_key else {}))


def login_state(login_id: str, wait: float) -> Call[LoginInfo]:
    """How a login stands, when it has ended or after a while."""
    return Call("GET", _login(login_id), params={"wait": wait}, timeout=ANSWER + wait)


def finish_login(login_id: str, callback_url: str) -> Call[LoginInfo]:
    """Bring a browser login to its end from another machine."""
    return post(_login(login_id), {"callback_url": callback_url})


def cancel_login(login_id: str) -> Call[LoginInfo]:
    """Give it up."""
    return Call("DELETE", _login(login_id))


def logout() -> Call[AuthStatus]:
    """Sign out."""
    return post("/auth/logout", {})


def _login(login_id: str) -> str:
    return named("/auth/login", login_id)


def _data(answer: Any) -> Any:
    return answer["data"]


def _conversations(answer: Any) -> list[str]:
    return answer["conversations"]
