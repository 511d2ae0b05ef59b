"""Codex in an app that had none: all that docs/guides/electron.md says, done as it stands there.

The app is in a folder outside the checkout, with a window, a page and a preload script of its own;
the packages are made and installed as users get them.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from codex_http_server.testing.answers import Gate, Text
from tests.support.chatwindow import (
    EMPTY,
    SIGN_IN,
    a_command_is_approved,
    an_answer_streams,
    begin,
    hidden,
    press,
    say,
    shown,
)
from tests.support.commands import until
from tests.support.electron import DESKTOP, SPY, App, Host, all_of, crash, quit_app
from tests.support.pages import ROOT, blocks
from tests.support.server import Site, gone
from tests.support.signin import LoginSite, browser_ports
from tests.support.typescript import PACKAGE, build, is_installed, run

pytestmark = [pytest.mark.core, pytest.mark.timeout(180)]

GUIDE = ROOT / "docs" / "guides" / "electron.md"
BEFORE = Path(__file__).parent / "foux"  # the app, as it was
COPIED = [
    "src/services/codexService.js",
    "src/components/CodexChat.tsx",
    "src/components/CodexChat.css",
]
FROM_HERE = ["react", "react-dom", "scheduler", "esbuild", "@esbuild"]  # the app had these before


def told(language: str, file: str) -> str:
    """What the guide has for a file of the app."""
    (block,) = [each for each in blocks(GUIDE, language) if file in each.splitlines()[0]]
    return block.split("\n", 1)[1]


def replace(path: Path, pattern: str, new: str) -> None:
    """Put something in the place of the one thing that matches."""
    text, count = re.subn(pattern, lambda _: new, path.read_text(), flags=re.DOTALL)
    assert count == 1, f"{pattern} in {path}"
    path.write_text(text)


def install(app: Path) -> None:
    """Steps 1 and 2. The registries are asked only for what was not fetched before."""
    build()
    run("npm", "pack", "--silent", "--pack-destination", str(app), cwd=PACKAGE)
    wheel = ("uv", "build", "--wheel", "--no-build-isolation", "--python", sys.executable)
    run(*wheel, "--offline", "--out-dir", str(app), cwd=ROOT)
    env = {
        "UV_TOOL_DIR": str(app / "tools"),
        "UV_TOOL_BIN_DIR": str(app / "bin"),
        "UV_CONSTRAINT": str(ROOT / "requirements.lock"),
        "UV_PYTHON": sys.executable,
        "npm_config_offline": "true",
        "npm_config_omit": "peer",
    }
    (commands,) = [each for each in blocks(GUIDE, "bash") if "npm install ./" in each]
    run("bash", "-euc", commands, cwd=app, **env)


@pytest.fixture(scope="module")
def foux(electron: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app, built, after all was done to it that the guide says."""
    if not is_installed():
        pytest.skip("the npm packages are not installed")
    app = tmp_path_factory.mktemp("foux") / "my app"
    shutil.copytree(BEFORE, app)
    install(app)
    for name in COPIED:
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DESKTOP / name, app / name)
    replace(app / COPIED[0], r"const codex = setUpCodex\(\{.*?\n\}\);\n", told("js", COPIED[0]))
    (app / "main.js").write_text(told("js", "main.js"))
    (app / "src" / "Panel.tsx").write_text(told("tsx", "src/Panel.tsx"))
    replace(app / "index.html", r"<meta http-equiv=.*?>\n", told("html", "index.html"))
    for name in FROM_HERE:
        (app / "node_modules" / name).symlink_to(PACKAGE / "node_modules" / name)
    run("node", "build.mjs", cwd=app)
    return app


@pytest.fixture(scope="module")
def opened(foux: Path, electron: Host) -> Callable[..., App]:
    """Starts the app, which finds the server that was installed by its name."""
    installed = {"CODEX_SERVER_COMMAND": "", "PATH": f"{foux / 'bin'}:{os.environ['PATH']}"}

    def start(site: Site, **environment: str) -> App:
        return App(electron, foux, site, installed | environment)

    return start


@pytest.fixture(scope="module")
def dev_server(foux: Path) -> Iterator[str]:
    """The address of a server that has the app's page, as in development."""
    handler = partial(_Quiet, directory=str(foux))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_address[1]}/index.html"
        serving.shutdown()
        thread.join(5)


class _Quiet(SimpleHTTPRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def service(app: App, expression: str) -> Any:
    """What codexService.js, as `codex`, gives in the main process."""
    path = "`${app.getAppPath()}/src/services/codexService.js`"
    load = f"const codex = process.mainModule.require({path})"
    return app.main(f"async ({{ app }}) => {{ {load}; return {expression}; }}")


def server_of(app: App) -> psutil.Process:
    """The process of the app's server."""
    return psutil.Process(service(app, "codex.codex.backend.server.pid"))


def test_from_signing_in_to_quitting(
    opened: Callable[..., App],
    foux: Path,
    login_site: LoginSite,
    screenshot: Callable[[App, str], None],
) -> None:
    site = login_site
    with browser_ports(), opened(site) as app:
        app.main(SPY)
        shown(app, EMPTY)
        assert app.page.evaluate("() => [location.protocol, foux.name]") == ["file:", "Foux"]
        assert str(foux / "tools") in server_of(app).cmdline()[0]
        press(app, SIGN_IN)
        until(lambda: app.main("() => opened.length") == 1, "the system's browser is opened")
        screenshot(app, "signing-in")
        site.issuer.browse(app.main("() => opened[0]"))
        hidden(app, SIGN_IN)
        begin(app, site)
        an_answer_streams(app, site)
        screenshot(app, "answer")
        a_command_is_approved(app, site)
        assert app.do("problems") == []
        a_server_dies_in_a_turn(app, site)
        screenshot(app, "after-restart")
        the_service_has_its_calls(app)
        processes = all_of(app, site, server_of(app))
        quit_app(app)
        until(lambda: all(map(gone, processes)), "everything has ended", 15)


def a_server_dies_in_a_turn(app: App, site: Site) -> None:
    """Another one goes on; no text is lost, and none comes twice."""
    gate = Gate()
    site.provider.expect(Text(["before and ", gate, "after"]))
    say(app, "Go on.")
    shown(app, "before and")
    first = server_of(app)
    first.kill()
    until(lambda: service(app, "codex.codex.state.state") == "restarting", "it was noticed")
    gate.open()
    shown(app, "before and after")
    shown_here = "document.querySelector('.codex-scroll').innerText"
    assert app.page.evaluate(f"() => {shown_here}.split('before and').length") == 2
    assert server_of(app).pid != first.pid


def the_service_has_its_calls(app: App) -> None:
    """Those of the main process, under the names that they had before."""
    assert service(app, "(await codex.checkHealth()).status") == "ok"
    assert service(app, "(await codex.getAuthStatus()).authenticated") is True
    assert service(app, "(await codex.listConversations()).length") == 1


ENDS: list[tuple[str, Callable[[App], None]]] = [
    ("file", lambda app: app.process.kill()),
    ("development", crash),
]


@pytest.mark.parametrize(("page", "end"), ENDS, ids=["SIGKILL", "crash"])
def test_the_end_of_an_app_that_could_not_quit_leaves_nothing(
    opened: Callable[..., App],
    dev_server: str,
    site: Site,
    page: str,
    end: Callable[[App], None],
) -> None:
    given = {"DEV_SERVER_URL": dev_server} if page == "development" else {}
    with opened(site, **given) as app:
        begin(app, site)
        scheme = app.page.evaluate("() => location.protocol")
        assert scheme == ("http:" if given else "file:")
        site.provider.expect(Text(["It begins", Gate()]))
        say(app, "Begin.")
        shown(app, "It begins")
        processes = all_of(app, site, server_of(app))
        end(app)
        until(lambda: all(map(gone, processes)), "everything has ended", 15)
