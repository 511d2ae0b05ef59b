"""The running server, if there is one, and the port."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import psutil

from codex_http_server import __version__
from codex_http_server.doctor.case import Case, Running, get
from codex_http_server.doctor.home import writable
from codex_http_server.doctor.results import Result, fail, ok, warn, worst
from codex_http_server.places import SOCKET_PATH_LIMIT


def server(case: Case) -> list[Result]:
    """The server of this home: does it answer, is it this version, would it take a message?"""
    running = case.running
    if running is None:
        return [ok("server", "none runs on this home")]
    where = f"{running.url} (pid {running.pid})"
    if not running.alive:
        found = f"{where} was killed; its turns go on for a while."
        return [warn("server", found, "Start it again: it takes over what was left.")]
    if running.health is None:
        found = f"{where} does not answer."
        return [fail("server", found, f"Look at its log. To end it: kill {running.pid}")]
    return [worst([_of_this_version(running, where), _ready(running)])]


def _of_this_version(running: Running, where: str) -> Result:
    if running.version != __version__:
        found = f"{where} is version {running.version}, this is {__version__}."
        return warn("server", found, "Restart it to have the version that is installed.")
    return ok("server", where)


def _ready(running: Running) -> Result:
    status, body = get(running.url, "/ready")
    reasons: list[Any] = (body or {}).get("reasons", [])
    if status == 503 and reasons:
        found = f"it takes no messages: {'; '.join(map(str, reasons))}"
        return fail("server", found, "See the other checks; the core prints to core.log.")
    if status != 200:
        code = (body or {}).get("code", status or "no answer")
        return warn("server", f"it does not say whether it is ready ({code})", "Look at its log.")
    return ok("server", "it takes messages")


# --- the port -------------------------------------------------------------------------------


def port(case: Case) -> list[Result]:
    """Could a server listen there?"""
    if case.settings.listen is not None:
        return [_path(case, case.settings.listen)]
    host, number = case.settings.host, case.settings.port
    where = f"{host} port {number}"
    if number == 0:
        return [ok("port", "a free one is picked")]
    reason = _taken(host, number)
    if reason is None:
        return [ok("port", f"{where} is free")]
    if isinstance(reason, PermissionError):
        return [fail("port", f"{where} needs rights that this user lacks.", _ADVICE)]
    return [_held(case, where, reason)]


_ADVICE = "Choose another with --port, or --port 0 for a free one."


def _path(case: Case, path: Path) -> Result:
    """The same of a Unix socket."""
    url, running = f"unix:{path}", case.running
    if running and running.alive and running.url == url:
        return ok("port", f"{url}: the server of this home")
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
        found = f"{url} is longer than the {SOCKET_PATH_LIMIT} bytes that a socket may have."
        return fail("port", found, "Choose another path with --listen.")
    if path.exists():
        status, body = get(url, "/health", 1.0)
        version = (body or {}).get("version")
        if status or not path.is_socket():
            by = f"another codex-http-server ({version})" if version else "something else"
            return fail("port", f"{url} is taken by {by}.", "Choose another path with --listen.")
    elif not writable(path.parent):
        found = f"{path.parent} is not there or can't be written."
        return fail("port", found, "Choose another path with --listen.")
    return ok("port", f"{url} is free")


def _taken(host: str, number: int) -> OSError | None:
    """Why it can't be bound; None if it can. Nobody could connect meanwhile."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((host, number))
        except OSError as error:
            return error
    return None


def _held(case: Case, where: str, reason: OSError) -> Result:
    running, number = case.running, case.settings.port
    if running and running.alive:
        if running.url.endswith(f":{number}"):
            return ok("port", f"{where}: the server of this home")
        return ok("port", f"{where} is taken, but the server has {running.url}")
    return fail("port", f"{where} is taken by {_who(case.settings.host, number, reason)}.", _ADVICE)


def _who(host: str, number: int, reason: OSError) -> str:
    name = f"[{host}]" if ":" in host else host
    body = get(f"http://{name}:{number}", "/health", 1.0)[1] or {}
    holder = _holder(number)
    shown = f"{holder.info['name']} (pid {holder.pid})" if holder else ""
    if "core" in body and "version" in body:
        return f"another codex-http-server ({body['version']}), {shown}".rstrip(", ")
    return shown or f"another program ({reason.strerror})"


def _holder(number: int) -> psutil.Process | None:
    """Who listens there, as far as this user may know."""
    mine = psutil.Process(os.getpid()).username()
    for process in psutil.process_iter(["name", "username"]):
        try:
            if process.info["username"] == mine and any(
                each.status == psutil.CONN_LISTEN and each.laddr.port == number
                for each in process.net_connections("tcp")
            ):
                return process
        except (psutil.Error, OSError):
            continue
    return None
