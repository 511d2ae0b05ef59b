"""Fixtures: a real Electron or what stands in for it, and the package as it is now."""

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

from tests.support.electron import SMALL, App, Host, shows
from tests.support.electron import host as find_host
from tests.support.server import Site
from tests.support.shared import site_at
from tests.support.typescript import PACKAGE, build, is_installed
from tests.support.unexercised import UNEXERCISED, stood_in

Start: TypeAlias = Callable[..., AbstractContextManager[App]]


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """What the apps run on: Electron, or else Chromium and Node."""
    with find_host() as found:
        if isinstance(found, str):
            pytest.skip(f"{UNEXERCISED}: {found}")
        yield found


@pytest.fixture(scope="session")
def electron(host: Host) -> Host:
    """Electron itself, for what nothing else can stand for."""
    if host.instead:
        pytest.skip(f"{UNEXERCISED}: {host.instead}")
    return host


@pytest.fixture(autouse=True)
def _judged(request: pytest.FixtureRequest) -> None:
    """Nothing stands in for what is marked `electron`; else the run says at its end that it did."""
    if request.node.get_closest_marker("electron"):
        request.getfixturevalue("electron")
    elif "host" in request.fixturenames and (why := request.getfixturevalue("host").instead):
        stood_in(request.node, why)


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
def start(small: Path, host: Host, site: Site) -> Start:
    """Starts an app on the test's site, which afterwards has no process left."""

    def run(app: Path = small, environment: Mapping[str, str] | None = None) -> App:
        return App(host, app, site, environment or {})

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
def shared(small: Path, host: Host, shared_site: Site) -> Iterator[App]:
    """The small app for the tests of a module that leave it as they found it."""
    with App(host, small, shared_site, {}) as running:
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
