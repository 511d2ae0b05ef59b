"""The page at `/`, in a real browser: a reload in the middle of something shows what was shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from codex_http_server.testing.answers import Drop, Gate, Headers, Text, Usage
from tests.support.axe import violations
from tests.support.builtpage import needs_page
from tests.support.chatpage import ChatPage, open_chat
from tests.support.plans import PLANS, planned
from tests.support.server import Server, Site, start
from tests.support.shared import site_at
from tests.support.signin import LoginSite

pytestmark = [
    pytest.mark.core,
    pytest.mark.browser,
    pytest.mark.timeout(120),
    needs_page,
]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The core offers its model the tool for plans, and tries again more than once."""
    with site_at(tmp_path) as made:
        made.configure(**PLANS, stream_max_retries=5)
        yield made


@pytest.fixture
def chat(page: Page, server: Server) -> ChatPage:
    return open_chat(page, server)


def test_a_reload_in_mid_retry_shows_it_until_the_turn_goes_on(
    chat: ChatPage, server: Server
) -> None:
    gate = Gate()
    server.site.provider.expect(Text(["half an ", Drop()]))
    server.site.provider.expect(Drop())
    server.site.provider.expect(gate, Text("the whole answer"))
    chat.say("go")
    expect(chat.retrying).to_contain_text("Trying again. Reconnecting... 2/5")
    expect(chat.retrying).to_contain_text("stream disconnected")
    shown = chat.retrying.inner_text()
    chat.page.reload()
    expect(chat.retrying).to_have_text(shown, use_inner_text=True)
    chat.shoot("retrying")
    gate.open()
    expect(chat.foot).to_contain_text("Done")
    expect(chat.retrying).to_be_hidden()
    chat.page.reload()
    expect(chat.answers.last).to_have_text("the whole answer")
    expect(chat.retrying).to_be_hidden()


def test_the_error_that_ended_a_turn_is_there_after_a_reload(
    chat: ChatPage, server: Server
) -> None:
    server.site.provider.script = lambda _: [Drop()]
    chat.say("go")
    expect(chat.foot).to_contain_text("stream disconnected", timeout=30_000)
    shown = chat.foot.inner_text()
    chat.page.reload()
    expect(chat.foot).to_have_text(shown, use_inner_text=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_reload_in_mid_plan_shows_its_steps(
    browser: Browser, server: Server, scheme: str
) -> None:
    page = browser.new_page(color_scheme="dark" if scheme == "dark" else "light")
    chat = open_chat(page, server)
    gate = Gate()
    provider = server.site.provider
    provider.expect(planned("First I look.", "in_progress", "pending", "pending"))
    provider.expect(planned("One is done.", "completed", "in_progress", "pending"))
    provider.expect(Text(["So far ", gate, "so good."]))
    chat.say("work")
    expect(chat.answers).to_have_text("So far")
    for _ in range(2):
        expect(chat.plan.locator("summary")).to_have_text("Plan: 1 of 3 done. Now: Step 2")
        expect(chat.plan).to_contain_text("One is done.")
        expect(chat.steps).to_have_text(["✓Step 1, done", "▸Step 2, in progress", "○Step 3, to do"])
        expect(chat.plan.locator("[aria-current=step]")).to_contain_text("Step 2")
        page.reload()
    expect(chat.steps).to_have_count(3)
    found = violations(page)
    chat.shoot(f"plan-{scheme}")
    gate.open()
    expect(chat.foot).to_contain_text("Done")
    expect(chat.steps.first).to_be_hidden()  # the turn is over: it is folded
    page.reload()
    chat.plan.locator("summary").click()
    expect(chat.steps).to_have_count(3)
    page.close()
    assert not found, json.dumps(found, indent=1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_usage_says_what_is_left_of_context_and_account(
    browser: Browser, signed_in_site: LoginSite, scheme: str
) -> None:
    site = signed_in_site
    with start(site) as server:
        server.wait_ready()
        page = browser.new_page(color_scheme="dark" if scheme == "dark" else "light")
        chat = open_chat(page, server)
        site.provider.expect(Text("Hello."), Usage(input=60_000, cached=50_000, output=4_000))
        chat.say("hello")
        expect(chat.usage.locator("summary")).to_have_text(re.compile(r"^64 k tokens, \d+ % left$"))
        page.reload()
        expect(chat.usage.locator("summary")).to_have_text(re.compile(r"^64 k tokens, \d+ % left$"))
        chat.usage.locator("summary").click()
        expect(chat.usage).to_contain_text(re.compile(r"64 k of \d+ k tokens"))
        expect(chat.usage).to_contain_text("60 k in (50 k of them cached), 4.0 k out")
        expect(chat.gauge("5 h")).to_have_attribute("value", "12")
        expect(chat.gauge("7 days")).to_have_attribute("value", "6")
        expect(chat.usage).to_contain_text("5 h: 12 % used, begins anew")
        found = violations(page)
        chat.shoot(f"usage-{scheme}")
        site.provider.expect(Headers({"x-codex-primary-used-percent": "77"}), Text("fine"))
        chat.say("more")
        expect(chat.gauge("5 h")).to_have_attribute("value", "77")
        chat.usage.locator("summary").press("Escape")
        expect(chat.gauge("5 h")).to_be_hidden()
        page.close()
    assert not found, json.dumps(found, indent=1)


def test_an_account_without_limits_says_so_and_it_fits_a_narrow_screen(
    chat: ChatPage, server: Server
) -> None:
    chat.page.set_viewport_size({"width": 400, "height": 800})
    server.site.provider.expect(planned("Why. " * 40, "completed", "in_progress"))
    server.site.provider.expect(Text("Hello."))
    chat.say("hello")
    expect(chat.foot).to_contain_text("Done")
    chat.plan.locator("summary").click()
    chat.usage.locator("summary").click()
    expect(chat.usage).to_contain_text("The model's provider has no such limits.")
    chat.shoot("usage-narrow")
    assert chat.page.evaluate("document.documentElement.scrollWidth") <= 400
