"""The page at `/`, in a real browser: what was said is found, and opened where it was said."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from codex_http_server.testing.answers import Command, Text
from tests.support.builtpage import needs_page
from tests.support.chatpage import ChatPage, open_chat
from tests.support.server import Server

pytestmark = [
    pytest.mark.core,
    pytest.mark.browser,
    pytest.mark.lent,
    pytest.mark.timeout(120),
    needs_page,
]
SEARCH = "**/search?*"
TURNS = 60  # more items than a snapshot has


@pytest.fixture
def chat(page: Page, server: Server) -> ChatPage:
    return open_chat(page, server)


def say(server: Server, here: str, message: str, reply: str) -> None:
    server.site.provider.expect(Text(reply))
    server.run(here, message)


def test_what_was_said_is_found_and_opened_where_it_was_said(
    chat: ChatPage, server: Server
) -> None:
    here = server.conversation(title="Garden")
    say(server, here, "what lives in a burrow?", "A Wombat, " + "and so on. " * 30)
    for number in range(TURNS):
        say(server, here, f"and number {number}?", f"this is number {number}")
    titled = server.conversation(title="Wombat house")
    chat.search.fill("wombat")
    expect(chat.conversations).to_have_count(1)  # titles first, at once
    expect(chat.conversations).to_contain_text("Wombat house")
    expect(chat.found).to_have_count(1)
    expect(chat.found.locator("mark")).to_have_text("Wombat")
    expect(chat.found).to_contain_text("Garden")
    expect(chat.found).to_contain_text("Codex:")
    expect(chat.search_state).to_have_text("1 found")
    chat.shoot("search")
    chat.found.click()
    expect(chat.title).to_have_text("Garden")
    assert chat.id == here
    expect(chat.page.locator(".codex-found")).to_contain_text("A Wombat")
    expect(chat.page.locator(".codex-found")).to_be_in_viewport()
    expect(chat.button("Newest ↓")).to_be_visible()
    chat.shoot("search-opened")
    chat.search.press("Escape")
    expect(chat.search).to_have_value("")
    expect(chat.found).to_have_count(0)
    expect(chat.page.locator(f'[data-conversation="{titled}"]')).to_be_visible()


def test_commands_are_found_if_that_is_wanted(chat: ChatPage, server: Server) -> None:
    here = server.conversation(title="Shed")
    server.site.provider.expect(Command("printf platy; echo pus"), Text("done"))
    server.run(here, "go")
    chat.search.fill("platypus")
    expect(chat.search_state).to_have_text("Nothing found")
    chat.page.get_by_label("Commands and their output too").check()
    expect(chat.found).to_contain_text("Output: platypus")


def test_who_types_on_is_asked_once_and_told_how_it_stands(chat: ChatPage, server: Server) -> None:
    say(server, server.conversation(title="Zoo"), "one", "a capybara swims")
    asked: list[str] = []
    held: list[Route] = []

    def hold(route: Route) -> None:
        asked.append(route.request.url)
        held.append(route)

    chat.page.route(SEARCH, hold)
    chat.search.press_sequentially("capyb", delay=10)
    expect(chat.search_state).to_have_text("Searching …")
    with chat.page.expect_request(re.compile("search")):
        chat.search.press("Enter")  # at once, whatever waits
    with chat.page.expect_event("requestfailed"):
        chat.search.press_sequentially("ara")  # what was asked is of no use any more
    chat.page.unroute(SEARCH)
    expect(chat.found).to_have_count(1)
    assert all("capyb" in url for url in asked), asked
    assert len(asked) <= 2
    chat.search.fill("capybaras?")
    expect(chat.search_state).to_have_text("Nothing found")
    chat.page.route(SEARCH, lambda route: route.fulfill(status=500, body="no"))
    chat.search.fill("capybara")
    expect(chat.problem).to_be_visible()
    expect(chat.search_state).to_be_empty()
    chat.page.unroute(SEARCH)
    chat.button("Try again").click()
    expect(chat.found).to_have_count(1)
    expect(chat.problem).to_have_count(0)


def test_the_results_are_walked_through_with_the_arrows(chat: ChatPage, server: Server) -> None:
    say(server, server.conversation(title="Pond"), "one", "an axolotl")
    chat.search.fill("axolotl")
    expect(chat.found).to_have_count(1)
    chat.search.press("ArrowDown")
    expect(chat.found.first).to_be_focused()
    chat.page.keyboard.press("ArrowUp")
    expect(chat.search).to_be_focused()
    chat.page.keyboard.press("ArrowDown")
    chat.page.keyboard.press("Enter")
    expect(chat.title).to_have_text("Pond")


def test_it_fits_a_narrow_screen(chat: ChatPage, server: Server) -> None:
    say(server, server.conversation(title="Desert"), "one", "a meerkat, " + "and more " * 40)
    chat.page.set_viewport_size({"width": 400, "height": 800})
    chat.page.get_by_role("button", name="Conversations").click()
    chat.search.fill("meerkat")
    expect(chat.found).to_have_count(1)
    assert chat.page.evaluate("document.documentElement.scrollWidth") <= 400
    chat.shoot("narrow-search")
    chat.found.click()
    expect(chat.found).to_be_hidden()
    expect(chat.page.locator(".codex-found")).to_be_in_viewport()
