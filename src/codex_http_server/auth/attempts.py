"""Wrong tokens, counted by address, so that guessing is slow and shows. Pure but for its clock."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from codex_http_server.errors import TooManyAttempts

ALLOWED: Final = 10  # wrong ones from one address in a window
WINDOW: Final = 60.0  # seconds
MOST: Final = 10_000  # addresses that are remembered


class Attempts:
    """How many wrong tokens each address has sent in its present window."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, int]] = OrderedDict()  # end of window, count

    def wrong(self, address: str) -> None:
        """Count one. Raises `TooManyAttempts` past the limit."""
        key, now = _network(address), self._clock()
        end, count = self._known.get(key, (0.0, 0))
        if end <= now:
            end, count = now + WINDOW, 0
        self._known[key] = (end, count + 1)
        self._known.move_to_end(key)
        while len(self._known) > MOST:
            self._known.popitem(last=False)
        if count >= ALLOWED:
            raise TooManyAttempts(
                f"More than {ALLOWED} wrong tokens came from {key} within a minute.",
                math.ceil(end - now),
                hint="A right token is taken at any time.",
            )


def _network(address: str) -> str:
    """An IPv6 host has a whole /64 to call from."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4 or found.is_loopback or found.ipv4_mapped is not None:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False))
