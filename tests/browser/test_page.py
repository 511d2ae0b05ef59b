"""The page at `/`, in a real browser, on a real server and core."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from playwright.sync_api import Page, expect

from codex_http_server.testing.answers import Command, Gate, Text
from tests.support.builtpage import needs_page
from tests.support.chatpage import ChatPage
from tests.support.server import Server, Site, start

pytestmark = [
    pytest.mark.core,
    pytest.mark.browser,
    pytest.mark.timeout(120),
    needs_page,
]


@pytest.fixture
def chat(page: Page) -> ChatPage:
    return ChatPage(page)


def test_a_first_message_makes_a_conversation_and_its_answer_streams(
    chat: ChatPage, server: Server
) -> None:
    gate = Gate()
    server.site.provider.expect(Text(["Hel", gate, "lo you"]))
    chat.open(server)
    expect(chat.page).to_have_title("codex-http-server")
    chat.say("say <b>hello</b>")
    expect(chat.said).to_have_text("say <b>hello</b>")
    expect(chat.answers).to_have_text("Hel")
    expect(chat.stop).to_be_visible()
    gate.open()
    expect(chat.answers).to_have_text("Hello you")
    expect(chat.stop).to_be_hidden()
    assert server.get(f"/conversations/{chat.conversation_id}")["status"] == "idle"
    chat.expect_title("say <b>hello</b>")


def test_a_reload_in_mid_turn_doubles_nothing_and_lacks_nothing(
    chat: ChatPage, server: Server
) -> None:
    gate = Gate()
    server.site.provider.expect(Command("echo out"))
    server.site.provider.expect(Text(["Half ", gate, "and whole."]))
    chat.open(server)
    chat.say("work")
    expect(chat.answers).to_have_text("Half ")
    chat.page.reload()
    expect(chat.answers).to_have_text("Half ")
    gate.open()
    expect(chat.answers).to_have_text("Half and whole.")
    expect(chat.commands).to_contain_text("out")
    expect(chat.said).to_have_text("work")


def test_a_message_waits_and_is_sent_once_the_turn_is_stopped(
    chat: ChatPage, server: Server
) -> None:
    gate = Gate()
    server.site.provider.expect(Text(["first ", gate, "never"]))
    server.site.provider.expect(Text("second"))
    chat.open(server)
    chat.say("one")
    expect(chat.answers).to_have_text("first ")
    chat.say("two")
    expect(chat.waiting).to_have_text(["two"])
    chat.stop.click()
    expect(chat.answers.last).to_have_text("second")
    expect(chat.waiting).to_have_count(0)
    expect(chat.said).to_have_text(["one", "two"])
    gate.open()


def test_what_the_core_asks_is_answered_and_waits_for_whoever_comes(
    chat: ChatPage, server: Server
) -> None:
    made = server.site.root / "made.txt"
    server.site.provider.expect(Command(f"touch {made}", escalate=True, justification="Shall I?"))
    server.site.provider.expect(Text("done"))
    chat.open(server)
    chat.say("go")
    expect(chat.asked).to_be_visible()
    chat.page.reload()
    chat.decide("accept")
    expect(chat.answers).to_have_text("done")
    expect(chat.asked).to_have_count(0)
    assert made.exists()


def test_the_address_names_the_open_conversation_and_the_title_follows(
    chat: ChatPage, server: Server
) -> None:
    first, second = (server.conversation(title=title) for title in ("First", "Second"))
    chat.open(server)
    chat.list.get_by_role("button", name="First").click()
    chat.expect_title("First")
    assert chat.conversation_id == first
    chat.list.get_by_role("button", name="Second").click()
    chat.expect_title("Second")
    assert chat.conversation_id == second
    chat.page.go_back()
    chat.expect_title("First")
    chat.page.goto(f"{server.url}/#{second}")  # as a bookmark
    chat.expect_title("Second")
    server.client.patch(f"/conversations/{second}", json={"title": "Renamed"})
    chat.expect_title("Renamed")


def test_a_refusal_is_told_in_the_servers_words(chat: ChatPage, server: Server) -> None:
    chat.open(server)
    chat.folder.fill("/does/not/exist")
    chat.say("go")
    expect(chat.problem).to_contain_text("does not exist")
    expect(chat.problem).to_contain_text("invalid_working_directory")


def test_the_page_outlives_a_restart_of_the_server(chat: ChatPage, site: Site) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(start(site))
        first.wait_ready()
        site.provider.expect(Text("before"))
        chat.open(first)
        chat.say("one")
        expect(chat.answers).to_have_text("before")
        expect(chat.stop).to_be_hidden()
        port = first.url.rpartition(":")[2]
        first.stop()
        expect(chat.connection_lost).to_be_visible()
        site.provider.expect(Text("after"))
        chat.say("two")  # sent while nobody is there: tried again until it is taken
        second = stack.enter_context(start(site, "--port", port))
        second.wait_ready()
        expect(chat.answers).to_have_text(["before", "after"])
        expect(chat.connection_lost).to_be_hidden()
        expect(chat.said).to_have_text(["one", "two"])


def test_the_page_fits_a_narrow_screen(chat: ChatPage, server: Server) -> None:
    chat.page.set_viewport_size({"width": 400, "height": 800})
    chat.open(server)
    assert chat.page.evaluate("document.documentElement.scrollWidth") <= 400
