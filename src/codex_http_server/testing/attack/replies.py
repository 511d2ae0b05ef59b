"""What the server's own answers give away, or let a browser do with them."""

from __future__ import annotations

from typing import Final

from codex_http_server.testing.attack.answers import CLOSED, Answer
from codex_http_server.testing.attack.attacks import Verdict, attack
from codex_http_server.testing.attack.stage import Stage, refuses

LEAKS: Final = (b"Traceback", b"codex_http_server/", b"site-packages", b"sqlite", b"pydantic",
                b"asyncio", b'.py"', b"Exception", b"/home/")  # fmt: skip
MARKUP: Final = "<script>alert(1)</script>"
SAID_MOST: Final = 4096  # bytes of a refusal, however long what was refused


def leaks(answer: Answer) -> bool:
    """Whether an answer shows the inside of the server."""
    return any(text in answer.body for text in LEAKS)


def _everything(stage: Stage) -> dict[str, bytes]:
    """One request for every kind of answer."""
    cases = {
        "200": stage.get("/health"),
        "200 list": stage.get("/conversations"),
        "200 HEAD": stage.request("HEAD", "/health"),
        "200 page": stage.get("/"),
        "200 script": stage.get("/page/page.js"),
        "200 stream": stage.get("/events?after=latest", "Accept: text/event-stream"),
        "200 document": stage.get("/openapi.json"),
        "404": stage.get(f"/{stage.marker}"),
        "404 conversation": stage.get("/conversations/00000000-0000-7000-8000-000000000000"),
        "404 page": stage.get("/page/none.js"),
        "405": stage.request("DELETE", "/health"),
        "400": stage.get("/events?after=x"),
        "403": stage.get("/health", "Origin: http://evil.example"),
        "415": stage.probe(kind="text/plain"),
        "422": stage.probe(),
        "not HTTP": b"this is no request\r\n\r\n",
    }
    if not stage.target.path:
        cases["421"] = stage.get("/health", host="evil.example")
    return cases


@attack("A browser guesses at what it was not told: an answer becomes a script, a page, a frame.")
async def security_headers(stage: Stage) -> Verdict:
    return await stage.judge(_everything(stage), _guarded, head_only=True)


def _guarded(answer: Answer) -> bool:
    if answer.status == CLOSED:
        return not answer.silent
    return (
        answer.get("x-content-type-options").lower() == "nosniff"
        and answer.get("referrer-policy").lower() == "no-referrer"
        and answer.get("cross-origin-resource-policy").lower() == "same-origin"
        and not ("text/html" in answer.get("content-type") and _page_faults(answer))
    )


@attack(
    "A page without a policy runs whatever text of a conversation gets into it, and may be"
    " framed under a foreign one."
)
async def page_policy(stage: Stage) -> Verdict:
    cases = {"/": stage.get("/"), "/page/index.html": stage.get("/page/index.html")}
    return await stage.judge(cases, lambda it: refuses(it, 404) or not _page_faults(it))


def _page_faults(answer: Answer) -> list[str]:
    """What the page's policy lacks."""
    pairs = (part.split(None, 1) for part in answer.get("content-security-policy").split(";"))
    policy = {pair[0]: pair[1].strip() if len(pair) > 1 else "" for pair in pairs if pair}
    scripts = policy.get("script-src", policy.get("default-src", "*")).split()
    checks = {
        "default-src 'none'": policy.get("default-src") == "'none'",
        "scripts of its own only": set(scripts) <= {"'self'", "'none'"},
        "connect-src 'self'": policy.get("connect-src") in ("'self'", "'none'"),
        "base-uri": policy.get("base-uri") == "'none'",
        "form-action": policy.get("form-action") == "'none'",
        "frame-ancestors": policy.get("frame-ancestors") == "'none'",
        "nosniff": answer.get("x-content-type-options").lower() == "nosniff",
        "no-referrer": answer.get("referrer-policy").lower() == "no-referrer",
    }
    return [name for name, good in checks.items() if not good]


@attack("A refusal that shows files, versions or traces tells an attacker where to look next.")
async def leaking_errors(stage: Stage) -> Verdict:
    cases = _everything(stage) | {
        "a bad id": stage.get("/conversations/%00%ff"),
        "a bad query": stage.get("/conversations?limit=x&cursor=%00&q=%ff"),
        "a long query": stage.get(f"/conversations?limit={'9' * 5000}"),
        "a bad number": stage.get("/events?wait=nan"),
        "a bad header": stage.get("/events", "Last-Event-ID: \xff"),
        "a bad key": stage.request("POST", f"/{stage.marker}", f"Idempotency-Key: {'k' * 300}"),
        "no JSON": stage.probe(body=b"{"),
    }
    refusals = {case: data for case, data in cases.items() if not case.startswith("200")}
    return await stage.judge(refusals, _says_little)


def _says_little(answer: Answer) -> bool:
    if answer.status == CLOSED:
        return not answer.silent
    named = answer.get("server") or answer.get("x-powered-by")
    return 400 <= answer.status < 500 and not leaks(answer) and not named


@attack("What is sent comes back as a page, or as a header, and runs in the user's browser.")
async def reflected_text(stage: Stage) -> Verdict:
    escaped = "%3Cscript%3Ealert(1)%3C/script%3E"
    cases = {
        "path": stage.get(f"/{escaped}"),
        "raw path": stage.get(f"/{MARKUP}"),
        "query": stage.get(f"/conversations?cursor={escaped}"),
        "id": stage.get(f"/conversations/{escaped}"),
        "file": stage.get(f"/page/{escaped}"),
        "host": stage.get("/health", host=MARKUP),
        "origin": stage.get("/health", f"Origin: http://{MARKUP}"),
        "cursor": stage.get("/events", f"Last-Event-ID: {MARKUP}"),
        "request id": stage.get("/health", f"X-Request-Id: {MARKUP}"),
        "line ends in a request id": stage.get("/health", "X-Request-Id: a%0d%0aSet-Cookie: a=b"),
        "line ends in a path": stage.get("/%0d%0aSet-Cookie:%20a=b"),
        "a long path": stage.get(f"/{'a' * 12_000}"),
    }
    return await stage.judge(cases, _harmless)


def _harmless(answer: Answer) -> bool:
    if answer.status == CLOSED:
        return not answer.silent
    headers = " ".join(value for _, value in answer.headers)
    kind = answer.get("content-type")
    return (
        MARKUP not in headers
        and not answer.all("set-cookie")
        and "Set-Cookie" not in headers
        and (answer.good or len(answer.body) <= SAID_MOST)
        and (
            "json" in kind or (kind.startswith("text/plain") and MARKUP.encode() not in answer.body)
        )
    )
