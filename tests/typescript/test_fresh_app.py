"""A new Vite app outside the repository: the packed package and the README's ten lines."""

from __future__ import annotations

import json
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from codex_http_server.testing.answers import Command, Text
from tests.support.chatpage import ChatPage
from tests.support.pages import ROOT, blocks
from tests.support.server import Site, start
from tests.support.typescript import NODE, PACKAGE, is_installed, node

VITE = ROOT / "web" / "node_modules" / "vite"
OLDEST = PACKAGE / "tests" / "react18"
REACTS = {"19": PACKAGE / "node_modules", "18": OLDEST / "node_modules"}
REACT = ("react", "react-dom", "scheduler", "loose-envify", "js-tokens")  # with what they need
pytestmark = [
    pytest.mark.core,
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not (is_installed() and VITE.exists() and REACTS["18"].exists()),
        reason="the npm packages are not installed",
    ),
]
(TEN_LINES,) = blocks(PACKAGE / "README.md", "tsx")
PAGE = """<!doctype html><link rel="icon" href="data:,"><body style="margin:0"><div id="root"></div>
<script type="module" src="/main.tsx"></script>"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def serving(folder: Path) -> Iterator[ThreadingHTTPServer]:
    """A folder over HTTP."""
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        try:
            yield served
        finally:
            served.shutdown()
            thread.join(5)


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as its users get it."""
    node("scripts/build.mjs", "--without-types")
    folder = tmp_path_factory.mktemp("packed")
    npm = NODE.resolve().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    node(str(npm), "pack", "--pack-destination", str(folder))
    (packed,) = folder.glob("*.tgz")
    return packed


def make_app(folder: Path, tarball: Path, program: str, react: Path) -> None:
    """A Vite app with the package, React and nothing else. Without a network: React is linked from
    these modules, and Vite is ours."""
    modules = folder / "node_modules"
    modules.mkdir(parents=True)
    with tarfile.open(tarball) as packed:
        packed.extractall(modules, filter="data")
    (modules / "package").rename(modules / "codex-http-client")
    for name in REACT:
        if (react / name).exists():
            (modules / name).symlink_to(react / name)
    (folder / "package.json").write_text(json.dumps({"type": "module", "private": True}))
    (folder / "index.html").write_text(PAGE)
    (folder / "main.tsx").write_text(program)


@pytest.mark.parametrize("version", REACTS)
def test_the_readmes_ten_lines_are_a_chat(
    site: Site, browser: Browser, tarball: Path, version: str
) -> None:
    react = REACTS[version]
    assert json.loads((react / "react" / "package.json").read_text())["version"].startswith(version)
    app = site.root / "app"
    (app / "dist").mkdir(parents=True)
    with serving(app / "dist") as pages:
        origin = f"http://127.0.0.1:{pages.server_address[1]}"
        with start(site, "--allow-origin", origin) as server:
            server.wait_ready()
            program = TEN_LINES.replace("/path/to/project", str(site.project))
            make_app(app, tarball, program.replace("http://127.0.0.1:3032", server.url), react)
            build = [str(NODE), str(VITE / "bin" / "vite.js"), "build", "--logLevel", "warn"]
            subprocess.run(build, cwd=app, timeout=120, check=True)
            page = browser.new_page()
            problems: list[str] = []
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on(
                "console", lambda said: problems.append(said.text) if said.type == "error" else None
            )
            page.goto(origin)
            chat = ChatPage(page)
            site.provider.expect(Command("echo ran"))
            site.provider.expect(Text("Hello **you**\n\n```python\nprint(1)\n```"))
            chat.say("hello")
            expect(chat.answers).to_contain_text("Hello you")
            expect(chat.commands).to_contain_text("ran")
            expect(chat.answers.locator("pre span[style*='--sdm-c']").first).to_be_visible()
            chat.shoot(f"fresh-app-react-{version}")
            assert problems == []
            page.close()
