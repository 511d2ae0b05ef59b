"""Requests whose end two readers see in different places: the rest is a request of its own.

With a proxy or a tunnel in front, such a rest is run with what the next user's connection may do.
So a request whose end is not clear must be refused and its connection closed.
"""

from __future__ import annotations

from codex_http_server.testing.attack.answers import CLOSED, Answer
from codex_http_server.testing.attack.attacks import Hole, Verdict, attack, hole, judged
from codex_http_server.testing.attack.stage import Stage, gathered, refuses

CHUNKED = "Transfer-Encoding: chunked"
LENGTHS = (
    "+4",
    "-4",
    "4 4",
    "4, 4",
    "4,5",
    "0x4",
    "4.0",
    "4e0",
    "four",
    "",
    "4;4",
    "\xb2",
    "4\x00",
)
CODINGS = (
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding: \x0bchunked",
    "Transfer-Encoding: chunked\x00",
    'Transfer-Encoding: "chunked"',
    "Transfer-Encoding: cow",
    "Transfer-Encoding:",
    "Transfer-Encoding:\r\n chunked",
    "X: y\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow",
    "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked",
)
REFUSED = (400, 411, 413, 501)


async def _unclear(stage: Stage, cases: dict[str, bytes]) -> Verdict:
    """Each must be refused, and nothing after it may be answered."""
    found = await gathered(_two(stage, data) for data in cases.values())
    holes: list[Hole] = []
    for (case, data), (first, second) in zip(cases.items(), found, strict=True):
        if second.status != CLOSED:
            holes.append(hole(f"{case}, a second answer", data, second))
        elif not refuses(first, *REFUSED):
            holes.append(hole(case, data, first))
    return judged(holes, len(cases))


async def _two(stage: Stage, data: bytes) -> tuple[Answer, Answer]:
    stage.requests += 1
    async with await stage.line() as line:
        first = await line.ask(data)
        return first, await line.answer(0.5)


@attack("The length says one end and the chunks another.")
async def length_and_chunks(stage: Stage) -> Verdict:
    smuggled = stage.get("/health")
    rest = b"0\r\n\r\n" + smuggled
    both = (f"Content-Length: {len(rest)}", CHUNKED)
    cases = {
        "the length first": stage.probe(*both, body=None) + rest,
        "the chunks first": stage.probe(*both[::-1], body=None) + rest,
        "a short length": stage.probe("Content-Length: 4", CHUNKED, body=None) + rest,
        "a length of nothing": stage.probe("Content-Length: 0", CHUNKED, body=None) + rest,
        "chunks in HTTP/1.0": stage.probe(CHUNKED, body=None, version="HTTP/1.0") + rest,
    }
    return await _unclear(stage, cases)


@attack("A coding that one reader knows and another does not.")
async def odd_codings(stage: Stage) -> Verdict:
    rest = b"0\r\n\r\n" + stage.get("/health")
    cases = {repr(each): stage.probe(each, body=None) + rest for each in CODINGS}
    return await _unclear(stage, cases)


@attack("A length that one reader takes for a number and another for none.")
async def odd_lengths(stage: Stage) -> Verdict:
    rest = b"{}  " + stage.get("/health")
    cases = {
        repr(each): stage.probe(f"Content-Length: {each}", body=None) + rest for each in LENGTHS
    }
    cases["two lengths"] = stage.probe("Content-Length: 4", "Content-Length: 0", body=None) + rest
    cases["the same twice"] = (
        stage.probe("Content-Length: 4", "Content-Length: 4", body=None) + rest
    )
    return await _unclear(stage, cases)


@attack("Chunks that are written wrongly end where the reader likes.")
async def odd_chunks(stage: Stage) -> Verdict:
    head = stage.probe(CHUNKED, body=None)
    more = stage.get("/health")
    bodies = {
        "a size of a sign": b"+2\r\n{}\r\n0\r\n\r\n",
        "a size with 0x": b"0x2\r\n{}\r\n0\r\n\r\n",
        "a negative size": b"-2\r\n{}\r\n0\r\n\r\n",
        "no size": b"\r\n{}\r\n0\r\n\r\n",
        "a size of 17 digits": b"10000000000000002\r\n{}\r\n0\r\n\r\n",
        "a space before the size": b" 2\r\n{}\r\n0\r\n\r\n",
        "a line end alone": b"2\n{}\n0\n\n",
        "a size too small": b"1\r\n{}\r\n0\r\n\r\n",
        "a return in an extension": b"2;a\rb\r\n{}\r\n0\r\n\r\n",
        "an extension of 1 MiB": b"2;%s\r\n{}\r\n0\r\n\r\n" % (b"x" * 1024 * 1024),
        "50,000 trailers": b"2\r\n{}\r\n0\r\n" + b"X-T: v\r\n" * 50_000 + b"\r\n",
        "a trailer of 1 MiB": b"2\r\n{}\r\n0\r\nX: %s\r\n\r\n" % (b"x" * 1024 * 1024),
    }
    cases = {name: head + body + more for name, body in bodies.items()}
    found = await gathered(stage.ask(data) for data in cases.values())
    holes = [
        hole(case, data, it)
        for (case, data), it in zip(cases.items(), found, strict=True)
        if not refuses(it, *REFUSED, 431)
    ]
    return judged(holes, len(cases))


@attack("The body of a request without a meaning for one is taken for the next request.")
async def bodies_of_gets(stage: Stage) -> Verdict:
    hidden = stage.request("GET", f"/{stage.marker}-hidden")
    sized = f"Content-Length: {len(hidden)}"
    cases = {
        "GET": stage.get("/health", sized) + hidden,
        "HEAD": stage.request("HEAD", "/health", sized) + hidden,
        "OPTIONS": stage.request("OPTIONS", "/health", sized) + hidden,
        "DELETE": stage.request("DELETE", "/health", sized) + hidden,
        "a refused host": stage.get("/health", sized, host="evil.example") + hidden,
        "a refused type": stage.probe(sized, kind="text/plain", body=None) + hidden,
    }
    found = await gathered(_two(stage, data) for data in cases.values())
    holes = [
        hole(f"{case}, a second answer", data, second)
        for (case, data), (_, second) in zip(cases.items(), found, strict=True)
        if second.status != CLOSED
    ]
    return judged(holes, len(cases))
