"""Fixtures: a site (folders and a scripted model) and a server on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import Server, Site, start
from tests.support.shared import site_at, watched
from tests.support.signin import LoginSite


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Folders and a scripted model; after the test no process may be left."""
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


@pytest.fixture
def server(site: Site) -> Iterator[Server]:
    """A server whose core is ready."""
    with start(site) as running:
        running.wait_ready()
        yield running
