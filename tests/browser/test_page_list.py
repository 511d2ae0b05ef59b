"""The page at `/`, in a real browser: the list, policies, and what goes with a message."""

from __future__ import annotations

import base64

import pytest
from playwright.sync_api import Page, expect

from codex_http_server.testing.answers import Command, Text
from tests.support.builtpage import needs_page
from tests.support.chatpage import ChatPage, open_chat
from tests.support.gitrepo import make_repository
from tests.support.images import PNG
from tests.support.server import Server

pytestmark = [
    pytest.mark.core,
    pytest.mark.browser,
    pytest.mark.lent,
    pytest.mark.timeout(120),
    needs_page,
]

DROP = """
([data, how]) => {
  const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], `${how}.png`, { type: "image/png" }));
  const box = document.querySelector("textarea");
  const event = how === "paste"
    ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true })
    : new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
  box.dispatchEvent(event);
}
"""


@pytest.fixture
def chat(page: Page, server: Server) -> ChatPage:
    return open_chat(page, server)


def talk(chat: ChatPage, server: Server, text: str) -> str:
    """A new conversation of one turn; its id."""
    chat.button("New conversation").click()
    server.site.provider.expect(Text(f"about {text}"))
    chat.say(text)
    expect(chat.answers).to_have_text(f"about {text}")
    expect(chat.status).to_have_text("idle")
    return chat.id


def test_conversations_are_found_renamed_and_put_away(chat: ChatPage, server: Server) -> None:
    first = talk(chat, server, "apples")
    second = talk(chat, server, "bananas")
    chat.page.get_by_label("Search conversations").fill("apples")
    expect(chat.conversations).to_have_text(["applesnow"])
    chat.conversations.first.click()
    expect(chat.answers).to_have_text("about apples")
    assert chat.id == first
    chat.page.get_by_label("Search conversations").fill("")
    chat.choose("Rename")
    chat.page.get_by_label("Title").fill("Fruit")
    chat.page.get_by_label("Title").press("Enter")
    expect(chat.title).to_have_text("Fruit")
    expect(chat.page.locator(f'[data-conversation="{first}"]')).to_contain_text("Fruit")
    assert server.get(f"/conversations/{first}")["title"] == "Fruit"
    chat.choose("Archive")
    expect(chat.page.locator(f'[data-conversation="{first}"]')).to_have_count(0)
    chat.page.get_by_label("Archived").check()
    expect(chat.page.locator(f'[data-conversation="{first}"]')).to_be_visible()
    expect(chat.page.locator(f'[data-conversation="{second}"]')).to_have_count(0)


def test_a_conversation_is_forked_and_deleted(chat: ChatPage, server: Server) -> None:
    first = talk(chat, server, "apples")
    chat.choose("Fork")
    expect(chat.page).not_to_have_url(f"{server.url}/#{first}")
    expect(chat.page.get_by_text("forked", exact=True)).to_be_visible()
    expect(chat.answers).to_have_text("about apples")
    forked = chat.id
    assert forked != first
    chat.choose("Delete …")
    expect(chat.page.get_by_role("dialog")).to_contain_text("Files that Codex wrote stay")
    chat.button("Delete").click()
    expect(chat.page.get_by_text("What should Codex do?")).to_be_visible()
    expect(chat.page.locator(f'[data-conversation="{forked}"]')).to_have_count(0)
    assert server.client.get(f"/conversations/{forked}").status_code == 404


def test_what_is_chosen_reaches_the_core(chat: ChatPage, server: Server) -> None:
    models = [each["model"] for each in server.get("/models")["data"] if not each.get("hidden")]
    chat.choice("Model").select_option(models[0])
    chat.choice("Sandbox").select_option("read-only")
    chat.choice("Approvals").select_option("untrusted")
    expect(chat.choice("Sandbox").locator("option", has_text="No sandbox")).to_be_disabled()
    expect(chat.choice("Approvals").locator("option", has_text="Never")).to_be_disabled()
    server.site.provider.expect(Text("begun"))
    chat.say("begin")
    expect(chat.answers).to_have_text("begun")
    info = server.get(f"/conversations/{chat.id}")
    assert (info["sandbox"], info["approval_policy"]) == ("read-only", "untrusted")
    chat.choice("Effort").select_option("high")
    expect(chat.choice("Effort")).to_be_enabled()
    expect(chat.choice("Effort")).to_have_value("high")
    server.site.provider.expect(Text("again"))
    chat.say("more")
    expect(chat.answers).to_have_text(["begun", "again"])
    asked = server.site.provider.requests[-1].body
    assert asked["model"] == models[0]
    assert "'effort': 'high'" in str(asked["reasoning"])


@pytest.mark.parametrize("how", ["paste", "drop"])
def test_an_image_goes_with_a_message(chat: ChatPage, server: Server, how: str) -> None:
    chat.page.evaluate(DROP, [base64.b64encode(PNG).decode(), how])
    expect(chat.page.get_by_role("button", name=f"Remove {how}.png")).to_be_visible()
    server.site.provider.expect(Text("a picture"))
    chat.say("what is it?")
    expect(chat.answers).to_have_text("a picture")
    expect(chat.page.locator(".codex-userMessage .codex-chip")).to_have_text("image")
    assert "data:image/png;base64," in str(server.site.provider.requests[-1].body["input"])


def test_a_file_is_named_with_an_at(chat: ChatPage, server: Server) -> None:
    (server.site.project / "readme.md").write_text("hello")
    talk(chat, server, "apples")
    chat.box.press_sequentially("see @read")
    expect(chat.hits).to_have_text(["readme.md"])
    chat.shoot("files")
    chat.box.press("Enter")
    expect(chat.box).to_have_value("see @readme.md ")
    expect(chat.hits).to_have_count(0)
    server.site.provider.expect(Text("seen"))
    chat.box.press("Enter")
    expect(chat.answers).to_have_text(["about apples", "seen"])


def test_the_work_tree_is_shown_as_git_sees_it(chat: ChatPage, server: Server) -> None:
    talk(chat, server, "apples")
    chat.choose("Changes in the work tree")
    dialog = chat.page.get_by_role("dialog")
    expect(dialog).to_contain_text("git")
    expect(chat.problem).to_have_count(0)  # a folder without git is no error
    make_repository(server.site.project)
    (server.site.project / "file.txt").write_text("three\n")
    chat.button("Read again").click()
    expect(dialog.locator(".diff-code-insert")).to_have_text("three")
    expect(dialog.locator(".diff-code-delete")).to_have_text("two")
    chat.shoot("work-tree")
    chat.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_a_conversation_is_opened_again_by_its_address(chat: ChatPage, server: Server) -> None:
    made = talk(chat, server, "apples")
    server.site.provider.expect(Command("echo more"))
    server.site.provider.expect(Text("ran"))
    chat.say("go on")
    expect(chat.answers).to_have_text(["about apples", "ran"])
    chat.page.goto("about:blank")
    chat.page.goto(f"{server.url}/#{made}")
    expect(chat.answers).to_have_text(["about apples", "ran"])
    chat.page.goto(f"{server.url}/#0000-none")
    expect(chat.problem).to_be_visible()
