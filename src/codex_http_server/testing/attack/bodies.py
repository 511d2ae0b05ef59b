"""Bodies that are not JSON, that are too large, or that never end."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from collections.abc import Iterator
from typing import Final

from codex_http_server.testing.attack.answers import CLOSED, Answer
from codex_http_server.testing.attack.attacks import (
    Verdict,
    attack,
    broken,
    held,
    hole,
    judged,
    skipped,
)
from codex_http_server.testing.attack.stage import Stage, refuses

MIB: Final = 1024 * 1024
TAKEN_MOST: Final = 64 * MIB  # bytes of a body past which it is endless
DRIP: Final = 0.5  # seconds between two bytes of a slow body
FORM: Final = "application/x-www-form-urlencoded"
SIMPLE: Final = (
    "text/plain",
    "text/plain; charset=utf-8",
    "TEXT/PLAIN",
    FORM,
    "multipart/form-data; boundary=x",
    "text/plain; application/json",
    f"{FORM}; x=application/json",
    "text/plain, application/json",
    "application/json, text/plain",
    "application/jsonp",
    "application/json-patch+json",
    "application/jsonx; a=b",
    "text/json",
    "application/x-json",
    "*/*",
    "",
    "json",
)


@attack("An upload takes a body that is no JSON: with a form's type a page could send it.")
async def simple_uploads(stage: Stage) -> Verdict:
    image = b"\x89PNG\r\n\x1a\n"
    cases = {
        repr(kind): stage.request("POST", "/uploads", kind=kind, body=image) for kind in SIMPLE
    }
    script = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
    for kind in ("image/svg+xml", "image/png"):
        cases[f"a script as {kind}"] = stage.request("POST", "/uploads", kind=kind, body=script)
    return await stage.refused(cases, 415)


@attack("Forms and plain text are what a page may send without asking: its POST would be run.")
async def simple_posts(stage: Stage) -> Verdict:
    cases = {repr(kind): stage.probe(kind=kind) for kind in SIMPLE}
    cases["no type"] = stage.probe(kind=None)
    cases["two types"] = stage.probe("Content-Type: application/json", kind="text/plain")
    cases["two types, JSON first"] = stage.probe("Content-Type: text/plain")
    as_form = b'{"working_directory":"/%s","title":"=","model":"x"}' % stage.marker.encode()
    cases["a form that is JSON"] = stage.probe(kind=FORM, body=as_form)
    return await stage.refused(cases, 400, 415)


@attack("Bodies that fill the memory.")
async def oversized_by_length(stage: Stage) -> Verdict:
    sizes = (TAKEN_MOST, 10 * 1024 * MIB, 2**63 - 1, 2**64, 10**30)
    cases = {
        f"{size:,} bytes": stage.probe(f"Content-Length: {size}", body=None) + b'{"a":"'
        for size in sizes
    }
    return await stage.refused(cases, 400, 413)


@attack("A body in chunks says nowhere how large it is.")
async def oversized_by_chunks(stage: Stage) -> Verdict:
    head = stage.probe("Transfer-Encoding: chunked", body=None)
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield head
        chunk = b"10000\r\n%s\r\n" % (b" " * 65536)
        while sent < TAKEN_MOST:
            sent += 65536
            yield chunk

    answer = await stage.ask(endless(), 20)
    if refuses(answer, 413) and sent < TAKEN_MOST:
        return held(f"cut after {sent / MIB:.0f} MiB")
    return broken(f"{sent / MIB:.0f} MiB were taken", hole("in chunks", head, answer))


@attack("A client that asks first (Expect) would be told to send what will be refused.")
async def told_to_go_on(stage: Stage) -> Verdict:
    expect = "Expect: 100-continue"
    cases = {
        "too large": stage.probe(expect, f"Content-Length: {TAKEN_MOST}", body=None),
        "foreign origin": stage.probe(expect, "Origin: http://evil.example"),
    }
    if not stage.target.path:
        cases["foreign host"] = stage.probe(expect, host="evil.example")
    fits = (400, 413, 417, 421)
    return await stage.judge(cases, lambda it: refuses(it, *fits) and 100 not in it.interim)


@attack("A few bytes that grow a thousandfold when they are unpacked.")
async def packed(stage: Stage) -> Verdict:
    plain = stage.body()
    bomb = gzip.compress(b" " * (20 * MIB), 9)
    packs = {
        "gzip": gzip.compress(plain),
        "x-gzip": gzip.compress(plain),
        "deflate": zlib.compress(plain),
        "gzip, gzip": gzip.compress(gzip.compress(plain)),
        "gzip bomb": bomb,
    }
    cases = {
        name: stage.probe(f"Content-Encoding: {name.removesuffix(' bomb')}", body=body)
        for name, body in packs.items()
    }
    cases["Transfer-Encoding: gzip"] = stage.probe("Transfer-Encoding: gzip", body=None)
    return await stage.refused(cases, 400, 413, 415, 501)


@attack("A hundred clients that send a body bit by bit would leave no room for others.", alone=True)
async def slow_bodies(stage: Stage) -> Verdict:
    head = stage.probe("Content-Length: 1000", body=None)
    lines = [await stage.line() for _ in range(120)]
    try:
        for line in lines:
            await line.send(head + b"{")
        for _ in range(3):
            await asyncio.sleep(DRIP)
            for line in lines:
                await line.send(b" ")
            found = await stage.alive()
            if found is not None:
                return broken("others were not served", hole("120 lines", head, found))
    finally:
        for line in lines:
            line.close()
    return held()


@attack("A body that never ends would hold its place for ever.")
async def endless_body(stage: Stage) -> Verdict:
    most = stage.limits.body
    if most is None:
        return skipped("takes 40 s: ask for it with --patient")
    head = stage.probe("Content-Length: 1000", body=None)
    start, answer = time.monotonic(), Answer(CLOSED, silent=True)
    async with await stage.line() as line:
        await line.send(head)
        while time.monotonic() - start < most:
            await line.send(b" ")
            answer = await line.answer(DRIP)
            if answer.status != CLOSED or not answer.silent:
                fits = refuses(answer, 408)
                return judged([] if fits else [hole("answered", head, answer)], 1)
    return broken(f"still waited for after {most:g} s", hole("a byte at a time", head, answer))


@attack("A body that stops half-way would be acted on, or hold its place.")
async def half_a_body(stage: Stage) -> Verdict:
    body = stage.body()
    head = stage.probe(f"Content-Length: {len(body) + 10}", body=None)
    async with await stage.line() as line:
        await line.send(head + body)
        answer = await line.answer(1)
    fits = answer.silent or refuses(answer)
    return judged([] if fits else [hole("half a body", head + body, answer)], 1)
