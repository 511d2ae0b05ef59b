"""Who may call at all: the Host, Origin and proxy checks, before routing. Pure.

A page of another site must not reach this server (Origin), also not under a name of its own
that resolves to 127.0.0.1 (Host, "DNS rebinding"). Both are refused with an error of their
own: silence towards CORS alone would still have run the request.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from codex_http_server.errors import (
    ForwardedNotAllowed,
    HostNotAllowed,
    OriginNotAllowed,
    ServerError,
)

_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::\d+)?")
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto")


@dataclass(frozen=True)
class Gate:
    """What is let through: host names (without port) and exact origins."""

    hosts: frozenset[str]
    origins: frozenset[str]
    unix: bool = False  # no browser can call: any Host will do, and no Origin

    def refusal(self, headers: Mapping[str, str]) -> ServerError | None:
        """Why a request with these headers (lower-case names) is refused; None if it is not."""
        host = headers.get("host", "").lower()
        if not self.unix and _name(host) not in self.hosts:
            return HostNotAllowed(
                f"The Host header {host[:200]!r} is not a name of this server.",
                hint="Call it as 127.0.0.1 or localhost, or add the name with --allow-host.",
            )
        origin = headers.get("origin")
        if origin is not None and not self._origin_fits(origin, host):
            return OriginNotAllowed(
                f"Pages of {origin[:200]} may not call this server.",
                hint=_NO_PAGES
                if self.unix
                else "Name the origin with --allow-origin; a page without one (a file, a sandboxed"
                " frame) must first get one, http://… or app://…",
            )
        if any(name in headers for name in FORWARDED):
            return ForwardedNotAllowed(
                "The request came through a proxy, and none is configured.",
                hint="Call the server directly.",
            )
        return None

    def _origin_fits(self, origin: str, host: str) -> bool:
        if self.unix:
            return False
        if origin.lower() in self.origins:
            return True
        try:
            parts = urlsplit(origin.lower())
        except ValueError:  # "http://[" and the like
            return False
        return parts.scheme == "http" and bool(parts.netloc) and parts.netloc == host


_NO_PAGES: Final = "No page can reach a Unix socket: send no Origin."


def gate(allow_hosts: Collection[str], allow_origins: Collection[str], unix: bool = False) -> Gate:
    """The gate of a server on loopback, or on a Unix socket."""
    return Gate(
        LOOPBACK | {host.lower() for host in allow_hosts},
        frozenset(origin.lower() for origin in allow_origins),
        unix,
    )


def _name(host: str) -> str:
    """`127.0.0.1:3032` → `127.0.0.1`, `[::1]:3032` → `[::1]`; what is neither stays whole."""
    found = _HOST.fullmatch(host)
    return found[1] if found else host
