"""The guide's EventSource with a ticket, as it stands there, in a page of another origin."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page

from codex_http_server.testing.answers import Text
from tests.support.access import bearer, make_token
from tests.support.server import Site, start

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "remote.md"
pytestmark = [pytest.mark.core, pytest.mark.browser, pytest.mark.timeout(120)]


class Blank(BaseHTTPRequestHandler):
    """A page with nothing in it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><link rel=icon href=data:,><title>elsewhere</title>")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Another origin on this machine."""
    with HTTPServer(("127.0.0.1", 0), Blank) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        serving.join(5)


def test_the_stream_goes_on_over_a_restart_with_a_new_ticket(
    page: Page, site: Site, elsewhere: str
) -> None:
    (code,) = re.findall(r"```js\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    tokens = site.root / "tokens.json"
    secret = make_token(tokens, "page")
    given = ("--allow-origin", elsewhere, "--token-file", str(tokens), "--require-token")
    headers = bearer(secret)
    with ExitStack() as stack:
        first = stack.enter_context(start(site, *given))
        first.client.headers.update(headers)
        code = re.sub(r'const server = ".*?";', f"const server = {first.url!r};", code)
        page.goto(elsewhere)
        follow = "window.seen = []; follow('/events', (event) => seen.push(event));"
        page.evaluate(f"(token) => {{ {code} {follow} }}", secret)
        site.provider.expect(Text("one"))
        here = first.conversation()
        first.run(here)
        page.wait_for_function("seen.some((event) => event.type === 'turn/completed')")
        first.stop()
        second = stack.enter_context(start(site, *given, "--port", first.url.rpartition(":")[2]))
        second.client.headers.update(headers)
        site.provider.expect(Text("two"))
        second.run(here)
        ended = "seen.filter((event) => event.type === 'turn/completed').length === 2"
        page.wait_for_function(ended)
        seqs = page.evaluate(
            f"seen.filter((e) => e.conversation_id === '{here}').map((e) => e.seq)"
        )
        assert seqs == sorted(set(seqs)), "nothing twice"
        assert secret not in "".join(first.log + second.log)
