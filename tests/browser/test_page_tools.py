"""The page at `/`, in a real browser: commands of one's own, and what developers look at."""

from __future__ import annotations

import json
import shlex
from contextlib import ExitStack
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from codex_http_server.auth.pages import leave_code
from codex_http_server.testing.answers import Command, Gate, Text
from tests.support.access import token_file
from tests.support.axe import violations
from tests.support.builtpage import needs_page
from tests.support.chatpage import ChatPage, open_chat
from tests.support.server import Server, Site, start

pytestmark = [
    pytest.mark.core,
    pytest.mark.browser,
    pytest.mark.lent,
    pytest.mark.timeout(120),
    needs_page,
]


@pytest.fixture
def chat(page: Page, server: Server) -> ChatPage:
    return open_chat(page, server)


def elevated(page: Page, server: Server) -> ChatPage:
    """A page that came in with a code: it may elevate."""
    code = leave_code(token_file(server.site).with_name("page-codes"))
    project = quote(str(server.site.project))
    page.goto(f"{server.url}/?working_directory={project}#code={code}")
    chat = ChatPage(page)
    expect(chat.loosest).to_be_enabled()
    return chat


# --- commands of one's own -----------------------------------------------------------------------


def test_a_command_of_ones_own_runs_and_is_shown_as_any_other(page: Page, server: Server) -> None:
    chat = elevated(page, server)
    chat.box.fill("!echo first; pwd")
    expect(chat.page.get_by_text("without sandbox and without asking")).to_be_visible()
    chat.shoot("own-command")
    chat.button("Run").click()
    expect(chat.commands.locator(".codex-line")).to_have_text("echo first; pwd")
    expect(chat.commands).to_contain_text("exit 0")
    expect(chat.commands.get_by_role("region", name="Output")).to_have_text(
        f"first\n{server.site.project}\n"
    )
    expect(chat.box).to_have_value("")
    expect(chat.status).to_have_text("idle")  # a command's end is not yet its turn's
    chat.say("!exit 3")
    expect(chat.commands.last).to_contain_text("exit 3")
    server.site.provider.expect(Text("seen"))
    chat.say(" !no command")
    expect(chat.answers).to_have_text("seen")
    assert "echo first; pwd" in str(server.site.provider.requests[-1].body["input"])
    expect(chat.said).to_have_text(" !no command")


def test_a_command_of_ones_own_waits_for_the_end_of_the_turn(page: Page, server: Server) -> None:
    chat = elevated(page, server)
    gate = Gate()
    server.site.provider.expect(Text(["one ", gate, "two"]))
    chat.say("go")
    expect(chat.answers).to_have_text("one")
    chat.box.fill("!echo now")
    expect(chat.button("Run")).to_be_disabled()
    expect(chat.page.get_by_text("once the turn has ended")).to_be_visible()
    chat.box.press("Enter")
    gate.open()
    expect(chat.button("Run")).to_be_enabled()
    expect(chat.commands).to_have_count(0)
    chat.box.press("Enter")
    expect(chat.commands).to_contain_text("now")


def test_without_the_scope_the_reason_is_told(chat: ChatPage) -> None:
    chat.box.fill("!echo no")
    expect(chat.button("Run")).to_be_disabled()
    expect(chat.page.get_by_text("needs a token with the scope elevate")).to_be_visible()
    chat.shoot("own-command-refused")
    chat.page.set_viewport_size({"width": 400, "height": 800})
    assert chat.page.evaluate("document.documentElement.scrollWidth") <= 400
    chat.shoot("narrow-own-command")
    chat.box.fill("echo no")
    expect(chat.button("Send")).to_be_enabled()


# --- events and requests -------------------------------------------------------------------------


def panel(chat: ChatPage):
    return chat.page.get_by_role("region", name="Events and requests")


def test_events_are_shown_as_they_come_until_they_are_paused(
    chat: ChatPage, server: Server
) -> None:
    loaded: list[str] = []
    chat.page.on("request", lambda request: loaded.append(request.url))
    server.site.provider.expect(Text("one"))
    chat.say("go")
    expect(chat.answers).to_have_text("one")
    assert not [url for url in loaded if "Developer" in url]
    chat.choose("Events and requests")
    rows = panel(chat).get_by_role("listitem")
    expect(rows.filter(has_text="turn/started")).to_have_count(1)  # what was there before
    assert [url for url in loaded if "Developer" in url]
    server.site.provider.expect(Command("echo more"))
    server.site.provider.expect(Text("two"))
    chat.say("again")
    expect(rows.filter(has_text="turn/completed")).to_have_count(2)
    rows.filter(has_text="turn/completed").first.get_by_role("group").click()
    shown = json.loads(rows.get_by_role("region").inner_text())
    last = server.get(f"/conversations/{chat.id}/events?after=0")["data"]
    (told,) = [each for each in last if each["seq"] == shown["seq"]]
    assert shown == told
    chat.shoot("events")
    panel(chat).get_by_role("button", name="Pause").click()
    server.site.provider.expect(Text("three"))
    chat.say("unseen")
    expect(chat.answers.last).to_have_text("three")
    expect(rows.filter(has_text="turn/completed")).to_have_count(2)
    expect(panel(chat)).to_contain_text("more")
    panel(chat).get_by_role("button", name="Go on").click()
    expect(rows.filter(has_text="turn/completed")).to_have_count(3)
    chat.page.keyboard.press("Escape")
    expect(panel(chat)).to_have_count(0)


def test_a_request_is_copied_for_curl_without_the_token(browser: Browser, server: Server) -> None:
    with ExitStack() as stack:
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
        stack.callback(context.close)
        chat = open_chat(context.new_page(), server)
        server.site.provider.expect(Text("one"))
        chat.say('it\'s "quoted" & $HOME')
        expect(chat.foot).to_be_visible()
        chat.choose("Events and requests")
        ended = panel(chat).get_by_role("listitem").filter(has_text="turn/completed")
        expect(ended).to_have_count(1)
        chosen = panel(chat).get_by_label("Request", exact=True).locator("option:checked")
        expect(chosen).to_have_text(f"POST /conversations/{chat.id}/messages")
        chat.button("Copy as curl").click()
        expect(chat.button("Copy as curl")).to_have_count(0)  # it says that it is done
        copied = chat.page.evaluate("navigator.clipboard.readText()")
        words = shlex.split(copied.replace("\\\n", ""))
        assert words[:4] == ["curl", "-X", "POST", f"{server.url}/conversations/{chat.id}/messages"]
        assert "Authorization: Bearer $CODEX_HTTP_TOKEN" in words
        assert not [word for word in words if "Cookie" in word or "Idempotency" in word]
        body = json.loads(words[words.index("--data-raw") + 1])
        assert body["input"] == [{"type": "text", "text": 'it\'s "quoted" & $HOME'}]
        chat.button("Copy all").click()
        expect(chat.button("Copy all")).to_have_count(0)
        lines = chat.page.evaluate("navigator.clipboard.readText()").splitlines()
        assert "turn/completed" in {json.loads(line)["type"] for line in lines}


@pytest.mark.own
def test_what_signs_in_is_in_no_request(page: Page, site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        chat = open_chat(page, server)
        site.provider.expect(Text("one"))
        chat.say("go")
        expect(chat.foot).to_be_visible()
        chat.choose("Events and requests")
        requests = panel(chat).get_by_label("Request", exact=True)
        expect(requests.locator("option").first).to_be_attached()
        assert not [
            each for each in requests.locator("option").all_inner_texts() if "/auth" in each
        ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_both(browser: Browser, server: Server, scheme: str) -> None:
    page = browser.new_page(color_scheme="dark" if scheme == "dark" else "light")
    chat = elevated(page, server)
    chat.say("!echo me")
    expect(chat.foot).to_be_visible()
    chat.page.get_by_label("More", exact=True).press("Enter")  # by keyboard alone
    for _ in range(20):
        page.keyboard.press("Tab")
        if chat.button("Events and requests").evaluate("(it) => it === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(panel(chat).get_by_role("button", name="Pause")).to_be_focused()
    panel(chat).get_by_role("listitem").first.get_by_role("group").click()
    chat.box.fill("!echo next")
    found = violations(page)
    chat.shoot(f"events-{scheme}")
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    chat.shoot(f"narrow-events-{scheme}")
    page.close()
    assert not found, found
