"""Where the server is: a base URL, read and resolved."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

UNIX: Final = "unix:"
PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Target:
    """A server to attack. `addresses` is what its name stands for; empty for a Unix socket."""

    url: str
    host: str  # the honest Host header
    path: str = ""  # of a Unix socket
    addresses: tuple[tuple[int, Any], ...] = ()  # family and address
    tls: ssl.SSLContext | None = None

    @property
    def loopback(self) -> bool:
        """Whether nothing leaves this machine."""
        found = [ipaddress.ip_address(str(each[0]).partition("%")[0]) for _, each in self.addresses]
        return all(each.is_loopback for each in found)

    @property
    def port(self) -> str:
        """The port as text, as it stands in a Host header."""
        return self.host.rpartition(":")[2]


def target(url: str) -> Target:
    """The target of a base URL: http://…, https://… or unix:PATH. Raises ValueError, OSError."""
    if url.startswith(UNIX):
        path = url.removeprefix(UNIX)
        if not path.startswith("/"):
            raise ValueError(f"{url} must name an absolute path: unix:/path/to/socket")
        return Target(url, "localhost", path=path)
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname or parts.path not in ("", "/"):
        raise ValueError(f"{url} is no base URL: http://127.0.0.1:3032, or unix:/path/to/socket")
    port = parts.port or PORTS[parts.scheme]
    found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Target(
        url=url.rstrip("/"),
        host=f"{name}:{port}",
        addresses=tuple((int(each[0]), each[4]) for each in found),
        tls=ssl.create_default_context() if parts.scheme == "https" else None,
    )
