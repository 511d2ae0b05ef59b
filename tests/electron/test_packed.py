"""The app of desktop/, packed by electron-builder as its recipe says, at its first start.

`CODEX_PACK=1` runs it: it asks npm's registry for electron-builder, and takes a minute.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.support.chatwindow import EMPTY, a_command_is_approved, an_answer_streams, begin, shown
from tests.support.commands import until
from tests.support.electron import DESKTOP, App, Host, all_of, package_ways, quit_app
from tests.support.pages import ROOT
from tests.support.server import Site, gone
from tests.support.typescript import PACKAGE, build, is_installed, run

pytestmark = [
    pytest.mark.core,
    pytest.mark.electron,
    pytest.mark.timeout(600),
    pytest.mark.skipif("CODEX_PACK" not in os.environ, reason="CODEX_PACK=1 packs an app"),
]
RECIPE = "packaging/electron-builder.yml"


@pytest.fixture
def packed(electron: Host, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The program of the packed app."""
    if not is_installed():
        pytest.skip("the npm packages are not installed")
    build()
    root = tmp_path_factory.mktemp("packed")
    left = shutil.ignore_patterns("node_modules", "dist", "release", "python", ".electron")
    folder = shutil.copytree(DESKTOP, root / "desktop", ignore=left)
    client = root / "clients" / "typescript"
    shutil.copytree(PACKAGE, client, ignore=shutil.ignore_patterns("node_modules", "build"))
    (builder,) = re.findall(r"electron-builder@[\d.]+", (folder / RECIPE).read_text())
    run("npm", "ci", cwd=folder)
    run("npm", "install", "--save-dev", "--save-exact", builder, cwd=folder)
    run("node", "build.mjs", cwd=folder)
    run("node", "packaging/python.mjs", str(ROOT), cwd=folder, UV_NO_PROGRESS="1")
    run("npx", "electron-builder", "--config", RECIPE, *options(electron, root), cwd=folder)
    return Host(
        electron.driver, folder / "release" / "linux-unpacked" / "foux-like", electron.display
    )


def options(electron: Host, folder: Path) -> list[str]:
    """What has to be other than in the recipe: the Electron that is here, and that it lets itself
    be driven."""
    runtime = folder / "electron"
    shutil.copytree(electron.program.parent, runtime, ignore=shutil.ignore_patterns("app"))
    return [
        *("--linux", "dir", f"-c.electronDist={runtime}"),
        f"-c.electronVersion={(runtime / 'version').read_text()}",
        "-c.electronFuses.enableNodeCliInspectArguments=true",
    ]


def test_a_packed_app_sets_up_its_server_does_a_turn_and_quits(packed: Host, site: Site) -> None:
    own = package_ways() | {"CODEX_SERVER_COMMAND": ""}
    with App(packed, packed.program.parent, site, own) as app:
        shown(app, EMPTY, timeout=200)
        begin(app, site)
        an_answer_streams(app, site)
        a_command_is_approved(app, site)
        assert app.do("problems") == []
        (server,) = [each for each in app.children() if each.name() == "uv"]
        processes = all_of(app, site, server)
        quit_app(app)
        until(lambda: all(map(gone, processes)), "everything has ended", 15)
    shutil.rmtree(site.root / "electron" / "codex" / "python")  # its tests know made-up secrets
