"""Fixtures: a site (folders and a scripted model) and a server on it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import driven, leaks, order, promises, seen, shapes, unexercised
from tests.support.server import Server, Site, start
from tests.support.shared import lent, server_at, site_at, watched
from tests.support.signin import LoginSite


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """How tests run side by side: before the options are read."""
    pluginmanager.register(order)


def pytest_configure(config: pytest.Config) -> None:
    """No secret may turn up anywhere; every operation is driven, and refuses with codes that it
    lists; every event is as described; and what a test starts can be interrupted, also where the
    run itself can't be, as in the background of a script."""
    config.pluginmanager.register(seen)
    config.pluginmanager.register(leaks)
    config.pluginmanager.register(driven)
    config.pluginmanager.register(promises)
    config.pluginmanager.register(shapes)
    config.pluginmanager.register(unexercised)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("SIGQUIT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)


def _is_lent(request: pytest.FixtureRequest) -> bool:
    """Whether a test is content with the server that its module shares. Where it takes a site and
    no server, it starts one itself."""
    node = request.node
    marked = node.get_closest_marker("lent") and not node.get_closest_marker("own")
    return bool(marked) and "server" in request.fixturenames


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Folders and a scripted model; after the test no process may be left."""
    if _is_lent(request):
        yield request.getfixturevalue("server").site
        return
    with site_at(tmp_path) as made:
        yield made


@pytest.fixture
def login_site(tmp_path: Path) -> Iterator[LoginSite]:
    """A site with a login issuer, whose provider wants a login; nobody is signed in yet."""
    with watched(LoginSite(tmp_path)) as made:
        yield made


@pytest.fixture
def signed_in_site(login_site: LoginSite) -> LoginSite:
    """A site that an earlier login left signed in."""
    login_site.issuer.write_login(login_site.home)
    return login_site


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that is lent to the tests of a module."""
    with server_at(tmp_path_factory.mktemp("kept")) as running:
        yield running


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server whose core is ready: of the test's own, or lent where it is marked so."""
    if _is_lent(request):
        with lent(request.getfixturevalue("kept")) as running:
            yield running
        return
    with start(request.getfixturevalue("site")) as running:
        running.wait_ready()
        yield running
