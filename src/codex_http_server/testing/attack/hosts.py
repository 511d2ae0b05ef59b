"""Names that are not this server's: a page whose own name resolves to 127.0.0.1 must not get in.

Such a page ("DNS rebinding") is of the same origin as the server to its browser, which lets it
read everything; only the Host header gives it away. How an address is spelled is no matter of
rebinding, which needs a name: but browsers write addresses in one way only.
"""

from __future__ import annotations

from codex_http_server.testing.attack.attacks import Verdict, attack
from codex_http_server.testing.attack.stage import Stage

FOREIGN = (
    "evil.example",
    "EVIL.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "127.0.0.1-evil.example",
    "evil.example.",
    "localhost.localdomain.evil",
    "xn--lcalhost-3wb.example",
    "169.254.169.254",
    "192.168.1.1",
)
MALFORMED = (
    "",
    " ",
    ":{port}",
    "127.0.0.1@evil.example",
    "evil.example@127.0.0.1",
    "user:word@localhost",
    "localhost,evil.example",
    "localhost evil.example",
    "localhost/evil.example",
    "localhost#evil.example",
    "localhost:{port}:80",
    "[::1]evil.example",
    "[::1",
    "::1",
    "http://localhost:{port}",
    "127.0.0.1%00.evil.example",
    "l\xf6calhost",
)
SPELLINGS = ("2130706433", "0177.0.0.1", "0x7f000001", "0x7f.1", "127.1", "127.0.0.01", "0")


@attack(
    "A page of another site could read every conversation and drive the agent.",
    pages=True,
)
async def foreign_names(stage: Stage) -> Verdict:
    port = stage.target.port
    names = [*FOREIGN, *(f"{name}:{port}" for name in FOREIGN)]
    return await stage.refused({name: stage.probe(host=name) for name in names}, 400, 421)


@attack(
    "A page whose name resolves to this machine could read what is here: its GETs and its"
    " own-origin POSTs look honest but for the Host.",
    pages=True,
)
async def rebinding(stage: Stage) -> Verdict:
    name = f"rebind.evil.example:{stage.target.port}"
    own = f"Origin: http://{name}"
    same = "Sec-Fetch-Site: same-origin"
    cases = {
        "list": stage.get("/conversations", same, host=name),
        "events": stage.get("/events", "Accept: text/event-stream", same, host=name),
        "page": stage.get("/", "Sec-Fetch-Mode: navigate", host=name),
        "health": stage.get("/health", host=name),
        "api": stage.get("/openapi.json", host=name),
        "post of its own origin": stage.probe(own, same, host=name),
        "post of our origin": stage.probe(f"Origin: {stage.origin()}", host=name),
        "nothing there": stage.get(f"/{stage.marker}", host=name),
    }
    return await stage.refused(cases, 421, head_only=True)


@attack(
    "What reads the Host in another way than the server does could be led past the check.",
    pages=True,
)
async def malformed_names(stage: Stage) -> Verdict:
    names = [name.format(port=stage.target.port) for name in MALFORMED]
    return await stage.refused({repr(name): stage.probe(host=name) for name in names}, 400, 421)


@attack(
    "An address in disguise could stand for another machine's in a proxy before the server.",
    pages=True,
)
async def spelled_addresses(stage: Stage) -> Verdict:
    names = [f"{name}:{stage.target.port}" for name in SPELLINGS]
    return await stage.refused({name: stage.probe(host=name) for name in names}, 400, 421)


@attack(
    "Without a Host there is nothing to tell a page's request by.",
    pages=True,
)
async def no_name(stage: Stage) -> Verdict:
    cases = {
        "HTTP/1.1": stage.probe(host=None),
        "HTTP/1.0": stage.probe(host=None, version="HTTP/1.0"),
        "GET in HTTP/1.0": stage.get("/conversations", host=None, version="HTTP/1.0"),
    }
    return await stage.refused(cases, 400, 421)


@attack("Of two names one is checked and the other may be believed.")
async def two_names(stage: Stage) -> Verdict:
    evil, good = "Host: evil.example", f"Host: {stage.target.host}"
    cases = {
        "good, then foreign": stage.probe(evil),
        "foreign, then good": stage.probe(good, host="evil.example"),
        "the same twice": stage.probe(good),
        "good, then empty": stage.probe("Host:"),
    }
    return await stage.refused(cases, 400, 421)


@attack("The name in a whole URL counts before the Host header, so it must be checked, or refused.")
async def whole_urls(stage: Stage) -> Verdict:
    def post(url: str, **given: str) -> bytes:
        kind, body = "application/json", stage.body()
        return stage.request("POST", url, kind=kind, body=body, **given)

    ours = f"http://{stage.target.host}/conversations"
    cases = {
        "foreign URL, good Host": post("http://evil.example/conversations"),
        "foreign URL and Host": post("http://evil.example/conversations", host="evil.example"),
        "good URL, foreign Host": post(ours, host="evil.example"),
        "with a user": post(f"http://user@{stage.target.host}/conversations", host="evil.example"),
        "another scheme": post("gopher://evil.example/conversations"),
    }
    return await stage.refused(cases, 400, 421)
