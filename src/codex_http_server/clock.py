"""Time and new ids, in one place, so that both are parameters and not hidden inputs."""

from __future__ import annotations

import os
import time
import uuid
from datetime import UTC, datetime
from functools import lru_cache


def now_ms() -> int:
    """Wall-clock time in milliseconds since 1970 (UTC)."""
    return time.time_ns() // 1_000_000


def rfc3339(ms: int) -> str:
    """`ms` since 1970 as an RFC 3339 timestamp with milliseconds, in UTC."""
    return f"{_second(ms // 1000)}{ms % 1000:03d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    """The part that all events of a second share: making it is most of rendering an event."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.")


def new_id() -> str:
    """A UUIDv7 (RFC 9562 section 5.7): 48 bits of milliseconds, then random bits.

    Ids made later sort later, down to the millisecond. `uuid.uuid7` comes with Python 3.14.
    """
    value = (now_ms() << 80) | int.from_bytes(os.urandom(10), "big")
    value &= ~(0xF000 << 64)
    value |= 0x7000 << 64
    value &= ~(0xC000 << 48)
    value |= 0x8000 << 48
    return str(uuid.UUID(int=value))
