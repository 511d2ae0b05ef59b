"""Fixtures: a real Electron, and the package as it is now."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.support.electron import SMALL, App, find_electron, screen, shows
from tests.support.server import Site
from tests.support.shared import site_at
from tests.support.typescript import PACKAGE, build, is_installed
from tests.support.unexercised import UNEXERCISED

Start: TypeAlias = Callable[..., AbstractContextManager[App]]


@pytest.fixture(scope="session")
def electron() -> Path:
    """Its program."""
    program, why = find_electron()
    if program is None:
        pytest.skip(f"{UNEXERCISED}: {why}")
    return program


@pytest.fixture(scope="session")
def display(electron: Path) -> Iterator[str]:
    """A screen of our own."""
    with screen() as name:
        yield name


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small app, whose page has the package as it is now."""
    if not is_installed():
        pytest.skip("the npm packages are not installed")
    build()
    folder = tmp_path_factory.mktemp("small") / "app"
    shutil.copytree(SMALL, folder)
    shutil.copytree(PACKAGE / "dist", folder / "page" / "client")
    return folder


@pytest.fixture
def start(small: Path, electron: Path, display: str, site: Site) -> Start:
    """Starts an app on the test's site, which afterwards has no process left."""

    def run(app: Path = small, environment: Mapping[str, str] | None = None) -> App:
        return App(electron, app, site, display, environment or {})

    return run


@pytest.fixture
def foreign() -> Iterator[str]:
    """The address of another program on this machine, which serves a page."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_address[1]}"
        serving.shutdown()
        thread.join(5)


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><link rel=icon href=data:,><p>Somebody else.")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@pytest.fixture
def app(start: Start) -> Iterator[App]:
    """The small app, with its server ready."""
    with start() as running:
        shows(running, "ready: started")
        yield running


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site of `shared`."""
    with site_at(tmp_path_factory.mktemp("shared")) as site:
        yield site


@pytest.fixture(scope="module")
def shared(small: Path, electron: Path, display: str, shared_site: Site) -> Iterator[App]:
    """The small app for the tests of a module that leave it as they found it."""
    with App(electron, small, shared_site, display, {}) as running:
        shows(running, "ready: started")
        yield running


@pytest.fixture
def screenshot(request: pytest.FixtureRequest) -> Callable[[App, str], None]:
    """Takes a picture of a window, for people: into `ELECTRON_SHOTS`, if that is set."""
    folder = os.environ.get("ELECTRON_SHOTS")

    def take(app: App, name: str) -> None:
        if folder:
            app.page("screenshot", {"path": f"{folder}/{request.node.name}-{name}.png"})

    return take
