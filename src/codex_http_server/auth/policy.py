"""Who may call at all: the Host and Origin checks, before routing; and the proxy check. Pure.

A page of another site must not reach this server (Origin), also not under a name of its own
that resolves to 127.0.0.1 (Host, "DNS rebinding"). Both are refused with an error of their
own: silence towards CORS alone would still have run the request. An address that the
connection itself arrived at is a good Host: rebinding needs a name.
"""

from __future__ import annotations

import ipaddress
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

    def refusal(self, headers: Mapping[str, str], arrived: str = "") -> ServerError | None:
        """Why a request with these headers (lower-case names) is refused; None if it is not.

        `arrived` is the address of ours that its connection came to.
        """
        host = headers.get("host", "").lower()
        known = self.unix or _name(host) in self.hosts or _is_address(_name(host), arrived)
        if not known:
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
        return None

    def _origin_fits(self, origin: str, host: str) -> bool:
        if self.unix:
            return False
        if origin.lower() in self.origins:
            return True
        return same_origin(origin, host)


def same_origin(origin: str, host: str) -> bool:
    """Whether an Origin header is that of this server's own page, called by this Host header."""
    try:
        parts = urlsplit(origin.lower())
    except ValueError:  # "http://[" and the like
        return False
    return parts.scheme == "http" and bool(parts.netloc) and parts.netloc == host.lower()


def own_page(headers: Mapping[str, str]) -> bool:
    """Whether a request comes from this server's own page, or from no page at all.

    Ports are one site to a browser, so that SameSite alone would let in a page of another port.
    """
    if headers.get("sec-fetch-site", "none").lower() not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or same_origin(origin, headers.get("host", ""))


def forwarded(headers: Mapping[str, str]) -> ServerError | None:
    """Why a request without a token is refused if a proxy sent it; None if it is not.

    Through a proxy on this machine the whole world would look local.
    """
    if not any(name in headers for name in FORWARDED):
        return None
    return ForwardedNotAllowed(
        "The request came through a proxy, and has no token.",
        hint="Call the server directly, or send a token: Authorization: Bearer …",
    )


def is_loopback(address: str) -> bool:
    """Whether an address (of a peer, or to listen on) is of this machine only."""
    found = _address(address)
    return address == "localhost" or (found is not None and found.is_loopback)


_NO_PAGES: Final = "No page can reach a Unix socket: send no Origin."


def gate(allow_hosts: Collection[str], allow_origins: Collection[str], unix: bool = False) -> Gate:
    """The gate of a server, or of a Unix socket: loopback names and those that are given."""
    return Gate(
        LOOPBACK | {host.lower() for host in allow_hosts},
        frozenset(origin.lower() for origin in allow_origins),
        unix,
    )


def _name(host: str) -> str:
    """`127.0.0.1:3032` → `127.0.0.1`, `[::1]:3032` → `[::1]`; what is neither stays whole."""
    found = _HOST.fullmatch(host)
    return found[1] if found else host


def _is_address(name: str, arrived: str) -> bool:
    """Whether the name in a Host header is the address at which the connection arrived."""
    if not arrived or name.startswith("[") != (":" in name):
        return False
    found = _address(name.strip("[]"))
    return found is not None and found == _address(arrived)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address without zone; one of IPv4 as such, also where the socket is of IPv6."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
