"""What of the core's protocol is reached through this server, and how: docs/coverage.md. Pure.

Owns the rows that can't be told from elsewhere: routes beside `POST /rpc`, and the reasons where
there is no way. What passes and what this server owns: `passing.py`; questions: `questions.py`.
The methods are those of the recorded core (`protocol.json`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from codex_http_server.engine import protocol
from codex_http_server.engine.passing import ONE, OWNED, passes
from codex_http_server.engine.questions import KINDS

RPC: Final = "POST /rpc"

ALSO: Final[dict[str, str]] = {
    "account/read": "GET /auth/status",
    "account/rateLimits/read": "GET /auth/usage",
    "account/usage/read": "GET /auth/usage",
    "config/batchWrite": "PATCH /config",
    "config/value/write": "PATCH /config",
    "configRequirements/read": "GET /config",
    "config/mcpServer/reload": "POST /mcp-servers/reload",
    "experimentalFeature/list": "GET /features",
    "fs/getMetadata": "GET /files",
    "fs/readDirectory": "GET /files",
    "fs/readFile": "GET /files",
    "fuzzyFileSearch": "GET /files/search",
    "mcpServer/oauth/login": "POST /mcp-servers/{server_name}/login",
    "mcpServerStatus/list": "GET /mcp-servers",
    "model/list": "GET /models",
    "skills/config/write": "PATCH /skills",
    "skills/list": "GET /skills",
    "thread/backgroundTerminals/list": f"GET {ONE}/terminals",
    "thread/items/list": f"GET {ONE}/items",
    "thread/list": "GET /conversations",
    "thread/read": f"GET {ONE}",
    "thread/search": "GET /search",
    "thread/searchOccurrences": "GET /search",
}
"""Methods that pass and have a route besides, which is the better way."""

_UNTOLD: Final = "No route yet: it changes a conversation, and the log must tell of that."
_SOUND: Final = "No route: sound both ways needs a connection of its own."
_HELD: Final = "The server's own affair: it decides when the core holds a thread."

WHY_NOT: Final[dict[str, str]] = {
    "initialize": "The server says it, once on each of its connections.",
    "thread/approveGuardianDeniedAction": _UNTOLD,
    "thread/decrement_elicitation": "The server's own affair: it counts the questions that wait.",
    "thread/increment_elicitation": "The server's own affair: it counts the questions that wait.",
    "thread/inject_items": _UNTOLD,
    "thread/queue/start": "The server has its own queue; the core's stays empty.",
    "thread/realtime/appendAudio": _SOUND,
    "thread/realtime/appendSpeech": _SOUND,
    "thread/realtime/appendText": _SOUND,
    "thread/realtime/start": _SOUND,
    "thread/realtime/stop": _SOUND,
    "thread/unsubscribe": _HELD,
}
"""Methods that nothing here reaches."""

ANSWERED: Final[dict[str, str]] = {
    "currentTime/read": "Answered by the server itself: it is a fact, no decision.",
    "account/chatgptAuthTokens/refresh": "Refused: the core keeps and renews its own login.",
    "attestation/generate": "Refused: the server does not announce that it can.",
}
"""Requests of the core that become no approval that somebody could answer."""

TOLD: Final[dict[str, str]] = {
    "turn/diff/updated": "without its repetitions",
    "item/started": "the ends that the core owes are added as `item/discarded`",
}
"""What to know of an event that has the notification's name."""


def way(method: str) -> str:
    """How a client's method is reached, or why not. Raises KeyError where no row says it."""
    if method in OWNED:
        return f"`{OWNED[method]}`"
    if method in ALSO:
        return f"`{ALSO[method]}`, `{RPC}`"
    return f"`{RPC}`" if passes(method) else WHY_NOT[method]


def answer(method: str) -> str:
    """What becomes of a request of the core. Raises KeyError where no row says it."""
    if method in ANSWERED:
        return ANSWERED[method]
    return f"an approval of kind `{KINDS[method]}`"


def event(method: str) -> str:
    """What becomes of a notification: an event of its name, also of one that is not known yet."""
    note = f"; {TOLD[method]}" if method in TOLD else ""
    return f"the event `{method}`{note}"


def markdown() -> str:
    """docs/coverage.md."""
    known = protocol.recorded()
    methods: Mapping[str, Iterable[str]] = known["methods"]
    client, asked, told = (sorted(methods[union]) for union in protocol.UNIONS)
    reached = [method for method in client if method not in WHY_NOT]
    lines = [
        "# The core's protocol, and this server",
        "",
        f"What Codex {known['version']} offers to its clients, and where it is here:",
        f"{len(reached)} of {len(client)} methods, {len(asked)} requests of the core,",
        f"{len(told)} notifications. `{RPC}` passes a method on as it is (scope `admin`,",
        "[guide](guides/discovery.md)). A newer core may have more: most of its methods pass, and",
        "its notifications become events.",
        "",
        "## Methods",
        *_table("method", "here", [(each, way(each)) for each in client]),
        "",
        "## Requests of the core",
        *_table("request", "here", [(each, answer(each)) for each in asked]),
        "",
        "## Notifications",
        "",
        f"Those of a thread are on `GET {ONE}/events`, all are on `GET /events`.",
        *_table("notification", "here", [(each, event(each)) for each in told]),
    ]
    return "\n".join(lines) + "\n"


def _table(left: str, right: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    return ["", f"| {left} | {right} |", "|---|---|", *(f"| `{a}` | {b} |" for a, b in rows)]
