"""Many connections at once: whatever one sender does, others must be served meanwhile."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Final

from codex_http_server.testing.attack.answers import Answer
from codex_http_server.testing.attack.attacks import Verdict, attack, broken, held, hole, worst
from codex_http_server.testing.attack.stage import Stage, gathered, refuses
from codex_http_server.testing.attack.wire import Line, Unreachable

SLOW: Final = 120  # connections with half a request
PIPELINED: Final = 2000  # requests on one connection
DRIP: Final = 0.5  # seconds between two bytes of a slow head
SPARE: Final = 100  # file descriptors that this process needs for other things


def connections(most: int) -> int:
    """How many connections this process may open, up to `most`."""
    if sys.platform == "win32":
        return most
    import resource  # noqa: PLC0415 # not on Windows

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(most, soft - SPARE))


@attack("A few hundred streams that nobody reads would leave no room for anybody.", alone=True)
async def unread_streams(stage: Stage) -> Verdict:
    data = stage.get("/events", "Accept: text/event-stream")
    lines: list[Line] = []
    try:
        for _ in range(connections(stage.limits.flood)):
            lines.append(await stage.line())
            await lines[-1].send(data)
        await gathered(line.answer(5, head_only=True) for line in lines[-20:])
        during = await stage.alive()
    except Unreachable:
        return broken(f"nobody could connect beside {len(lines)} streams")
    finally:
        _close(lines)
    stage.requests += len(lines)
    after = await stage.alive()
    return worst(
        _served(f"beside {len(lines)} streams", data, during),
        _served(f"after {len(lines)} streams", data, after),
    )


@attack(
    "Half a request for ever: a hundred clients that send a byte now and then fill the server.",
    alone=True,
)
async def slow_heads(stage: Stage) -> Verdict:
    begins = stage.get("/health").removesuffix(b"\r\n")
    lines = [await stage.line() for _ in range(SLOW)]
    start = time.monotonic()
    served: list[Verdict] = []
    try:
        for number, line in enumerate(lines):
            if number % 3:  # every third one says nothing at all
                await line.send(begins)
        while time.monotonic() - start < stage.limits.head:
            await asyncio.sleep(DRIP)
            open_ = [line for line in lines if not line.closed]
            if not open_:
                break
            for number, line in enumerate(open_):
                if number % 3:
                    await line.send(b"X: y\r\n" if number % 2 else b"X")
            served.append(_served("beside slow heads", begins, await stage.alive()))
        left = sum(not line.closed for line in lines)
    finally:
        _close(lines)
    seconds = time.monotonic() - start
    if left:
        why = f"{left} of {SLOW} are still waited for after {stage.limits.head:g} s"
        served.append(broken(why, hole("half a head", begins, "nothing, line open")))
    return worst(*served, held(f"cut after {seconds:.0f} s"))


@attack("Thousands of requests on one connection, and not an answer read.", alone=True)
async def pipelined(stage: Stage) -> Verdict:
    data = stage.get("/openapi.json") * PIPELINED
    stage.requests += 1
    async with await stage.line() as line:
        sending = asyncio.create_task(line.send(data))
        first = await line.answer()
        found = await stage.alive()
        sending.cancel()
    fits = first.good or refuses(first, 400, 413, 431)
    odd = None if fits else first
    return worst(_served("beside the pipeline", data, found), _served("the first", data, odd))


def _close(lines: Sequence[Line]) -> None:
    for line in lines:
        line.close()


def _served(case: str, data: bytes, odd: Answer | None) -> Verdict:
    """Broken if an honest request got this odd answer; None is as ever."""
    if odd is None:
        return held()
    return broken(f"{case} an honest request got {odd}", hole(case, data, odd))
