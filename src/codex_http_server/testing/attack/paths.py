"""Addresses in odd spellings, and methods that nobody offers."""

from __future__ import annotations

from codex_http_server.testing.attack.answers import CLOSED, Answer
from codex_http_server.testing.attack.attacks import Verdict, attack
from codex_http_server.testing.attack.replies import leaks
from codex_http_server.testing.attack.stage import Stage, refuses

SPELLINGS = (
    "/conversations/",
    "//conversations",
    "/./conversations",
    "/x/../conversations",
    "/%2e/conversations",
    "/x/%2e%2e/conversations",
    "/%63onversations",
    "/conversations%2f",
    "/conversations%00",
    "/conversations;x=y",
    "/conversations/..;/conversations",
    "/conversations%3f",
    "/conversations%20",
    "/CONVERSATIONS",
    "/%c0%afconversations",
    "/conversations?",
    "/conversations#x",
    "/\\conversations",
    "/page/../conversations",
    "/health/../conversations",
)
OUTSIDE = (
    "/page/../app.py",
    "/page/..%2fapp.py",
    "/page/%2e%2e/app.py",
    "/page/%2e%2e%2fapp.py",
    "/page/..%5capp.py",
    "/page/....//app.py",
    "/page/%252e%252e%252fapp.py",
    "/page/..",
    "/page/.",
    "/page/",
    "/page//etc/passwd",
    "/page/%2fetc%2fpasswd",
    "/page/../../../../../../etc/passwd",
    "/page/index.html%00.js",
    "/page/index.html/",
    "/page/__pycache__",
    "/page/C:%5cWindows%5cwin.ini",
    "/../../etc/passwd",
    "/etc/passwd",
    "/.git/config",
    "/.env",
    "/server.json",
    "/log.db",
    "/static/../app.py",
    "file:///etc/passwd",
)
METHODS = ("TRACE", "CONNECT", "TRACK", "DEBUG", "PROPFIND", "MOVE", "ATTACK", "get", "GET\x00", "")


@attack("A spelling that the check does not know and the router does would slip past the check.")
async def odd_spellings(stage: Stage) -> Verdict:
    """For a caller who may not: a foreign page, and, as nobody, this sender itself."""
    evil = "Origin: http://evil.example"
    cases = {f"GET {path}": stage.get(path, evil) for path in SPELLINGS}
    kind, body = "application/json", stage.body()
    cases |= {
        f"POST {path}": stage.request("POST", path, evil, kind=kind, body=body)
        for path in SPELLINGS
    }
    return await stage.refused(cases, 400)


@attack("Odd spellings, once more, by a sender that has no right of its own.", who=("nobody",))
async def odd_spellings_of_nobody(stage: Stage) -> Verdict:
    cases = {f"GET {path}": stage.get(path) for path in SPELLINGS}
    return await stage.refused(cases, 400, *((404, 405) if stage.public else ()))


@attack("The page's files are the way to any file of the user.")
async def outside_the_page(stage: Stage) -> Verdict:
    cases = {path: stage.get(path) for path in OUTSIDE}
    return await stage.refused(cases, 400, 404, 405)


@attack("A method that shows headers (TRACE) or opens connections (CONNECT) to elsewhere.")
async def odd_methods(stage: Stage) -> Verdict:
    cases = {
        f"{method!r} {path}": stage.request(method, path)
        for method in METHODS
        for path in ("/conversations", "/health", "*", "evil.example:80")
    }
    return await stage.refused(cases, 400, 404, 405, 501)


@attack("A number or a cursor that is none takes the server down, or reads what is not there.")
async def odd_queries(stage: Stage) -> Verdict:
    values = (
        "-1",
        "1e9",
        "nan",
        "inf",
        "%00",
        "%ff",
        "9" * 5000,
        "'%20OR%201=1--",
        "[]",
        "%ed%a0%80",
    )
    names = {
        "/conversations": ("limit", "cursor", "q", "status", "archived", "working_directory"),
        "/events": ("after", "log", "limit", "wait", "heartbeat", "conversation", "account"),
    }
    cases = {
        f"{path}?{name}={value[:12]}": stage.get(f"{path}?{name}={value}")
        for path, each in names.items()
        for name in each
        for value in values
    }
    return await stage.judge(cases, _settled)


def _settled(answer: Answer) -> bool:
    """Refused in words, or answered as the search that it is; and nothing of the inside."""
    searched = answer.good and "data" in answer.json
    refused = answer.status != CLOSED and refuses(answer, 400, 404, 414, 422)
    return (searched or refused) and not leaks(answer)
