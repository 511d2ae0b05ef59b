"""A real Electron app that brings its own server, from its start to its ends."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable

import pytest

from codex_http_server.testing.answers import Gate, Text
from tests.support.commands import until
from tests.support.electron import (
    App,
    Host,
    all_of,
    conversation,
    crash,
    quit_app,
    send,
    server_of,
    shows,
)
from tests.support.server import Site, gone

pytestmark = [pytest.mark.core, pytest.mark.timeout(180)]


def test_the_app_starts_its_server_and_an_answer_streams_into_the_page(
    shared: App, shared_site: Site
) -> None:
    app = shared
    before = app.do("problems")
    one, two = Gate("one"), Gate("two")
    shared_site.provider.expect(Text(["One", one, " by", two, " one."]))
    made = conversation(app, shared_site)
    send(app, made)
    app.page.wait("seen.pieces.join('') === 'One'")
    one.open()
    app.page.wait("seen.pieces.join('') === 'One by'")
    two.open()
    app.page.wait("seen.ends.length === 1")
    assert app.page.evaluate("() => seen.pieces.join('')") == "One by one."
    assert app.do("problems") == before


@pytest.mark.electron
def test_a_second_start_focuses_the_first(host: Host, shared: App) -> None:
    app = shared
    looked_at = """({ BrowserWindow }) =>
      BrowserWindow.getAllWindows().map((each) => [each.isVisible(), each.isFocused()])"""
    app.main("({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].hide()")
    until(lambda: app.main(looked_at) == [[False, False]], "it is put away")
    environment = app.environment
    command = [str(host.program), *app.arguments]
    done = subprocess.run(command, env=environment, timeout=30, check=False, capture_output=True)
    assert done.returncode == 0
    until(lambda: app.main(looked_at) == [[True, True]], "the first window is shown, and in front")


def way_of(app: App) -> list[str]:
    """Where the app's server listens, and the token that it takes."""
    return app.main("() => [codex.backend.server.url, codex.backend.server.token]")


def test_a_server_that_is_killed_in_a_turn_is_started_again_and_no_text_is_lost(
    shared: App, shared_site: Site
) -> None:
    app = shared
    gate = Gate()
    shared_site.provider.expect(Text(["before ", gate, "after"]))
    made = conversation(app, shared_site)
    send(app, made)
    app.page.wait("seen.pieces.join('') === 'before '")
    first, way = server_of(app), way_of(app)
    first.kill()
    shows(app, "restarting")
    shows(app, "ready: started")
    assert server_of(app).pid != first.pid
    assert way_of(app) == way
    gate.open()
    app.page.wait("seen.ends.length === 1")
    seqs = app.page.evaluate("() => seen.seqs")
    assert seqs == sorted(set(seqs))
    snapshot = app.page.evaluate("(id) => codex.getConversation(id)", made)
    assert [item["item"]["text"] for item in snapshot["items"][1:]] == ["before after"]


def test_a_server_that_keeps_dying_is_given_up_and_can_be_started_by_hand(app: App) -> None:
    for _ in range(3):
        dead = server_of(app)
        dead.kill()
        shows(app, "restarting")
        shows(app, "ready: started")
    server_of(app).kill()
    shows(app, "failed: started: The server ended too often.")
    shows(app, "Its log says why", "hint")
    answer = app.page.evaluate("() => api('/health')")
    assert (answer["status"], answer["body"]["code"]) == (503, "no_server")
    app.page.evaluate("() => codex.start()")
    shows(app, "ready: started")


def close_terminal(app: App) -> None:
    """Of a terminal that is closed, all processes are told that were started there."""
    os.killpg(app.process.pid, signal.SIGHUP)


ENDS = [
    pytest.param(quit_app, id="quit"),
    pytest.param(lambda app: app.process.send_signal(signal.SIGTERM), id="SIGTERM"),
    pytest.param(lambda app: app.process.send_signal(signal.SIGINT), id="SIGINT"),
    pytest.param(close_terminal, id="SIGHUP"),
    pytest.param(crash, id="crash", marks=pytest.mark.electron),
    pytest.param(lambda app: app.process.kill(), id="SIGKILL"),
]


@pytest.mark.parametrize("end", ENDS)
def test_however_the_app_ends_nothing_is_left(
    app: App, site: Site, end: Callable[[App], None]
) -> None:
    site.provider.expect(Text(["begun", Gate()]))
    send(app, conversation(app, site))
    app.page.wait("seen.pieces.join('') === 'begun'")
    processes = all_of(app, site, server_of(app))
    end(app)
    until(lambda: all(map(gone, processes)), "everything has ended", 15)
