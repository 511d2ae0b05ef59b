"""The bare core: the least client that can drive it, in a process of its own.

Starts `codex app-server` as the server does, starts the threads and turns with the same
parameters, and only counts what comes; with `timed` it also notes when. Says one line.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from benchmarks.lines import Words, say
from benchmarks.stats import delays
from codex_http_server.clock import new_id
from codex_http_server.engine.environment import core_environment
from codex_http_server.engine.process import find_core
from codex_http_server.engine.rpc import Peer
from codex_http_server.engine.transport import connect_socket

DEADLINE: Final = 60.0  # seconds for an answer of the core
LISTEN: Final = 15.0  # seconds for it to listen
DELTA: Final = "item/agentMessage/delta"


class Counter:
    """Counts notifications."""

    def __init__(self, turns: int, timed: bool) -> None:
        self.deltas = self.last = 0
        self.heard: list[tuple[int, bytes]] = []
        self.done = asyncio.Event()
        self._left = turns
        self._timed = timed

    def take(self, method: str, params: msgspec.Raw, _at_ms: int) -> None:
        """One notification of the core."""
        if method == DELTA:
            self.deltas += 1
            if self._timed:
                self.heard.append((time.monotonic_ns(), bytes(params)))
        elif method == "turn/completed":
            self._left -= 1
            if not self._left:
                self.last = time.monotonic_ns()
                self.done.set()


async def connect(path: str, counter: Counter) -> Peer:
    """Connect to the core as soon as it listens, and say hello."""
    peer = Peer(counter.take, lambda *_: None)
    async with asyncio.timeout(LISTEN):
        while True:
            try:
                peer.attach(await connect_socket(path, peer.receive, peer.lost))
                break
            except OSError:
                await asyncio.sleep(0.01)
    client = {"name": "codex_http_server", "title": "Codex HTTP Server", "version": "0"}
    hello = {"clientInfo": client, "capabilities": {"experimentalApi": True}}
    await peer.request("initialize", hello, deadline=DEADLINE)
    peer.notify("initialized")
    return peer


async def start_thread(peer: Peer, cwd: str) -> Words:
    """A new thread, as the core describes it."""
    return msgspec.json.decode(await peer.request("thread/start", {"cwd": cwd}, deadline=DEADLINE))


async def start_turn(peer: Peer, cwd: str, thread: Words, message: str) -> None:
    """A turn with all that the server states."""
    params: dict[str, Any] = {
        "threadId": thread["thread"]["id"],
        "input": [{"type": "text", "text": message}],
        "clientUserMessageId": new_id(),
        "cwd": cwd,
        "model": thread["model"],
        "effort": thread.get("reasoningEffort"),
        "approvalPolicy": thread["approvalPolicy"],
        "sandboxPolicy": thread["sandbox"],
    }
    await peer.request("turn/start", params, deadline=DEADLINE)


async def drive(job: Words, path: str) -> Words:
    """All turns at once; what was counted."""
    counter = Counter(job["turns"], job["timed"])
    peer = await connect(path, counter)
    cwd = job["project"]
    threads = await asyncio.gather(*(start_thread(peer, cwd) for _ in range(job["turns"])))
    began, busy = time.monotonic_ns(), time.process_time()
    await asyncio.gather(*(start_turn(peer, cwd, each, job["message"]) for each in threads))
    async with asyncio.timeout(job["timeout"]):
        await counter.done.wait()
    seconds = (counter.last - began) / 1e9
    cpu = (time.process_time() - busy) * 1e6 / max(1, counter.deltas)
    found = delays(counter.heard) if job["timed"] else {}
    return {"deltas": counter.deltas, "seconds": seconds, "cpu_us": cpu, "delays": found}


def main(job: Words) -> None:
    """Start a core, drive it, end it."""
    root, home = Path(job["root"]), job["home"]
    path = str(root / "raw.sock")
    command = [str(find_core(None)), "app-server", "--listen", f"unix://{path}"]
    environment = core_environment(os.environ | job["environment"], home, ())
    with (root / "raw.log").open("ab") as out:
        core = subprocess.Popen(
            [*command, "--disable", "shell_snapshot"],
            env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        say(**uvloop.run(drive(job, path)))
    finally:
        core.terminate()
        try:
            core.wait(3)
        except subprocess.TimeoutExpired:
            core.kill()
            core.wait(3)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
