"""A page of another origin, in a real browser: what was allowed works, the rest is kept away."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.support.server import Server, Site, start

pytestmark = [
    pytest.mark.core,
    pytest.mark.browser,
    pytest.mark.timeout(120),
]

FETCHED = "async (url) => (await (await fetch(url + '/health')).json()).status"
STREAMED = """
(url) => new Promise((resolve, reject) => {
  const stream = new EventSource(url + "/events");
  stream.onmessage = ({ data }) => { stream.close(); resolve(JSON.parse(data).type); };
  stream.onerror = () => { stream.close(); reject(new Error("no stream")); };
})
"""
LOADED = """
([kind, url]) => new Promise((resolve) => {
  const element = document.createElement(kind);
  element.onload = () => resolve("loaded");
  element.onerror = () => resolve("blocked");
  element.src = url;
  document.body.append(element);
})
"""
OPAQUE = """
async (url) => {
  try { return (await fetch(url + "/health", { mode: "no-cors" })).type; }
  catch (error) { return "blocked"; }
}
"""


@contextmanager
def another_site(**headers: str) -> Iterator[str]:
    """A site with one empty page, sent with these headers; its origin."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<!doctype html><title>another site</title><body></body>"
            self.send_response(200)
            for name, value in {"Content-Type": "text/html", **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    made = browser.new_page()
    yield made
    made.close()


ISOLATED = {
    "Cross_Origin_Embedder_Policy": "require-corp",
    "Cross_Origin_Opener_Policy": "same-origin",
}


@pytest.mark.parametrize("headers", [{}, ISOLATED], ids=["plain", "isolated"])
def test_an_allowed_page_may_fetch_and_stream(
    site: Site, page: Page, headers: dict[str, str]
) -> None:
    with another_site(**headers) as origin, start(site, "--allow-origin", origin) as server:
        page.goto(origin)
        assert page.evaluate("crossOriginIsolated") == bool(headers)
        assert page.evaluate(FETCHED, server.url) == "ok"
        assert page.evaluate(STREAMED, server.url)  # the type of the first event


def test_even_an_allowed_page_loads_nothing_of_ours_as_its_own(site: Site, page: Page) -> None:
    with another_site() as origin, start(site, "--allow-origin", origin) as server:
        page.goto(origin)
        for kind, path in (("script", "/page/page.js"), ("img", "/health"), ("script", "/health")):
            assert page.evaluate(LOADED, [kind, server.url + path]) == "blocked", (kind, path)
        assert page.evaluate(OPAQUE, server.url) == "blocked"


def test_a_page_that_is_not_allowed_gets_nothing(server: Server, page: Page) -> None:
    with another_site() as origin:
        page.goto(origin)
        for script in (FETCHED, STREAMED):
            with pytest.raises(Exception, match=r"Failed to fetch|no stream"):
                page.evaluate(script, server.url)
        assert page.evaluate(OPAQUE, server.url) == "blocked"
        assert page.evaluate(LOADED, ["script", server.url + "/page/page.js"]) == "blocked"


def test_our_page_may_not_be_framed(server: Server, page: Page) -> None:
    with another_site() as origin:
        page.goto(origin)
        page.evaluate(LOADED, ["iframe", server.url + "/"])
        frame = page.frames[-1]
        assert frame is not page.main_frame
        assert frame.query_selector("#root") is None
