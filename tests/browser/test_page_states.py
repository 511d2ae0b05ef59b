"""The page at `/`, state by state: it says to those who can't see it what is kept in snapshots/.

How to renew that: tests/support/ariasnapshots.py.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from playwright.sync_api import Locator, Page, expect

from codex_http_server.testing.answers import Command, Gate, Patch, Reasoning, Text
from tests.support.ariasnapshots import check_snapshot
from tests.support.builtpage import needs_page
from tests.support.chatpage import ChatPage, open_chat
from tests.support.server import Server, Site, start
from tests.support.signin import LoginSite

pytestmark = [
    pytest.mark.core,
    pytest.mark.browser,
    pytest.mark.lent,
    pytest.mark.timeout(120),
    needs_page,
]
PATCH = (
    "*** Begin Patch\n*** Update File: old.txt\n@@\n left\n-middle\n+centre\n right\n*** End Patch"
)


@pytest.fixture
def chat(page: Page, server: Server) -> ChatPage:
    return open_chat(page, server)


def main(chat: ChatPage) -> Locator:
    """The conversation; beside it are those of other tests."""
    return chat.page.get_by_role("main")


def whole(chat: ChatPage) -> Locator:
    return chat.page.locator("body")


@pytest.mark.own
def test_empty(page: Page, site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        check_snapshot(whole(open_chat(page, server)), "empty")


def test_streaming(chat: ChatPage, server: Server) -> None:
    gate = Gate()
    server.site.provider.expect(Text(["one ", gate, "two"]))
    chat.say("count")
    expect(chat.answers).to_have_text("one")
    check_snapshot(main(chat), "streaming")
    gate.open()
    expect(chat.foot).to_be_visible()


def test_a_command(chat: ChatPage, server: Server) -> None:
    server.site.provider.expect(Reasoning("**Thinking**\n\nabout it"), Command("echo out; exit 3"))
    server.site.provider.expect(Text("It ended with `3`."))
    chat.say("run")
    expect(chat.foot).to_be_visible()
    check_snapshot(main(chat), "command")


def test_a_diff(chat: ChatPage, server: Server) -> None:
    (server.site.project / "old.txt").write_text("left\nmiddle\nright\n")
    server.site.provider.expect(Patch(PATCH))
    server.site.provider.expect(Text("changed"))
    chat.say("change")
    expect(chat.foot).to_be_visible()
    chat.button("Show what it changed").click()
    check_snapshot(main(chat), "diff")


def test_an_approval(chat: ChatPage, server: Server) -> None:
    made = server.site.root / "made-state.txt"
    server.site.provider.expect(Command(f"touch {made}", escalate=True, justification="Shall I?"))
    server.site.provider.expect(Text("done"))
    chat.say("go")
    expect(chat.asked).to_be_visible()
    check_snapshot(main(chat), "approval")
    chat.button("Deny").click()
    expect(chat.foot).to_be_visible()
    check_snapshot(main(chat), "answered")


def test_an_error(chat: ChatPage) -> None:
    chat.folder.fill("/does/not/exist")
    chat.box.fill("hello")
    chat.box.press("Enter")
    expect(chat.problem).to_be_visible()
    check_snapshot(main(chat), "error")


@pytest.mark.own
def test_reconnecting(page: Page, site: Site) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(start(site))
        first.wait_ready()
        site.provider.expect(Text("one"))
        chat = open_chat(page, first)
        chat.say("count")
        expect(chat.foot).to_be_visible()
        first.kill()
        expect(chat.connection_lost).to_be_visible()
        check_snapshot(main(chat), "reconnecting")
        second = stack.enter_context(start(site, "--port", first.url.rpartition(":")[2]))
        second.wait_ready()
        expect(chat.connection_lost).to_be_hidden()


@pytest.mark.own
def test_login(page: Page, signed_in_site: LoginSite) -> None:
    signed_in_site.provider.authorise = lambda _: 401
    with start(signed_in_site) as server:
        server.wait_ready()
        chat = open_chat(page, server)
        chat.say("hello")
        expect(page.get_by_role("region", name="Sign in")).to_be_visible()
        check_snapshot(whole(chat), "login")


@pytest.mark.own
def test_400_pixels(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    with start(site) as server:
        server.wait_ready()
        site.provider.expect(Text("one"))
        chat = open_chat(page, server)
        chat.say("count")
        expect(chat.foot).to_be_visible()
        check_snapshot(whole(chat), "narrow")
        chat.page.get_by_role("button", name="Conversations").click()
        chat.search.fill("count")
        expect(chat.found).to_have_count(1)
        check_snapshot(whole(chat), "narrow-search")
