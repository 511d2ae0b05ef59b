"""ChatGPT's backend, as far as the core asks it for usage; and a login for it on disk."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from tests.support.server import Site

ACCOUNT: Final = "acct-123"
RESETS: Final = 1_795_364_347

CHECK: Final = {
    "accounts": [
        {
            "id": ACCOUNT,
            "workspace_backend_origin": "https://chatgpt.com",
            "account_routing_override": "NO_CONSTRAINT",
        }
    ],
    "account_ordering": [ACCOUNT],
    "default_account_id": ACCOUNT,
}
PROFILE: Final = {
    "stats": {
        "lifetime_tokens": 123,
        "daily_usage_buckets": [{"start_date": "2026-11-25", "tokens": 5}],
    }
}


def limits(primary: int, secondary: int) -> dict[str, Any]:
    """What the backend says is used, in percent."""
    return {
        "plan_type": "pro",
        "rate_limit": {
            "allowed": True,
            "limit_reached": False,
            "primary_window": _window(primary, 18_000),
            "secondary_window": _window(secondary, 604_800),
        },
        "credits": {"has_credits": True, "unlimited": False, "balance": "12.3"},
    }


def _window(percent: int, seconds: int) -> dict[str, int]:
    return {
        "used_percent": percent,
        "limit_window_seconds": seconds,
        "reset_after_seconds": 100,
        "reset_at": RESETS,
    }


class Backend:
    """Answers by path; what has no answer is 404. `asked` are the paths in order."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, Any] = {
            "/wham/accounts/check": CHECK,
            "/wham/usage": limits(12, 3),
            "/wham/profiles/me": PROFILE,
        }
        self.url = ""

    def count(self, path: str) -> int:
        """How often this was asked."""
        return self.asked.count(path)


@contextmanager
def backend() -> Iterator[Backend]:
    """A backend on a free port of 127.0.0.1."""
    made = Backend()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.split("?")[0].removeprefix("/backend-api")
            made.asked.append(path)
            answer = made.answers.get(path)
            body = json.dumps(answer if answer is not None else {"detail": "no"}).encode()
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.do_GET()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 # its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_port}/backend-api/"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def sign_in(site: Site, backend: Backend) -> None:
    """Have the site's core signed in with ChatGPT, on this backend."""
    site.configure(requires_openai_auth=True, chatgpt_base_url=backend.url)
    token = _jwt()
    login = {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": {
            "id_token": token,
            "access_token": token,
            "refresh_token": "refresh",
            "account_id": ACCOUNT,
        },
        "last_refresh": time.strftime("%Y-%m-%dT%H:%M:%S.0Z", time.gmtime()),
    }
    (site.home / "auth.json").write_text(json.dumps(login))


def _jwt() -> str:
    claims = {
        "exp": int(time.time()) + 86_400,
        "email": "someone@example.com",
        "https://api.openai.com/auth": {
            "chatgpt_plan_type": "pro",
            "chatgpt_user_id": "user-1",
            "chatgpt_account_id": ACCOUNT,
        },
    }
    return f"{_part({'alg': 'none'})}.{_part(claims)}.signature"


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
