"""The chat in a browser, by what a person sees and presses; all names of its parts are here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Locator, Page, expect

from tests.support.server import Server

LOOSE = "danger-full-access"
SCREENS = Path(__file__).resolve().parents[2] / "build" / "screens"


@dataclass(frozen=True)
class ChatPage:
    """A page that shows the chat."""

    page: Page

    # --- around the conversation ------------------------------------------------------------

    def open(self, server: Server) -> None:
        """Load it, with the project as the folder of new conversations."""
        self.page.goto(f"{server.url}/?working_directory={quote(str(server.site.project))}")
        expect(self.box).to_be_visible()

    def expect_title(self, conversation: str) -> None:
        """The tab is called after a conversation."""
        expect(self.page).to_have_title(f"{conversation} \N{EN DASH} codex-http-server")

    @property
    def access(self) -> Locator:
        """What is told about the way in."""
        return self.page.locator("#access")

    @property
    def connection_lost(self) -> Locator:
        """That it is being looked for."""
        return self.page.get_by_text("The connection is lost")

    @property
    def folder(self) -> Locator:
        """Where a new one will work."""
        return self.choice("Working directory")

    @property
    def loosest(self) -> Locator:
        """The sandbox that is none, among those offered."""
        return self.choice("Sandbox").locator(f'option[value="{LOOSE}"]')

    # --- where to write ---------------------------------------------------------------------

    @property
    def box(self) -> Locator:
        return self.page.get_by_label("Message", exact=True)

    def say(self, text: str) -> None:
        """Write a message and send it; the box is empty once it is taken."""
        self.box.fill(text)
        self.box.press("Enter")
        expect(self.box).to_have_value("")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def choice(self, name: str) -> Locator:
        return self.page.get_by_label(name, exact=True)

    # --- what is said -----------------------------------------------------------------------

    @property
    def messages(self) -> Locator:
        return self.page.get_by_role("region", name="Messages")

    @property
    def said(self) -> Locator:
        return self.page.locator(".codex-bubble")

    @property
    def answers(self) -> Locator:
        return self.page.locator(".codex-agentMessage .codex-prose")

    @property
    def commands(self) -> Locator:
        return self.page.locator(".codex-command")

    @property
    def files(self) -> Locator:
        return self.page.locator(".codex-fileChange .codex-file")

    @property
    def asked(self) -> Locator:
        return self.page.locator(".codex-approval")

    @property
    def answered(self) -> Locator:
        """What was asked and has ended."""
        return self.page.locator(".codex-answered")

    @property
    def foot(self) -> Locator:
        return self.page.locator(".codex-foot")

    @property
    def plan(self) -> Locator:
        return self.page.locator(".codex-plan")

    @property
    def steps(self) -> Locator:
        """The steps of the plan."""
        return self.page.get_by_role("list", name="Plan").get_by_role("listitem")

    @property
    def retrying(self) -> Locator:
        """That the model is tried again."""
        return self.page.get_by_role("status").filter(has_text="Trying again")

    @property
    def broken(self) -> Locator:
        return self.page.locator(".codex-broken")

    @property
    def problem(self) -> Locator:
        return self.page.get_by_role("alert")

    @property
    def waiting(self) -> Locator:
        return self.page.get_by_role("region", name="Waiting messages").get_by_role("listitem")

    @property
    def status(self) -> Locator:
        return self.page.locator(".codex-facts .codex-pill").first

    @property
    def hits(self) -> Locator:
        """The files that are offered after an @."""
        return self.page.get_by_role("listbox", name="Files").get_by_role("option")

    # --- the list and the head --------------------------------------------------------------

    @property
    def conversations(self) -> Locator:
        return self.page.locator("[data-conversation]")

    @property
    def title(self) -> Locator:
        return self.page.locator(".codex-head h2")

    @property
    def usage(self) -> Locator:
        """What is used, in the head; its summary opens it."""
        return self.page.locator(".codex-usage")

    def gauge(self, name: str) -> Locator:
        return self.usage.get_by_role("meter", name=name)

    @property
    def search(self) -> Locator:
        return self.page.get_by_label("Search conversations")

    @property
    def found(self) -> Locator:
        """What a search has found in conversations."""
        return self.page.locator("[data-hit]")

    @property
    def search_state(self) -> Locator:
        """How the search stands, in words."""
        return self.page.get_by_role("region", name="Found in conversations").get_by_role("status")

    def choose(self, name: str) -> None:
        """Choose something of the menu of the conversation."""
        self.page.get_by_label("More", exact=True).click()
        self.button(name).click()

    @property
    def id(self) -> str:
        """The conversation that the address names."""
        self.page.wait_for_url(re.compile(r"#[\w-]{8,}$"))
        return self.page.url.partition("#")[2]

    # --- pictures ---------------------------------------------------------------------------

    def shoot(self, name: str) -> None:
        """Leave a picture of the page in build/screens, for people."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENS / f"{name}.png")


def open_chat(page: Page, server: Server) -> ChatPage:
    """Open the page, for new conversations in the project of the site."""
    chat = ChatPage(page)
    chat.open(server)
    return chat
