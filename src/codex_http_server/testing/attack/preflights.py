"""What a browser asks before it lets a page call: the answer must not invite anybody."""

from __future__ import annotations

from codex_http_server.testing.attack.answers import Answer
from codex_http_server.testing.attack.attacks import Verdict, attack, worst
from codex_http_server.testing.attack.stage import Stage, refuses

ALLOWS = "access-control-allow-"
EVIL = ("http://evil.example", "null", "https://evil.example", "http://127.0.0.1:1")


def _asked(
    stage: Stage, origin: str, method: str, *more: str, path: str = "/conversations"
) -> bytes:
    return stage.request(
        "OPTIONS",
        path,
        f"Origin: {origin}",
        f"Access-Control-Request-Method: {method}",
        "Access-Control-Request-Headers: authorization, content-type, x-evil",
        *more,
    )


def allows_nothing(answer: Answer) -> bool:
    """Whether an answer names nobody who may call."""
    return not [name for name, _ in answer.headers if name.startswith(ALLOWS)]


@attack("A page that is told yes may send JSON with any header, and read what comes back.")
async def foreign_preflights(stage: Stage) -> Verdict:
    cases = {
        f"{method} of {origin}": _asked(stage, origin, method)
        for origin in EVIL
        for method in ("GET", "POST", "PATCH", "DELETE", "PUT")
    }
    return await stage.judge(cases, lambda it: refuses(it) and allows_nothing(it))


@attack("Chrome asks before a public page reaches into this machine; a yes opens it.")
async def private_network(stage: Stage) -> Verdict:
    def asked(origin: str) -> dict[str, bytes]:
        return {
            f"{kind} of {origin}": _asked(
                stage, origin, "POST", f"Access-Control-Request-{kind}-Network: true"
            )
            for kind in ("Private", "Local")
        }

    foreign = {case: data for origin in EVIL for case, data in asked(origin).items()}
    return worst(
        await stage.judge(foreign, lambda it: refuses(it) and allows_nothing(it)),
        await stage.judge(asked(stage.origin()), _no_network),
    )


def _no_network(answer: Answer) -> bool:
    return not [name for name, _ in answer.headers if name.endswith("-network")]


@attack("`*`, or an origin that is only repeated, with credentials: every page is a friend.")
async def open_answers(stage: Stage) -> Verdict:
    evil = "Origin: http://evil.example"
    own = f"Origin: {stage.origin()}"
    cases = {
        "GET of a foreign page": stage.get("/health", evil),
        "POST of a foreign page": stage.probe(evil),
        "GET of our page": stage.get("/health", own),
        "GET without a page": stage.get("/health"),
        "OPTIONS without a page": stage.request("OPTIONS", "/conversations"),
        "an error": stage.get(f"/{stage.marker}", own),
    }
    return await stage.judge(cases, _closed)


def _closed(answer: Answer) -> bool:
    """Whether neither everybody nor a foreign origin is named, nor cookies are let through."""
    named = answer.get(f"{ALLOWS}origin")
    cookies = answer.get(f"{ALLOWS}credentials").lower() == "true"
    return named != "*" and "evil" not in named and not cookies
