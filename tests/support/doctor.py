"""`codex-http-server doctor` as a user runs it, and what may be wrong around it."""

from __future__ import annotations

import base64
import json
import os
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from codex_http_server.doctor.examination import IDS
from tests.support.cli import run_cli
from tests.support.server import Site

ALL = ("settings", *IDS)


@dataclass
class Report:
    """What the doctor printed as JSON, and its exit code."""

    body: dict[str, Any]
    status: int

    def __getitem__(self, check: str) -> dict[str, Any]:
        return next(each for each in self.body["checks"] if each["id"] == check)

    def has(self, status: str) -> list[str]:
        """The checks with this status."""
        return [each["id"] for each in self.body["checks"] if each["status"] == status]


def examined(site: Site, *arguments: str, **environment: str) -> Report:
    """Run the doctor on a site; any port is fine unless one is given. Its shape is checked."""
    port = () if {"--port", "--listen"} & {*arguments} else ("--port", "0")
    given = site.environment() | environment
    done = run_cli("doctor", "--json", *port, *arguments, environment=given)
    assert done.stderr == "", done.stderr
    body = json.loads(done.stdout)
    found = Report(body, done.returncode)
    assert tuple(each["id"] for each in body["checks"]) == ALL
    for each in body["checks"]:
        assert set(each) == {"id", "status", "found", "advice"}
        assert each["found"]
        assert bool(each["advice"]) == (each["status"] in ("warn", "fail")), each
    counts = {status: len(found.has(status)) for status in ("ok", "warn", "fail", "skip")}
    assert body["counts"] == counts
    assert body["ok"] == (counts["fail"] == 0)
    assert done.returncode == (0 if body["ok"] else 1)
    return found


def tree(*folders: Path) -> list[tuple[Any, ...]]:
    """All that is on the disk there: names, kinds, sizes, times, contents."""
    found: list[tuple[Any, ...]] = []
    for folder in folders:
        for path in (folder, *sorted(folder.rglob("*"))):
            info = path.lstat()
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            found.append((path, info.st_mode, info.st_size, info.st_mtime_ns, hash(content)))
    return found


def token(**claims: Any) -> str:
    """An unsigned JSON Web Token, which is all that the core asks for."""
    parts = [json.dumps(each).encode() for each in ({"alg": "none"}, claims)]
    return ".".join(
        [*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "c2"]
    )


def sign_in(site: Site, ends: float, *, refresh: str | None = "rt-of-the-test") -> str:
    """Put a ChatGPT login into the home, whose access token ends then; returns that token."""
    about = {"chatgpt_plan_type": "pro", "chatgpt_user_id": "u", "chatgpt_account_id": "acct"}
    claims = {"email": "me@example.com", "https://api.openai.com/auth": about}
    access = token(exp=int(ends), **claims)
    tokens = {"id_token": token(**claims), "access_token": access, "account_id": "acct"}
    stored = {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": tokens | {"refresh_token": refresh or ""},
        "last_refresh": "2026-11-22T16:11:20.3Z",
    }
    path = site.home / "auth.json"
    path.write_text(json.dumps(stored))
    path.chmod(0o600)
    return access


@contextmanager
def listening(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    """A small server on loopback in a thread; its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(5)


def clockwork(ahead: float) -> type[BaseHTTPRequestHandler]:
    """Answers everything with 401, and with a clock that is `ahead` seconds off."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library's name
            self.send_response_only(401)
            self.send_header("Date", formatdate(time.time() + ahead, usegmt=True))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    return Handler


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system in memory on a new folder; skips the test, loudly, where that can't be."""
    folder.mkdir(exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
