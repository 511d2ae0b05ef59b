"""Where the server is: what was given, the environment, or the discovery file of a Codex home.

A server that is started anew may listen at another address, so the discovery file is read again
for every connection that fails.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from codex_http_server.client.errors import ServerNotFound
from codex_http_server.places import locate

URL_ENV: Final = "CODEX_HTTP_URL"
TOKEN_ENV: Final = "CODEX_HTTP_TOKEN"  # noqa: S105 # the name of a variable
START: Final = "Start one (codex-http-server), or name another: base_url, or CODEX_HTTP_URL."


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect: `url` is what requests are made to, `socket` a Unix socket's path."""

    url: str
    socket: str | None = None

    @property
    def local(self) -> bool:
        """Whether it is on this machine, where no proxy may get in between."""
        host = urlsplit(self.url).hostname
        return self.socket is not None or host in ("localhost", "127.0.0.1", "::1")


class Locator:
    """Says where the server is now."""

    def __init__(self, base_url: str | None, codex_home: str | os.PathLike[str] | None) -> None:
        self._given = base_url or (None if codex_home else os.environ.get(URL_ENV))
        self._home = Path(codex_home or os.environ.get("CODEX_HOME") or "~/.codex").expanduser()

    def find(self) -> Address:
        """The address. Raises `ServerNotFound`."""
        return address_of(self._given or self._discovered())

    def _discovered(self) -> str:
        path = locate(self._home, None).discovery
        try:
            found: Any = json.loads(path.read_bytes())
        except OSError:
            raise ServerNotFound(f"No server runs on {self._home}.", hint=START) from None
        except ValueError:
            found = None
        match found:
            case {"url": str(url)}:
                return url
            case _:
                raise ServerNotFound(f"{path} can't be read as what a server writes.", hint=START)


def address_of(url: str) -> Address:
    """What a URL means: `http://…`, `https://…`, `unix:PATH` or `http+unix://PERCENT-ENCODED`."""
    if url.startswith("unix:"):
        return Address("http://localhost", url.removeprefix("unix:").removeprefix("//"))
    if url.startswith("http+unix://"):
        return Address("http://localhost", unquote(url.removeprefix("http+unix://")))
    if not url.startswith(("http://", "https://")):
        raise ServerNotFound(
            f"{url!r} is not the address of a server.", hint="It is like http://127.0.0.1:3032."
        )
    return Address(url.rstrip("/"))


def token_of(given: str | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """The token to show: the given one, else that of the environment."""
    return given or environ.get(TOKEN_ENV) or None
