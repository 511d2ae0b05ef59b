"""Which of the core's methods may be passed on as they are, and where the others are done. Pure.

What this server owns (threads that it follows, turns, questions, the login, the connection) is done
by its own routes alone: done behind its back, it would be done without a record of it. Of threads
and turns only what is named here passes, so that a method of a newer core does not get by.
"""

from __future__ import annotations

from typing import Final

ONE: Final = "/conversations/{id}"
OWNED: Final[dict[str, str]] = {
    "thread/start": "POST /conversations",
    "thread/resume": f"POST {ONE}/messages",
    "thread/fork": f"POST {ONE}/fork",
    "thread/name/set": f"PATCH {ONE}",
    "thread/settings/update": f"PATCH {ONE}",
    "thread/archive": f"POST {ONE}/archive",
    "thread/unarchive": f"POST {ONE}/unarchive",
    "thread/delete": f"DELETE {ONE}",
    "thread/backgroundTerminals/clean": f"DELETE {ONE}/terminals",
    "thread/backgroundTerminals/terminate": f"DELETE {ONE}/terminals/{{terminal_id}}",
    "thread/queue/add": f"POST {ONE}/messages",
    "thread/queue/list": f"GET {ONE}/queue",
    "thread/queue/update": f"PATCH {ONE}/queue/{{submit_id}}",
    "thread/queue/delete": f"DELETE {ONE}/queue/{{submit_id}}",
    "thread/queue/reorder": f"PUT {ONE}/queue",
    "thread/revert": f"POST {ONE}/revert",
    "thread/compact/start": f"POST {ONE}/compact",
    "thread/shellCommand": f"POST {ONE}/shell",
    "review/start": f"POST {ONE}/review",
    "turn/start": f"POST {ONE}/messages",
    "turn/steer": f"POST {ONE}/messages",
    "turn/interrupt": f"POST {ONE}/interrupt",
    "turn/settings/update": f"PATCH {ONE}",
    "account/login/start": "POST /auth/login",
    "account/login/cancel": "DELETE /auth/login/{login_id}",
    "account/logout": "POST /auth/logout",
    "getAuthStatus": "GET /auth/status",  # it would show tokens
    "config/read": "GET /config",  # it would show secrets
}
NOT_HERE: Final = frozenset({"initialize", "initialized", "accountSession/switch"})
OURS: Final = ("thread/", "turn/", "review/")
PASSED: Final = frozenset(
    {
        "thread/attachment/add",
        "thread/attachment/list",
        "thread/attachment/remove",
        "thread/attachmentOwner/list",
        "thread/backgroundTerminals/list",
        "thread/goal/clear",
        "thread/goal/get",
        "thread/goal/set",
        "thread/items/list",
        "thread/items/read",
        "thread/list",
        "thread/loaded/list",
        "thread/memory/read",
        "thread/memoryMode/set",
        "thread/metadata/update",
        "thread/prediction/request",
        "thread/read",
        "thread/readState/update",
        "thread/realtime/listVoices",
        "thread/search",
        "thread/searchOccurrences",
        "thread/section/move",
        "thread/timeline/list",
        "thread/turns/list",
    }
)


def passes(method: str) -> bool:
    """Whether a method may be passed on."""
    if method in OWNED or method in NOT_HERE:
        return False
    return method in PASSED or not method.startswith(OURS)


def instead(method: str) -> str | None:
    """The route that does what a method does which is not passed on, if there is one."""
    return OWNED.get(method)
