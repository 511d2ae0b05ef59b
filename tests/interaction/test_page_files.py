"""The files of the page at `/`: their types, how long they may be kept, and nothing beside them."""

from __future__ import annotations

import re

import pytest

from tests.support.builtpage import BUILT, needs_page
from tests.support.server import Server

pytestmark = [pytest.mark.core, pytest.mark.lent, needs_page]
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".md": "text/plain"}
FIXED = {"index.html", "page.js", "licenses.md"}


def test_every_file_has_its_type_and_is_kept_by_its_hash(server: Server) -> None:
    files = [path.name for path in BUILT.iterdir()]
    assert set(files) > FIXED
    for name in files:
        answer = server.client.get(f"/page/{name}")
        assert answer.status_code == 200, name
        assert answer.content == (BUILT / name).read_bytes()
        kind = answer.headers["content-type"]
        assert kind == f"{TYPES['.' + name.rsplit('.', 1)[-1]]}; charset=utf-8"
        kept = answer.headers["cache-control"]
        hashed = re.search(r"-[\w-]{8}\.\w+$", name) is not None
        assert hashed == (name not in FIXED)
        assert kept == ("public, max-age=31536000, immutable" if hashed else "no-cache")
    assert server.client.get("/").content == server.client.get("/page/index.html").content


def test_its_policy_lets_in_nothing_from_elsewhere_and_nothing_inline(server: Server) -> None:
    policy = server.client.get("/").headers["content-security-policy"]
    given = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert given == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob: data:",  # images that were pasted, or looked at
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


@pytest.mark.parametrize(
    "path",
    [
        "/page/none.js",
        "/page/__init__.py",
        "/page/%2e%2e",
        "/page/%2e%2e%2fapp.py",
        "/page/..%2froutes%2fpage.py",
        "/page/%2fetc%2fpasswd",
    ],
)
def test_nothing_else_is_served(server: Server, path: str) -> None:
    answer = server.client.get(path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
