"""Pages of other origins: their requests must be refused, not only kept from reading the answer.

A page can send any GET and any "simple" POST without asking; the browser then only hides the
answer. So the Origin is checked on every method. Some requests of pages carry no Origin (images,
scripts, links): of those nothing may be readable.
"""

from __future__ import annotations

from codex_http_server.testing.attack.answers import Answer
from codex_http_server.testing.attack.attacks import Verdict, attack
from codex_http_server.testing.attack.stage import Stage, refuses

FOREIGN = (
    "http://evil.example",
    "https://evil.example",
    "http://127.0.0.1.evil.example:{port}",
    "http://localhost.evil.example:{port}",
    "http://evil.example:{port}",
    "http://127.0.0.1:1",
    "http://127.0.0.1",
    "http://localhost",
    "http://127.0.0.2:{port}",
    "https://{host}",
    "ws://{host}",
    "ftp://{host}",
    "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    "moz-extension://01234567-89ab-cdef-0123-456789abcdef",
    "app://evil",
    "vscode-webview://evil",
    "file://",
    "file://{host}",
    "data:",
    "about:blank",
)
MALFORMED = (
    "null",
    "NULL",
    "",
    "*",
    "http://",
    "http://[",
    "{host}",
    "http://user@{host}",
    "http://{host}@evil.example",
    "http://{host}.evil.example",
    "http://{host}/",
    "http://{host}/path",
    "http://{host} http://evil.example",
    "http://{host}, http://evil.example",
    "http://{host}\\.evil.example",
    "http://{host}#evil",
    "http://{host}\xa0",
)


def _filled(stage: Stage, names: tuple[str, ...]) -> list[str]:
    return [name.format(host=stage.target.host, port=stage.target.port) for name in names]


@attack("Any page that the user visits could start the agent in any directory.")
async def foreign_origins(stage: Stage) -> Verdict:
    names = _filled(stage, FOREIGN)
    return await stage.refused({name: stage.probe(f"Origin: {name}") for name in names})


@attack("A sandboxed frame, a file or a data: page sends `null`, and anybody can make one.")
async def malformed_origins(stage: Stage) -> Verdict:
    names = _filled(stage, MALFORMED)
    return await stage.refused({repr(each): stage.probe(f"Origin: {each}") for each in names}, 400)


@attack("A method that is not looked at would be open to every page.")
async def every_method(stage: Stage) -> Verdict:
    evil = "Origin: http://evil.example"
    methods = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "ATTACK")
    cases = {
        f"{method} {path}": stage.request(method, path, evil)
        for method in methods
        for path in ("/conversations", "/health", "/", f"/{stage.marker}")
    }
    cases["stream"] = stage.get("/events", evil, "Accept: text/event-stream")
    return await stage.refused(cases, 400, head_only=True)


@attack("Of two origins one is checked and the other may be believed.")
async def two_origins(stage: Stage) -> Verdict:
    evil, good = "Origin: http://evil.example", f"Origin: {stage.origin()}"
    cases = {
        "good, then foreign": stage.probe(good, evil),
        "foreign, then good": stage.probe(evil, good),
        "good, then null": stage.probe(good, "Origin: null"),
    }
    return await stage.refused(cases, 400)


@attack(
    "Images, scripts, frames and links of a page carry no Origin: a page could draw what is"
    " here into itself, or run it as its own script."
)
async def without_an_origin(stage: Stage) -> Verdict:
    def load(path: str, kind: str, mode: str = "no-cors") -> bytes:
        fetch = ("Sec-Fetch-Site: cross-site", f"Sec-Fetch-Mode: {mode}", f"Sec-Fetch-Dest: {kind}")
        return stage.get(path, "Referer: http://evil.example/", *fetch)

    cases = {
        "script": load("/conversations", "script"),
        "image": load("/conversations", "image"),
        "style": load("/events?limit=1", "style"),
        "script of health": load("/health", "script"),
        "script of an error": load(f"/{stage.marker}", "script"),
    }
    return await stage.judge(cases, unreadable)


def unreadable(answer: Answer) -> bool:
    """Whether a page can't do anything with an answer that its browser got for it."""
    if refuses(answer):
        return True
    kind = answer.get("content-type")
    plain = "json" in kind and answer.get("x-content-type-options").lower() == "nosniff"
    return plain and answer.get("cross-origin-resource-policy").lower() == "same-origin"
