"""What a proxy adds: through one on this machine the whole world would look local.

And headers by which some frameworks let the sender choose another address, path or method.
"""

from __future__ import annotations

from codex_http_server.testing.attack.answers import Answer
from codex_http_server.testing.attack.attacks import Verdict, attack
from codex_http_server.testing.attack.stage import Stage, refuses

FORWARDED = (
    "Forwarded: for=203.0.113.9",
    "Forwarded: for=127.0.0.1;host=localhost;proto=http",
    "X-Forwarded-For: 203.0.113.9",
    "X-Forwarded-For: 127.0.0.1",
    "X-Forwarded-For:",
    "x-FORWARDED-for: ::1",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Port: 443",
    "X-Forwarded-Server: proxy.example",
    "X-Forwarded-Prefix: /x",
)
CLAIMS = (
    "X-Real-IP: 127.0.0.1",
    "X-Client-IP: 127.0.0.1",
    "True-Client-IP: 127.0.0.1",
    "X-Remote-Addr: 127.0.0.1",
    "X-Remote-User: root",
    "X-Original-URL: /conversations",
    "X-Rewrite-URL: /conversations",
    "X-Original-Host: evil.example",
    "X-Host: evil.example",
    "Content-Location: /conversations",
)


@attack(
    "A forgotten proxy would open the server to everybody whom the proxy serves.", who=("caller",)
)
async def forwarded(stage: Stage) -> Verdict:
    """With a token these headers mean nothing: so they are tried without one."""
    return await stage.refused({each: stage.probe(each, token="") for each in FORWARDED}, 400)


@attack("A header would choose who the sender is, or which page it sees.")
async def claims(stage: Stage) -> Verdict:
    cases = {each: stage.get("/health", each) for each in CLAIMS}
    return await stage.judge(cases, lambda it: refuses(it, 400) or _is_health(it))


@attack("A GET or a POST that a page may send would become a DELETE that it may not.")
async def other_methods(stage: Stage) -> Verdict:
    names = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
    cases = {
        f"{name}: GET": stage.request("POST", "/health", f"{name}: GET", body=b"") for name in names
    }
    cases["?_method=GET"] = stage.request("POST", "/health?_method=GET", body=b"")
    return await stage.refused(cases, 400, 405)


def _is_health(answer: Answer) -> bool:
    return answer.good and "status" in answer.json and "data" not in answer.json
