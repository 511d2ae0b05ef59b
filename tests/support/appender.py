"""Appends to a log until it is killed, and prints what is committed: `position seq number`.

Started by tests as `python -m tests.support.appender FOLDER`. Positions are printed from
`on_commit`, so a printed one was committed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import defaultdict
from pathlib import Path

from codex_http_server.eventlog.sqlite import SqliteLog
from codex_http_server.events import Draft, Event, raw
from codex_http_server.records import ConversationRecord

CONVERSATIONS = ("a", "b", None)


def tell(events: list[Event]) -> None:
    """Print the committed events, in one write."""
    lines = [f"{e.position} {e.seq} {bytes(e.data).decode()}\n" for e in events]
    os.write(1, "".join(lines).encode())


async def append(folder: Path) -> None:
    """Append in batches of all sizes, seldom waiting for the disk."""
    log = SqliteLog(folder / "log.db", folder / "home", tell)
    log.open()
    numbers: defaultdict[str | None, int] = defaultdict(int)
    for uid in CONVERSATIONS[:2]:
        assert uid is not None
        log.append(uid, (), (ConversationRecord(id=uid, thread_id="", working_directory="/"),))
    for turn in range(1_000_000):
        uid = CONVERSATIONS[turn % 3]
        batch = [Draft("x", raw({"n": turn, "i": i}), at_ms=turn) for i in range(turn % 7)]
        log.append(uid, batch)
        numbers[uid] += len(batch)
        if turn % 40 == 0:
            await log.durable()


if __name__ == "__main__":
    asyncio.run(append(Path(sys.argv[1])))
