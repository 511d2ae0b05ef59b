"""The app of desktop/, made as by its author: in a folder of its own, with the packed package."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codex_http_server.testing.answers import Command, Gate, Patch, Text
from tests.electron.conftest import Start
from tests.support.chatwindow import ASKS, EMPTY, YES, begin, press, say, shown
from tests.support.commands import until
from tests.support.electron import DESKTOP, App, conversation, package_ways, send, shows
from tests.support.server import Site, gone
from tests.support.typescript import PACKAGE, build, is_installed, run

pytestmark = [pytest.mark.core, pytest.mark.timeout(180)]

FILES = ["main.js", "index.html", "build.mjs", "src"]
FROM_HERE = ["react", "react-dom", "scheduler", "esbuild", "@esbuild"]  # without a registry


@pytest.fixture(scope="module")
def foux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app's folder, built."""
    if not is_installed():
        pytest.skip("the npm packages are not installed")
    build()
    folder = tmp_path_factory.mktemp("foux")
    run("npm", "pack", "--silent", "--pack-destination", str(folder), cwd=PACKAGE)
    (tarball,) = folder.glob("*.tgz")
    for name in FILES:
        copy = shutil.copytree if (DESKTOP / name).is_dir() else shutil.copy
        copy(DESKTOP / name, folder / name)
    about = json.loads((DESKTOP / "package.json").read_text())
    del about["dependencies"], about["devDependencies"]
    (folder / "package.json").write_text(json.dumps(about))
    run("npm", "install", "--offline", "--no-audit", "--omit=peer", str(tarball), cwd=folder)
    for name in FROM_HERE:
        (folder / "node_modules" / name).symlink_to(PACKAGE / "node_modules" / name)
    run("node", "build.mjs", cwd=folder)
    return folder


@pytest.fixture
def app(start: Start, foux: Path) -> Iterator[App]:
    """The app, with its server ready."""
    with start(foux) as running:
        shown(running, EMPTY)
        yield running


def test_from_the_first_start_to_an_approved_command(
    app: App, site: Site, screenshot: Callable[[App, str], None]
) -> None:
    begin(app, site)
    gate = Gate()
    patch = "*** Begin Patch\n*** Add File: hello.txt\n+hello\n*** End Patch"
    site.provider.expect(Text(["I will ", gate, "write a file."]), Patch(patch))
    site.provider.expect(Command("touch ../beside.txt", escalate=True, justification="Asked."))
    site.provider.expect(Text("Both are there."))
    say(app, "Write hello.txt, and one beside it.")
    shown(app, "I will")
    gate.open()
    shown(app, "I will write a file.")
    app.page.wait("document.querySelector('.diff-code-insert')?.innerText === 'hello'")
    until((site.project / "hello.txt").exists, "it is written")  # the lines are shown before
    assert (site.project / "hello.txt").read_text() == "hello\n"
    shown(app, ASKS)
    screenshot(app, "approval")
    press(app, YES)
    shown(app, "Both are there.")
    until((site.root / "beside.txt").exists, "the command has run")
    screenshot(app, "done")
    assert app.do("problems") == []


def test_a_server_that_the_app_brings_along_is_set_up_at_its_first_start(
    start: Start, site: Site, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    brought = tmp_path / "brought along"
    script = DESKTOP / "packaging" / "python.mjs"
    run("node", str(script), str(DESKTOP.parent), str(brought), cwd=tmp_path, UV_NO_PROGRESS="1")
    # What was not fetched before is fetched now: the app knows nothing of this machine's ways out.
    warm = {"UV_PROJECT_ENVIRONMENT": str(tmp_path_factory.mktemp("warm"))}
    run("uv", "sync", "--frozen", "--no-dev", "--project", str(brought), cwd=tmp_path, **warm)
    known = package_ways() | {"UV_OFFLINE": "1"}
    with start(
        environment=known | {"PYTHON_FOLDER": str(brought), "CODEX_SERVER_COMMAND": ""}
    ) as app:
        shows(app, "ready: started", timeout=100)
        site.provider.expect(Text(["begun", Gate()]))
        send(app, conversation(app, site))
        app.page.wait("seen.pieces.join('') === 'begun'")
        processes = [app.process, *app.children()]
        assert any("uv" in each.name() for each in processes)
        app.process.send_signal(signal.SIGTERM)
        until(lambda: all(map(gone, processes)), "everything has ended", 15)
    shutil.rmtree(site.root / "electron" / "codex" / "python")  # its tests know made-up secrets
