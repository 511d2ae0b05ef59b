"""Where a real Electron app gets its server from, and what it says where there is none."""

from __future__ import annotations

import os
import shlex
import signal

import pytest

from codex_http_server.testing.answers import Text
from tests.electron.conftest import Start
from tests.support.commands import until
from tests.support.electron import SERVE, conversation, send, shows
from tests.support.server import Site, gone
from tests.support.server import start as start_server

pytestmark = [pytest.mark.core, pytest.mark.timeout(180)]


def test_a_server_that_runs_already_is_used_and_left_alone(start: Start, site: Site) -> None:
    with start_server(site) as server, start() as app:
        server.wait_ready()
        shows(app, "ready: found")
        app.process.send_signal(signal.SIGTERM)
        until(lambda: gone(app.process), "the app has ended")
        assert server.get("/health")["status"] == "ok"


def test_when_a_server_that_was_found_ends_the_app_brings_its_own(start: Start, site: Site) -> None:
    with start_server(site) as server, start() as app:
        server.wait_ready()
        shows(app, "ready: found")
        made = conversation(app, site)
        server.stop()
        shows(app, "ready: started")
        site.provider.expect(Text("From the other one."))
        send(app, made)
        app.page.wait("seen.pieces.join('') === 'From the other one.'")


def test_the_server_that_is_given_is_used_with_its_token(start: Start, site: Site) -> None:
    token = "a-token-of-the-test-that-is-long-enough"
    with start_server(site, environment={"CODEX_HTTP_TOKEN": token}) as server:
        server.wait_ready(headers={"Authorization": f"Bearer {token}"})
        given = {"CODEX_SERVER_URL": server.url, "CODEX_SERVER_TOKEN": token}
        with start(environment=given) as app:
            shows(app, "ready: given")
            assert app.page.evaluate("() => api('/conversations')")["status"] == 200


def test_without_its_token_it_says_so(start: Start, site: Site) -> None:
    with (
        start_server(site, "--require-token", environment={"CODEX_HTTP_TOKEN": "x" * 40}) as server,
        start(environment={"CODEX_SERVER_URL": server.url}) as app,
    ):
        shows(app, f"failed: The server at {server.url} wants a token.")
        shows(app, "CODEX_SERVER_TOKEN", "hint")


def test_what_is_no_server_of_ours_is_named(start: Start, foreign: str) -> None:
    with start(environment={"CODEX_SERVER_URL": foreign}) as app:
        shows(app, "is not codex-http-server")
        shows(app, "Look which program has this port", "hint")


def test_a_missing_command_is_named(start: Start, site: Site) -> None:
    with start(environment={"CODEX_SERVER_COMMAND": "", "PATH": str(site.root)}) as app:
        shows(app, "codex-http-server was not found on this computer.")
        shows(app, "uv tool install codex-http-server", "hint")
    with start(environment={"CODEX_SERVER_COMMAND": "/no/such/python"}) as app:
        shows(app, "ENOENT")


def program(site: Site, *lines: str) -> dict[str, str]:
    """An environment in which the server is started by a script."""
    path = site.root / "script"
    path.write_text("\n".join(["#!/bin/sh", *lines]))
    path.chmod(0o755)
    return {"CODEX_SERVER_COMMAND": str(path)}


def test_a_start_that_is_slow_is_waited_for(start: Start, site: Site) -> None:
    gate = site.root / "gate"
    os.mkfifo(gate)
    wait = f"echo unpacking >&2; read line < {shlex.quote(str(gate))}"
    with start(environment=program(site, wait, f'exec {SERVE} "$@"')) as app:
        told = "() => codex.getState().then(({ log }) => log)"
        until(lambda: app.page.evaluate(told) == ["unpacking"], "it says what goes on", 15)
        gate.write_text("go on\n")
        shows(app, "ready: started")


def test_a_start_that_never_ends_is_given_up(start: Start, site: Site) -> None:
    deaf = program(site, "exec sleep 100")
    with start(environment=deaf | {"PATIENCE": "2"}) as app:
        shows(app, "failed: The server did not listen within 2 s.")
