"""The socket that the server listens on: a port of this machine, or a path.

Owns the bound socket and, of a Unix socket, its file: made 0600, taken over from a server that is
dead, removed at the end. Says who has the place if it is taken. Knows nothing of what is served.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
from collections.abc import Generator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from codex_http_server.errors import PortTaken, SettingsError, SocketTaken, StartError
from codex_http_server.places import SOCKET_PATH_LIMIT

BACKLOG: Final = 2048
# "Every address" is none: this is how callers on this machine reach it.
HERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


@dataclass(frozen=True)
class Listening:
    """A socket that listens, and how it is called."""

    socket: socket.socket
    url: str

    @property
    def is_unix(self) -> bool:
        """Whether it is a path."""
        return self.url.startswith("unix:")


@contextlib.contextmanager
def on_port(host: str, port: int) -> Generator[Listening]:
    """Listen on an address. Raises `PortTaken`, naming the server that has it if it is ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
            listening.listen(BACKLOG)
        except PermissionError as error:
            raise StartError(f"Port {port} needs rights that this user lacks.") from error
        except OSError as error:
            who = _who(HTTPConnection(host, port, timeout=1))
            raise PortTaken(
                f"Port {port} on {host} is taken by {who}.",
                hint="Choose another with --port, or --port 0 for a free one.",
            ) from error
        address, found = listening.getsockname()[:2]
        name = HERE.get(address, str(address))
        yield Listening(listening, f"http://{f'[{name}]' if ':' in name else name}:{found}")


@contextlib.contextmanager
def on_path(path: Path) -> Generator[Listening]:
    """Listen on a Unix socket, which only this user can open. Raises `SocketTaken`,
    `SettingsError`."""
    if not hasattr(socket, "AF_UNIX"):
        raise SettingsError("This platform has no Unix sockets.", hint="Use --host and --port.")
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
        raise SettingsError(
            f"The path {path} is longer than {SOCKET_PATH_LIMIT} bytes, which is all that a Unix"
            " socket's may have."
        )
    _clear(path)
    with socket.socket(socket.AF_UNIX) as listening:
        made = _bind(listening, path)
        try:
            yield Listening(listening, f"unix:{path}")
        finally:
            with contextlib.suppress(FileNotFoundError):
                if path.lstat().st_ino == made:  # not that of a later server
                    path.unlink()


def _bind(listening: socket.socket, path: Path) -> int:
    """Bind and listen; the inode of the new file."""
    before = os.umask(0o177)  # so that it is nobody else's for no moment
    try:
        listening.bind(str(path))
    except OSError as error:
        raise SettingsError(f"{path} can't be listened on: {error.strerror}.") from error
    finally:
        os.umask(before)
    listening.listen(BACKLOG)
    return path.lstat().st_ino


def _clear(path: Path) -> None:
    """Remove the socket of a server that is dead."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise SettingsError(f"{path} can't be listened on: {error.strerror}.") from error
    if not stat.S_ISSOCK(kind):
        raise SettingsError(f"{path} exists and is no socket.", hint="Choose another path.")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise SettingsError(f"{path} can't be listened on: {error.strerror}.") from error
        who = _who(_Over(probe))
    raise SocketTaken(
        f"The socket {path} is taken by {who}.", hint="Choose another path with --listen."
    )


class _Over(HTTPConnection):
    """HTTP over a socket that is connected."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__("localhost")
        self.sock = connected


def _who(connection: HTTPConnection) -> str:
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/health")
            body = json.load(connection.getresponse())
            core = body.get("core")  # not shown to callers from elsewhere without a token
            state = f" (its core is {core['state']})" if core else ""
            return f"codex-http-server {body['version']}{state}"
        except (OSError, HTTPException, ValueError, KeyError, TypeError, AttributeError):
            return "another program"
