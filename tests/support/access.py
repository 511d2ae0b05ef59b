"""Callers that show something: tokens as a test needs them, and requests that carry one."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import httpx
import psutil

from codex_http_server.auth import tokens
from codex_http_server.auth.callers import Scope
from codex_http_server.auth.tokenfile import TokenFile
from tests.support.server import Server, Site


def token_file(site: Site) -> Path:
    """The token file of this site's home, where a server looks when it is told nothing."""
    (state,) = (site.root / "state").glob("*/*/")
    return state / "tokens.json"


def make_token(
    path: Path, name: str, scopes: Sequence[str] = (), expires_at: datetime | None = None
) -> str:
    """A new token in a token file; with the usual scopes if none are named."""
    chosen = [Scope(scope) for scope in scopes] or tokens.GIVEN
    token, secret = tokens.make(name, chosen, expires_at)
    TokenFile(path).add(token)
    return secret


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def lan_address() -> str | None:
    """An IPv4 address of this machine that is not loopback."""
    for found in psutil.net_if_addrs().values():
        for each in found:
            if each.family == socket.AF_INET and not each.address.startswith("127."):
                return each.address
    return None


def from_outside(server: Server, address: str) -> httpx.Client:
    """A client whose requests come from beyond loopback, to an address of this machine."""
    port = server.url.rpartition(":")[2]
    return httpx.Client(base_url=f"http://{address}:{port}", timeout=server.client.timeout)
