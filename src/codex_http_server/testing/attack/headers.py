"""Too many headers, too long ones, and lines that two readers could take for different things."""

from __future__ import annotations

from typing import Final

from codex_http_server.testing.attack.attacks import Verdict, attack
from codex_http_server.testing.attack.stage import Stage

MIB: Final = 1024 * 1024
TOO_MUCH: Final = (400, 414, 431, 494)


@attack("Every header is kept until its request is answered: a few thousand fill the memory.")
async def floods(stage: Stage) -> Verdict:
    def lines(count: int, size: int) -> list[str]:
        return [f"X-{number}: {'v' * size}" for number in range(count)]

    cases = {
        "200 headers": stage.probe(*lines(200, 1)),
        "10,000 headers": stage.probe(*lines(10_000, 1)),
        "100,000 headers": stage.probe(*lines(100_000, 1)),
        "90 headers of 1,000 bytes": stage.probe(*lines(90, 1000)),
        "1,000 times the same": stage.probe(*["X-A: b"] * 1000),
        "1,000 cookies": stage.probe(*["Cookie: a=b"] * 1000),
    }
    return await stage.refused(cases, *TOO_MUCH)


@attack("One header of a megabyte, or one address.")
async def long_lines(stage: Stage) -> Verdict:
    long = "v" * MIB
    cases = {
        "a value of 1 MiB": stage.probe(f"X-Long: {long}"),
        "a value of 70 KB": stage.probe(f"X-Long: {long[:70_000]}"),
        "a name of 1 MiB": stage.probe(f"X-{long}: v"),
        "a Host of 1 MiB": stage.probe(host=long),
        "an Origin of 1 MiB": stage.probe(f"Origin: http://{long}"),
        "a cookie of 1 MiB": stage.probe(f"Cookie: {long}"),
        "a type of 1 MiB": stage.probe(kind=f"application/json; {long}"),
        "an address of 1 MiB": stage.get(f"/conversations?q={long}"),
        "an address of 70 KB": stage.get(f"/conversations?q={long[:70_000]}"),
        "a method of 1 MiB": stage.request(long, "/conversations"),
        "a head of 1 MiB that does not end": stage.get("/health").removesuffix(b"\r\n")
        + b"X: v\r\n" * (MIB // 6),
    }
    return await stage.refused(cases, *TOO_MUCH, 405, 415, 421)


@attack("One program sees two headers where the next sees one: what it checked is not what is run.")
async def malformed_lines(stage: Stage) -> Verdict:
    lines = {
        "a folded line": "X-A: b\r\n c",
        "a folded Host": "X-A: b\r\n\tHost: evil.example",
        "a line end alone": "X-A: b\nX-C: d",
        "a return alone": "X-A: b\rX-C: d",
        "NUL in a value": "X-A: b\x00c",
        "NUL in a name": "X-\x00A: b",
        "a space before the colon": "X-A : b",
        "a space before the name": " X-A: b",
        "no colon": "X-A",
        "no name": ": b",
        "a name with a bracket": "X[A]: b",
        "a name with a comma": "X,A: b",
        "a name beyond ASCII": "X-\xc4: b",
        "DEL in a value": "X-A: b\x7fc",
        "a bell in a value": "X-A: b\x07c",
    }
    cases = {name: stage.probe(line) for name, line in lines.items()}
    cases["lines without returns"] = stage.probe().replace(b"\r\n", b"\n")
    return await stage.refused(cases, 400)


@attack("A request of another protocol, or of none, could be read as one that passes the checks.")
async def other_protocols(stage: Stage) -> Verdict:
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
    cases = {
        "HTTP/2 begins": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
        "HTTP/2.0": stage.probe(version="HTTP/2.0"),
        "HTTP/1.2": stage.probe(version="HTTP/1.2"),
        "HTTP/9.9": stage.probe(version="HTTP/9.9"),
        "HTTP/0.9": b"GET /conversations\r\n\r\n",
        "http/1.1": stage.probe(version="http/1.1"),
        "TLS begins": bytes.fromhex("160301006d0100006903036a") + bytes(100) + b"\r\n\r\n",
        "h2c with a body": stage.probe(*upgrade, "Upgrade: h2c"),
        "SMTP": b"EHLO localhost\r\n\r\n",
        "Redis": b"*1\r\n$4\r\nPING\r\n\r\n",
    }
    return await stage.refused(cases, 400, 421, 426, 505)


@attack("A page of any origin may open a WebSocket, and browsers ask nobody.")
async def web_sockets(stage: Stage) -> Verdict:
    asks = (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    paths = ("/", "/events", "/app-server", "/conversations", f"/{stage.marker}")
    cases = {path: stage.get(path, *asks, "Origin: http://evil.example") for path in paths}
    cases |= {f"{path} of nobody": stage.get(path, *asks, token="") for path in paths}
    return await stage.judge(cases, lambda answer: answer.status != 101, head_only=True)
