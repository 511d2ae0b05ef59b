"""How the page comes in: with a code, without one, and where a token is needed."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from codex_http_server.auth.pages import leave_code
from codex_http_server.testing.answers import Text
from tests.support.access import token_file
from tests.support.cli import run_cli
from tests.support.server import Server, Site, start

pytestmark = [pytest.mark.core, pytest.mark.browser, pytest.mark.timeout(120)]
LOOSE = '#sandbox option[value="danger-full-access"]'


def opened(server: Server) -> str:
    """The address that `codex-http-server open` prints."""
    found = run_cli("open", "--no-browser", environment=server.site.environment())
    assert found.returncode == 0, found
    return found.stdout.strip()


def cookies(context: BrowserContext) -> list[dict]:
    return [dict(cookie) for cookie in context.cookies()]


def test_the_page_opened_with_a_code_may_elevate_and_shows_no_code(
    page: Page, server: Server
) -> None:
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    address = opened(server)
    code = address.partition("#code=")[2]
    page.goto(address)
    expect(page.locator("#connection")).to_have_text("server is there")
    assert page.url == f"{server.url}/"
    assert not [url for url in addresses[1:] if code in url]
    (cookie,) = cookies(page.context)
    assert cookie["name"] == f"codex_http_{server.url.rpartition(':')[2]}"
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert page.evaluate("document.cookie") == ""
    expect(page.locator(LOOSE)).to_be_enabled()
    expect(page.locator("#sandbox-hint")).to_be_hidden()
    page.fill("#directory", str(server.site.project))
    page.select_option("#sandbox", "danger-full-access")
    server.site.provider.expect(Text("free"))
    page.fill("#message", "go")
    page.press("#message", "Enter")
    expect(page.locator("#facts")).to_contain_text("sandbox: danger-full-access")
    expect(page.locator(".agentMessage .prose")).to_have_text("free")
    page.reload()
    expect(page.locator(LOOSE)).to_be_enabled()
    page.go_back()
    assert code not in page.url


def test_the_page_without_a_code_shows_what_it_lacks_and_why(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?working_directory={quote(str(server.site.project))}")
    expect(page.locator("#connection")).to_have_text("server is there")
    expect(page.locator(LOOSE)).to_be_disabled()
    expect(page.locator("#sandbox-hint")).to_contain_text("codex-http-server open")
    page.select_option("#sandbox", "read-only")
    page.click("#create")
    expect(page.locator("#facts")).to_contain_text("sandbox: read-only")


def test_a_code_that_was_used_is_told_and_the_page_works_on(page: Page, server: Server) -> None:
    address = opened(server)
    page.goto(address)
    expect(page.locator(LOOSE)).to_be_enabled()
    page.context.clear_cookies()
    page.goto("about:blank")
    page.goto(address)
    expect(page.locator("#access")).to_contain_text("invalid_code")
    expect(page.locator("#connection")).to_have_text("server is there")
    expect(page.locator(LOOSE)).to_be_disabled()
    assert "code" not in page.url


def test_where_a_token_is_needed_the_page_says_how_to_come_in(page: Page, site: Site) -> None:
    with start(site, "--require-token") as server:
        page.goto(server.url)
        expect(page.locator("#access")).to_contain_text("codex-http-server open")
        expect(page.locator("#conversations li")).to_have_count(0)
        folder = token_file(site).with_name("page-codes")
        page.goto("about:blank")
        page.goto(f"{server.url}/#code={leave_code(folder)}")
        expect(page.locator("#access")).to_be_empty()
        expect(page.locator("#connection")).to_have_text("server is there")
        expect(page.locator("#core")).to_have_text(re.compile("Codex core"))
