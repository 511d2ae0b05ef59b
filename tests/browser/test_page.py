"""The page at `/`, in a real browser, on a real server and core."""

from __future__ import annotations

import re
from contextlib import ExitStack
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from codex_http_server.testing.answers import Command, Drop, Gate, Patch, Reasoning, Text
from tests.support.server import Server, Site, start
from tests.support.signin import LoginSite

pytestmark = [
    pytest.mark.core,
    pytest.mark.browser,
    pytest.mark.timeout(120),
]

# The items that the page shows for a conversation, once from its snapshot and once from all its
# events, through the page's own reducer.
BOTH_WAYS = """
async (id) => {
  const { fromSnapshot, apply, newChanges } = await import("/page/state.js");
  const get = async (path) => (await fetch(`/conversations/${id}${path}`)).json();
  const snapshot = await get("?include=snapshot");
  const replayed = fromSnapshot({ ...snapshot, items: [], turns: [], open_items: [], seq: 0 });
  for (const event of (await get("/events?after=0")).data) apply(replayed, event, newChanges());
  const plain = (state) => [...state.turns.values()].map((turn) => [
    turn.id, turn.status, turn.diff,
    [...turn.items.values()].map((entry) => [entry.itemId, entry.type, entry.status, entry.item]),
  ]);
  return [plain(fromSnapshot(snapshot)), plain(replayed), replayed.seq === snapshot.seq];
}
"""


def _open(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?working_directory={quote(str(server.site.project))}")
    expect(page.locator("#connection")).to_have_text("server is there")


def _say(page: Page, text: str) -> None:
    page.fill("#message", text)
    page.press("#message", "Enter")


def _id(page: Page) -> str:
    return page.url.partition("#")[2]


def test_a_first_message_makes_a_conversation_and_its_answer_streams(
    page: Page, server: Server
) -> None:
    gate = Gate()
    server.site.provider.expect(Text(["Hel", gate, "lo `you`"]))
    _open(page, server)
    _say(page, "say <b>hello</b>")
    expect(page.locator(".userMessage .bubble")).to_have_text("say <b>hello</b>")
    expect(page.locator(".agentMessage")).to_contain_text("Hel")
    expect(page.locator("#stop")).to_be_visible()
    gate.open()
    expect(page.locator(".agentMessage .prose")).to_have_text("Hello you")
    expect(page.locator(".ending")).to_contain_text("Turn done")
    expect(page.locator("#stop")).to_be_hidden()
    expect(page.locator("#announce")).to_have_text("Hello `you`")
    expect(page.locator("#connection")).to_have_text("connected")
    expect(page.locator("#events li").last).to_contain_text("turn/completed")


def test_a_reload_shows_the_same_as_the_stream_did(page: Page, server: Server) -> None:
    patch = "*** Begin Patch\n*** Add File: new.txt\n+one\n+two\n*** End Patch"
    server.site.provider.expect(Reasoning("**Thinking**\n\nabout it"), Command("echo out; exit 3"))
    server.site.provider.expect(Patch(patch))
    server.site.provider.expect(Text("done\n\n```\ncode\n```"))
    _open(page, server)
    _say(page, "work")
    expect(page.locator(".ending")).to_contain_text("Turn done")
    command = page.locator(".commandExecution")
    expect(command.locator(".state")).to_contain_text("exit 3")
    expect(command.locator(".output")).to_contain_text("out")
    expect(page.locator(".fileChange .row.add .text")).to_have_text(["one", "two"])
    expect(page.locator(".fileChange .row.add .sign")).to_have_text(["+", "+"])
    expect(page.locator(".agentMessage pre")).to_have_text("code")
    streamed = page.locator("#turns").inner_text()
    page.reload()
    expect(page.locator(".ending")).to_be_visible()
    assert page.locator("#turns").inner_text() == streamed
    snapshot, replayed, at_head = page.evaluate(BOTH_WAYS, _id(page))
    assert snapshot == replayed
    assert at_head


def test_messages_wait_are_removed_and_a_turn_is_stopped(page: Page, server: Server) -> None:
    gate = Gate()
    server.site.provider.expect(Text(["first ", gate, "never"]))
    server.site.provider.expect(Text("second"))
    _open(page, server)
    _say(page, "one")
    expect(page.locator(".agentMessage")).to_contain_text("first")
    for text in ("two", "three"):
        _say(page, text)
        expect(page.locator("#queue li").last).to_contain_text(text)
    page.get_by_role("button", name="Remove: three").click()
    expect(page.locator("#queue li")).to_have_count(1)
    page.click("#stop")
    expect(page.locator(".broken:visible")).to_have_text("broken off (interrupted)")
    expect(page.locator(".ending").first).to_contain_text("Turn interrupted")
    expect(page.locator(".turn").nth(1).locator(".agentMessage .prose")).to_have_text("second")
    expect(page.locator("#queue")).to_be_hidden()
    gate.open()


def test_a_broken_stream_is_shown_as_progress(page: Page, server: Server) -> None:
    server.site.provider.expect(Text(["half ", Drop()]))
    gate = Gate()
    server.site.provider.expect(gate, Text("whole"))
    _open(page, server)
    _say(page, "go")
    expect(page.locator(".broken:visible")).to_have_text("broken off (retried)")
    expect(page.locator(".notice.retry")).to_contain_text("retrying")
    gate.open()
    expect(page.locator(".agentMessage .prose").last).to_have_text("whole")
    expect(page.locator(".notice")).to_have_count(0)


def test_a_question_of_the_core_is_shown_with_its_end(page: Page, server: Server) -> None:
    server.site.provider.expect(Command("true", escalate=True, justification="Shall I?"))
    server.site.provider.expect(Text("then not"))
    _open(page, server)
    _say(page, "go")
    expect(page.locator(".approval")).to_contain_text("Shall I?")
    expect(page.locator(".approval .outcome")).to_contain_text("declined by the server")
    expect(page.locator(".ending")).to_be_visible()
    page.reload()
    expect(page.locator(".approval .outcome")).to_contain_text("declined by the server")


def test_a_refusal_is_told_in_the_servers_words(page: Page, server: Server) -> None:
    _open(page, server)
    page.fill("#directory", "/does/not/exist")
    page.click("#create")
    problem = page.locator("#start-problem")
    expect(problem).to_contain_text("does not exist")
    expect(problem).to_contain_text("invalid_working_directory")


def test_the_page_outlives_a_restart_of_the_server(page: Page, site: Site) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(start(site))
        first.wait_ready()
        site.provider.expect(Text("before"))
        _open(page, first)
        _say(page, "one")
        expect(page.locator(".ending")).to_be_visible()
        port = first.url.rpartition(":")[2]
        first.stop()
        expect(page.locator("#connection")).to_have_text(re.compile("reconnecting|not reachable"))
        site.provider.expect(Text("after"))
        _say(page, "two")  # sent while nobody is there: tried again until it is taken
        second = stack.enter_context(start(site, "--port", port))
        second.wait_ready()
        expect(page.locator(".agentMessage .prose")).to_have_text(["before", "after"])
        expect(page.locator("#connection")).to_have_text("connected")
        expect(page.locator(".userMessage .bubble")).to_have_text(["one", "two"])


def test_the_page_fits_a_narrow_screen(page: Page, server: Server) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    _open(page, server)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 400
    expect(page.locator("#list")).to_be_hidden()
    page.click("#list-toggle")
    expect(page.locator("#list")).to_be_visible()


def test_a_refused_login_says_what_to_do_and_that_the_message_waits(
    page: Page, signed_in_site: LoginSite
) -> None:
    signed_in_site.provider.authorise = lambda _: 401
    with start(signed_in_site) as server:
        server.wait_ready()
        _open(page, server)
        _say(page, "hello")
        told = page.locator(".notice", has_text="Sign in again")
        expect(told).to_contain_text("is sent after the login")
        expect(page.locator("#queue-list li")).to_contain_text("waits for a login")
