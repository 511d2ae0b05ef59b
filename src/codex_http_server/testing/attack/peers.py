"""Other users of this machine, and senders that only say who they are."""

from __future__ import annotations

import os
import sys

from codex_http_server.testing.attack.attacks import Verdict, attack, skipped
from codex_http_server.testing.attack.stage import Stage
from codex_http_server.testing.attack.tokens import guess

USERS = ("nobody", "daemon", "www-data")


def other_user() -> int | None:
    """The uid of a user that is not us; None where we can't be another one."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    import pwd  # noqa: PLC0415 # not on Windows

    for name in USERS:
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    return None


@attack(
    "Everybody who has an account on this machine could use the agent of its owner.",
    who=("caller",),
)
async def another_user(stage: Stage) -> Verdict:
    uid = other_user()
    if uid is None:
        return skipped("only root can be another user: run it as one, with --as nobody")
    if not stage.target.loopback:
        return skipped("the server is on another machine")
    stream = "Accept: text/event-stream"
    cases = {
        "health": stage.get("/health", token=""),
        "page": stage.get("/", token=""),
        "list": stage.get("/conversations", token=""),
        "stream": stage.get("/events", stream, token=""),
        "post": stage.probe(token=""),
        "with our page's origin": stage.probe(f"Origin: {stage.origin()}", token=""),
        "with a guess": stage.probe(f"Authorization: Bearer {guess()}", token=""),
        "nothing there": stage.get(f"/{stage.marker}", token=""),
        "no such method": stage.request("DELETE", "/health", token=""),
    }
    return await stage.refused(cases, uid=uid, head_only=True)


@attack(
    "A sender that may not call would only have to say that it is somebody else.", who=("nobody",)
)
async def claims_to_be_another(stage: Stage) -> Verdict:
    page = f"codex_http_{stage.target.port}={guess('chp_')}"
    says = {
        "the page's origin": (f"Origin: {stage.origin()}", "Sec-Fetch-Site: same-origin"),
        "the page's cookie": (f"Cookie: {page}", f"Origin: {stage.origin()}"),
        "a token": (f"Authorization: Bearer {guess()}",),
        "an address": ("X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1"),
        "a user": ("X-Remote-User: root", "Remote-User: root", "From: root@localhost"),
        "an editor": ("User-Agent: codex-http-server", "X-Codex-Client: electron"),
        "another request": ("X-Request-Id: local", "Idempotency-Key: local"),
    }
    cases = {f"POST with {name}": stage.probe(*lines) for name, lines in says.items()}
    cases |= {f"GET with {name}": stage.get("/conversations", *it) for name, it in says.items()}
    cases["POST with a ticket"] = stage.request(
        "POST",
        f"/conversations?ticket={guess('chs_')}",
        kind="application/json",
        body=stage.body(),
    )
    return await stage.refused(cases, 400)
