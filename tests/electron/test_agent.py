"""What a person meets in a real Electron app: signing in, notices; and what a crash leaves."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codex_http_server.testing.answers import Command, Gate, Text
from tests.electron.conftest import Start
from tests.support.commands import until
from tests.support.electron import SPY, App, Host, conversation, send, server_of, shows
from tests.support.server import Site, gone
from tests.support.signin import LoginSite, browser_ports

pytestmark = [pytest.mark.core, pytest.mark.timeout(180)]

# Putting a window away as an icon needs a window manager; the screen of the tests has none.
HIDE = "({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].hide()"
HIDDEN = "({ BrowserWindow }) => !BrowserWindow.getAllWindows()[0].isVisible()"


@pytest.fixture
def signing_in(small: Path, host: Host, login_site: LoginSite) -> Iterator[App]:
    """The small app on a home where nobody is signed in."""
    with browser_ports(), App(host, small, login_site, {}) as running:
        shows(running, "ready: started")
        running.main(SPY)
        yield running


def account(app: App) -> dict[str, Any]:
    """Who is signed in, as the page sees it."""
    return app.page.evaluate("() => codex.getAuthStatus()")


def test_a_person_signs_in_from_the_app_in_the_systems_browser(
    signing_in: App, login_site: LoginSite
) -> None:
    app = signing_in
    assert account(app)["reason"] == "not_signed_in"
    app.page.evaluate(
        """() => {
             globalThis.ends = [];
             codex.onEvent(({ type }) => type === "account/login/completed" && ends.push(type));
             return codex.login();
        }"""
    )
    (url,) = app.main("() => opened")
    assert url.startswith(login_site.issuer.url)
    login_site.issuer.browse(url)
    app.page.wait("globalThis.ends.length === 1")
    assert account(app)["email"] == login_site.issuer.person.email
    login_site.provider.expect(Text("Hello."))
    send(app, conversation(app, login_site))
    app.page.wait("seen.pieces.join('') === 'Hello.'")


def titles(app: App) -> list[str]:
    """The notices that were shown."""
    return app.main("() => notices.map(({ title }) => title)")


@pytest.mark.electron
def test_a_notice_comes_while_nobody_looks_and_leads_to_its_conversation(
    shared: App, shared_site: Site
) -> None:
    app, site = shared, shared_site
    app.main(SPY)
    app.page.evaluate("() => { codex.onOpen((id) => { globalThis.shown = id; }); }")
    site.provider.expect(Text("Seen."))
    made = conversation(app, site)
    app.main("({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].focus()")
    until(lambda: app.main("({ BrowserWindow }) => !!BrowserWindow.getFocusedWindow()"), "focus")
    send(app, made)
    app.page.wait("seen.ends.length === 1")
    assert titles(app) == []
    app.main(HIDE)
    until(lambda: app.main(HIDDEN), "the window is put away")
    site.provider.expect(Command("touch ../beside.txt", escalate=True, justification="Asked."))
    site.provider.expect(Text("Done."))
    send(app, made)
    until(lambda: titles(app) == ["Codex asks for your permission"], "it asks")
    app.main("() => notices[0].emit('click')")
    app.page.wait(f"globalThis.shown === '{made}'")
    until(lambda: not app.main(HIDDEN), "the window is there again")
    app.main(HIDE)
    until(lambda: app.main(HIDDEN), "the window is put away")
    answer = """async (id) => {
      const [{ approval_id }] = (await codex.getConversation(id)).approvals;
      return codex.answerApproval(id, approval_id, "decline");
    }"""
    app.page.evaluate(answer, made)
    until(lambda: titles(app)[1:] == ["Codex has finished"], "it is done")


def test_a_server_that_hangs_after_a_crash_is_ended_by_the_next_start(
    start: Start, site: Site
) -> None:
    with start() as app:
        shows(app, "ready: started")
        hanging = server_of(app)
        hanging.send_signal(signal.SIGSTOP)
        app.process.kill()
        until(lambda: gone(app.process), "the app has crashed")
    assert not gone(hanging)
    with start() as app:
        shows(app, "ready: started")
        assert gone(hanging)
        site.provider.expect(Text(["It ", Gate()]))
        send(app, conversation(app, site))
        app.page.wait("seen.pieces.join('') === 'It '")


@pytest.mark.electron
def test_the_named_functions_beside_a_preload_script_of_the_apps_own(
    shared: App, tmp_path: Path
) -> None:
    app = shared
    own = tmp_path / "own.js"
    own.write_text('require("electron").contextBridge.exposeInMainWorld("own", { yes: true });')
    app.main(
        """async ({ BrowserWindow }, preload) => {
             codex.addPreload();
             const window = new BrowserWindow({ webPreferences: { preload, sandbox: true } });
             await window.loadURL(codex.pageUrl);
        }""",
        str(own),
    )
    asked = "async () => [own.yes, (await codex.checkHealth()).status]"
    assert app.window(1).evaluate(asked) == [True, "ok"]
