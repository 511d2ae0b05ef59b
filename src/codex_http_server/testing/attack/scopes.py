"""Every route, by senders that may not and by those that may: the table of scopes, attacked.

A route that is in `auth/table.py` stands here too (tests/unit/testing/test_attack_table.py):
whoever adds one looks whether it can be asked without doing harm. Ids are of what does not exist.
All but GETs have a body of a wrong type and a key that is too long, each of which an honest server
refuses before it does anything: so even `POST /interrupt` ends nothing. The scope must be looked
at before either of them.
"""

from __future__ import annotations

from typing import Final

from codex_http_server.auth.callers import Scope
from codex_http_server.auth.table import SCOPES, Route
from codex_http_server.testing.attack.answers import CLOSED, Answer
from codex_http_server.testing.attack.attacks import (
    Hole,
    Verdict,
    attack,
    hole,
    judged,
    skipped,
)
from codex_http_server.testing.attack.stage import ALWAYS, Held, Stage, refuses

_ONE: Final = "/conversations/{conversation_id}"
NONE: Final = "00000000-0000-7000-8000-000000000000"
_IDS: Final = {
    "{conversation_id}": NONE,
    "{turn_id}": NONE,
    "{item_id}": "none",
    "{submit_id}": NONE,
    "{login_id}": NONE,
    "{approval_id}": NONE,
    "{terminal_id}": "none",
    "{upload_id}": "0" * 32,
    "{name}": "none.js",
    "{server_name}": "none",
    "{rule_id}": "none",
}

ROUTES: Final[tuple[Route, ...]] = (
    # the server
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/openapi.json"),
    ("GET", "/"),
    ("GET", "/page/{name}"),
    ("POST", "/interrupt"),
    ("POST", "/resume"),
    # who calls
    ("POST", "/session"),
    ("GET", "/session"),
    ("DELETE", "/session"),
    ("POST", "/tickets"),
    ("GET", "/tokens"),
    ("POST", "/tokens"),
    ("DELETE", "/tokens/{name}"),
    # the account
    ("GET", "/auth/status"),
    ("POST", "/auth/login"),
    ("GET", "/auth/login/{login_id}"),
    ("POST", "/auth/login/{login_id}"),
    ("DELETE", "/auth/login/{login_id}"),
    ("POST", "/auth/logout"),
    ("GET", "/auth/usage"),
    # conversations
    ("POST", "/conversations"),
    ("GET", "/conversations"),
    ("GET", _ONE),
    ("PATCH", _ONE),
    ("GET", f"{_ONE}/items"),
    ("GET", f"{_ONE}/turns"),
    ("GET", f"{_ONE}/turns/{{turn_id}}"),
    ("GET", f"{_ONE}/diff"),
    ("GET", f"{_ONE}/export"),
    ("GET", f"{_ONE}/usage"),
    ("GET", f"{_ONE}/turns/{{turn_id}}/items/{{item_id}}/output"),
    ("POST", f"{_ONE}/interrupt"),
    ("POST", f"{_ONE}/resume"),
    ("POST", f"{_ONE}/archive"),
    ("POST", f"{_ONE}/unarchive"),
    ("DELETE", _ONE),
    ("POST", f"{_ONE}/fork"),
    ("GET", f"{_ONE}/terminals"),
    ("DELETE", f"{_ONE}/terminals"),
    ("DELETE", f"{_ONE}/terminals/{{terminal_id}}"),
    ("GET", "/approvals"),
    ("GET", f"{_ONE}/approvals"),
    ("GET", f"{_ONE}/approvals/{{approval_id}}"),
    ("POST", f"{_ONE}/approvals/{{approval_id}}"),
    ("GET", "/rules"),
    ("DELETE", "/rules/{rule_id}"),
    # files
    ("GET", "/files"),
    ("GET", "/files/search"),
    # messages
    ("POST", f"{_ONE}/messages"),
    ("POST", f"{_ONE}/retry"),
    ("POST", f"{_ONE}/revert"),
    ("POST", f"{_ONE}/compact"),
    ("POST", f"{_ONE}/review"),
    ("POST", f"{_ONE}/shell"),
    ("GET", f"{_ONE}/queue"),
    ("PUT", f"{_ONE}/queue"),
    ("PATCH", f"{_ONE}/queue/{{submit_id}}"),
    ("DELETE", f"{_ONE}/queue/{{submit_id}}"),
    # what the core offers
    ("GET", "/models"),
    ("GET", "/features"),
    ("GET", "/skills"),
    ("PATCH", "/skills"),
    ("GET", "/config"),
    ("PATCH", "/config"),
    ("GET", "/mcp-servers"),
    ("GET", "/mcp-servers/{server_name}"),
    ("POST", "/mcp-servers/reload"),
    ("POST", "/mcp-servers/{server_name}/login"),
    ("POST", "/rpc"),
    ("GET", "/app-server"),
    ("POST", "/uploads"),
    ("GET", "/uploads/{upload_id}"),
    ("DELETE", "/uploads/{upload_id}"),
    # events
    ("GET", f"{_ONE}/events"),
    ("GET", "/events"),
    # search
    ("GET", "/search"),
)


def asked(stage: Stage, route: Route, token: str) -> bytes:
    """The request that asks whether a route is open, and does nothing if it is."""
    path = route[1]
    for name, value in _IDS.items():
        path = path.replace(name, value)
    if route[0] == "GET":
        return stage.get(path, token=token)
    key = f"Idempotency-Key: {'k' * 300}"  # longer than may be
    return stage.request(route[0], path, key, kind="text/plain", body=b"attack", token=token)


def _closed(stage: Stage) -> dict[str, Route]:
    """The routes that are closed to a nobody."""
    return {
        " ".join(route): route
        for route in ROUTES
        if SCOPES.get(route) is not None or not stage.public
    }


@attack("A route that was forgotten is open to everybody.", who=("nobody",))
async def every_route_of_nobody(stage: Stage) -> Verdict:
    cases = {name: asked(stage, route, stage.token) for name, route in _closed(stage).items()}
    return await stage.refused(cases)


@attack("A route that was forgotten is open to everybody who sends no token.", who=("caller",))
async def every_route_without_a_token(stage: Stage) -> Verdict:
    if not stage.token:
        return skipped("this server lets this sender in without a token")
    cases = {name: asked(stage, route, "") for name, route in _closed(stage).items()}
    return await stage.refused(cases)


@attack("A token for reading would do for driving.", who=("caller",))
async def every_route_without_its_scope(stage: Stage) -> Verdict:
    if not stage.tokens:
        return skipped("no tokens were given: --tokens")
    return await _by_tokens(stage, lacking=True)


@attack(
    "None for an attacker: but a scope that opens nothing is soon replaced by one that does.",
    who=("caller",),
)
async def every_route_with_its_scope(stage: Stage) -> Verdict:
    if not stage.tokens:
        return skipped("no tokens were given: --tokens")
    return await _by_tokens(stage, lacking=False)


async def _by_tokens(stage: Stage, *, lacking: bool) -> Verdict:
    holes: list[Hole] = []
    tried = 0
    for token in stage.tokens:
        pairs = _pairs(token, lacking=lacking)
        cases = {name: asked(stage, route, token.secret) for name, route in pairs.items()}
        answers = await stage.all(cases)
        tried += len(cases)
        holes += [
            hole(f"{name} with {'+'.join(sorted(token.scopes))}", cases[name], answer)
            for name, answer in answers.items()
            if not (_lacks(answer) if lacking else _opens(answer))
        ]
    return judged(holes, tried) if tried else skipped("the tokens given do not differ enough")


def _pairs(token: Held, *, lacking: bool) -> dict[str, Route]:
    """The routes that a token does not open, or those that it does."""

    def lacks(scope: Scope | None) -> bool:
        return scope is not None and str(scope) not in token.scopes

    return {" ".join(it): it for it in ROUTES if lacks(SCOPES.get(it)) is lacking}


def _lacks(answer: Answer) -> bool:
    return answer.status == 403 and answer.json.get("code") == "scope_required"


def _opens(answer: Answer) -> bool:
    return answer.status not in ALWAYS and answer.status != CLOSED and not refuses(answer)
