"""The pages of README and guide work as they stand, on another origin than the server's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from playwright.sync_api import Page, expect

from codex_http_server.testing.answers import Gate, Text
from tests.support.pages import README, ROOT, blocks
from tests.support.server import Server, Site, start

pytestmark = [pytest.mark.core, pytest.mark.browser, pytest.mark.timeout(120)]

GUIDE = ROOT / "docs" / "guides" / "browser.md"


class Elsewhere(HTTPServer):
    """Another origin, with one page."""

    page = ""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Elsewhere)
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(f"<!doctype html><link rel=icon href=data:,>{self.server.page}".encode())

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@contextmanager
def another_origin() -> Iterator[Elsewhere]:
    with Elsewhere(("127.0.0.1", 0), Answer) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        try:
            yield serving
        finally:
            serving.shutdown()
            thread.join(5)


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    with another_origin() as serving:
        yield serving


@pytest.fixture
def server(site: Site, elsewhere: Elsewhere) -> Iterator[Server]:
    with start(site, "--allow-origin", elsewhere.origin) as running:
        running.wait_ready()
        yield running


def test_the_guides_page_paints_follows_and_sends(
    page: Page, server: Server, elsewhere: Elsewhere
) -> None:
    (html,) = blocks(GUIDE, "html")
    elsewhere.page = html.replace("http://127.0.0.1:3032", server.url)
    here = server.conversation()
    server.site.provider.expect(Text("An answer from before."))
    server.run(here, "The first question.")
    page.goto(f"{elsewhere.origin}/?conversation={here}")
    expect(page.locator("#text")).to_have_text("The first question.\n\nAn answer from before.")
    gate = Gate()
    server.site.provider.expect(Text(["Half ", gate, "and whole."]))
    page.fill("#message", "The second one.")
    page.click("button")
    expect(page.locator("#text")).to_contain_text("The second one.\n\nHalf")
    page.reload()  # in mid-answer: the open item is in the snapshot
    expect(page.locator("#text")).to_contain_text("The second one.\n\nHalf")
    gate.open()
    expect(page.locator("#text")).to_contain_text("Half and whole.")
    shown = page.text_content("#text") or ""
    assert shown.count("Half and whole.") == 1


def test_the_readmes_page_shows_the_answer_as_it_comes(
    page: Page, server: Server, elsewhere: Elsewhere
) -> None:
    (html,) = blocks(README, "html")
    here = server.conversation()
    html = html.replace("http://127.0.0.1:3032", server.url).replace("${id}", here)
    elsewhere.page = html
    page.goto(elsewhere.origin)
    gate = Gate()
    server.site.provider.expect(Text(["Word by ", gate, "word."]))
    server.send(here)
    expect(page.locator("#out")).to_have_text("Word by ")  # it is there before the answer ends
    gate.open()
    expect(page.locator("#out")).to_have_text("Word by word.\n[completed]\n")
