"""What the doctor says of Codex's daemon, for everything that may be there."""

from __future__ import annotations

import pytest

from codex_http_server.doctor.daemon import judge
from codex_http_server.engine.daemon import Daemon
from codex_http_server.engine.meeting import NOBODY, Meeting

FOUND = Daemon("/run/socket", 4711, "born")
HEALTHY = Meeting("healthy", FOUND, "0.163.0")
STRANGE = Meeting("strange", FOUND, "0.99.0", "the daemon (pid 4711) is codex 0.99.0")
FOREIGN = Meeting("foreign", words="the socket belongs to another user; it is left alone")
OWN: dict[str, object] = {"joined": False}


@pytest.mark.parametrize(
    ("met", "mode", "core", "status", "words"),
    [
        (NOBODY, "auto", None, "ok", "none runs"),
        (NOBODY, "own", OWN, "ok", "none runs"),
        (NOBODY, "join", None, "fail", "no daemon of Codex runs"),
        (HEALTHY, "auto", None, "ok", "will join it"),
        (HEALTHY, "auto", {"joined": True}, "ok", "joined by the server"),
        (HEALTHY, "auto", OWN, "warn", "a core of its own"),
        (HEALTHY, "own", OWN, "ok", "not joined"),
        (STRANGE, "auto", OWN, "warn", "codex 0.99.0"),
        (STRANGE, "join", None, "fail", "codex 0.99.0"),
        (FOREIGN, "auto", None, "warn", "another user"),
    ],
)
def test_it_says_what_follows(
    met: Meeting, mode: str, core: dict[str, object] | None, status: str, words: str
) -> None:
    found = judge(met, mode, core)
    assert (found.id, found.status) == ("daemon", status)
    assert words in found.found
    assert (found.advice is None) is (status == "ok")
