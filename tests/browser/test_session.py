"""How the page comes in: with a code, without one, and where a token is needed."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from codex_http_server.auth.pages import leave_code
from codex_http_server.testing.answers import Text
from tests.support.access import token_file
from tests.support.builtpage import needs_page
from tests.support.chatpage import LOOSE, ChatPage
from tests.support.cli import run_cli
from tests.support.server import Server, Site, start

pytestmark = [pytest.mark.core, pytest.mark.browser, pytest.mark.timeout(120), needs_page]


@pytest.fixture
def chat(page: Page) -> ChatPage:
    return ChatPage(page)


def opened(server: Server) -> str:
    """The address that `codex-http-server open` prints."""
    found = run_cli("open", "--no-browser", environment=server.site.environment())
    assert found.returncode == 0, found
    return found.stdout.strip()


def cookies(context: BrowserContext) -> list[dict]:
    return [dict(cookie) for cookie in context.cookies()]


def test_the_page_opened_with_a_code_may_elevate_and_shows_no_code(
    chat: ChatPage, server: Server
) -> None:
    page, addresses = chat.page, list[str]()
    page.on("request", lambda request: addresses.append(request.url))
    address = opened(server)
    code = address.partition("#code=")[2]
    page.goto(address)
    expect(chat.loosest).to_be_enabled()
    expect(chat.access).to_be_empty()
    assert page.url == f"{server.url}/"
    assert not [url for url in addresses[1:] if code in url]
    (cookie,) = cookies(page.context)
    assert cookie["name"] == f"codex_http_{server.url.rpartition(':')[2]}"
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert page.evaluate("document.cookie") == ""
    chat.folder.fill(str(server.site.project))
    chat.choice("Sandbox").select_option(LOOSE)
    server.site.provider.expect(Text("free"))
    chat.say("go")
    expect(chat.answers).to_have_text("free")
    made = server.get(f"/conversations/{chat.id}")
    assert made["sandbox"] == LOOSE
    page.goto(server.url)
    expect(chat.loosest).to_be_enabled()
    page.go_back()
    assert code not in page.url


def test_the_page_without_a_code_shows_what_it_lacks_and_why(
    chat: ChatPage, server: Server
) -> None:
    chat.open(server)
    expect(chat.loosest).to_be_disabled()
    expect(chat.loosest).to_contain_text("elevate")
    chat.choice("Sandbox").select_option("read-only")
    server.site.provider.expect(Text("I only look."))
    chat.say("go")
    expect(chat.answers).to_have_text("I only look.")
    assert server.get(f"/conversations/{chat.id}")["sandbox"] == "read-only"


def test_a_code_that_was_used_is_told_and_the_page_works_on(chat: ChatPage, server: Server) -> None:
    page, address = chat.page, opened(server)
    page.goto(address)
    expect(chat.loosest).to_be_enabled()
    page.context.clear_cookies()
    page.goto("about:blank")
    page.goto(address)
    expect(chat.access).to_contain_text("invalid_code")
    expect(chat.access).to_contain_text("codex-http-server open")
    expect(chat.loosest).to_be_disabled()
    assert "code" not in page.url


def test_where_a_token_is_needed_the_page_says_how_to_come_in(chat: ChatPage, site: Site) -> None:
    with start(site, "--require-token") as server:
        page = chat.page
        page.goto(server.url)
        expect(chat.access).to_contain_text("codex-http-server open")
        expect(chat.box).to_have_count(0)
        folder = token_file(site).with_name("page-codes")
        page.goto(f"{server.url}/#code={leave_code(folder)}")  # in the same tab
        expect(chat.box).to_be_visible()
        expect(chat.access).to_be_empty()
        assert "code" not in page.url


def test_a_page_whose_session_ends_while_it_is_open_says_how_to_come_in_again(
    chat: ChatPage, site: Site
) -> None:
    with start(site, "--require-token") as server:
        folder = token_file(site).with_name("page-codes")
        chat.page.goto(f"{server.url}/#code={leave_code(folder)}")
        expect(chat.box).to_be_visible()
        chat.page.context.clear_cookies()
        chat.folder.fill(str(site.project))
        chat.box.fill("go")
        chat.box.press("Enter")
        expect(chat.access).to_contain_text("codex-http-server open")
