"""The page at `/`, as a person uses it: the one place that knows its labels and its classes."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from playwright.sync_api import Locator, Page, expect

from tests.support.server import Server

LOOSE = "danger-full-access"


@dataclass(frozen=True)
class ChatPage:
    """The page in a browser's tab."""

    page: Page

    # --- around the conversation ------------------------------------------------------------

    def open(self, server: Server) -> None:
        """Load it, with the project as the folder of new conversations."""
        self.page.goto(f"{server.url}/?working_directory={quote(str(server.site.project))}")
        expect(self.message).to_be_visible()

    @property
    def conversation_id(self) -> str:
        """What the address names; empty where no conversation is open."""
        return self.page.url.partition("#")[2]

    def expect_title(self, conversation: str) -> None:
        """The tab is called after a conversation."""
        expect(self.page).to_have_title(f"{conversation} \N{EN DASH} codex-http-server")

    @property
    def access(self) -> Locator:
        """What is told about the way in."""
        return self.page.locator("#access")

    @property
    def list(self) -> Locator:
        """The conversations."""
        return self.page.get_by_role("navigation", name="Conversations")

    @property
    def problem(self) -> Locator:
        """What did not work."""
        return self.page.get_by_role("alert")

    @property
    def connection_lost(self) -> Locator:
        """That it is being looked for."""
        return self.page.get_by_text("The connection is lost")

    # --- a new one --------------------------------------------------------------------------

    @property
    def folder(self) -> Locator:
        """Where it will work."""
        return self.page.get_by_label("Working directory")

    @property
    def sandbox(self) -> Locator:
        """What it will be allowed."""
        return self.page.get_by_label("Sandbox")

    @property
    def loosest(self) -> Locator:
        """The sandbox that is none, among those offered."""
        return self.sandbox.locator(f'option[value="{LOOSE}"]')

    # --- the conversation -------------------------------------------------------------------

    @property
    def message(self) -> Locator:
        """Where to write."""
        return self.page.get_by_label("Message", exact=True)

    def say(self, text: str) -> None:
        """Write a message, and send it."""
        self.message.fill(text)
        self.message.press("Enter")

    @property
    def stop(self) -> Locator:
        """The button that ends a turn."""
        return self.page.get_by_role("button", name="Stop", exact=True)

    def items(self, kind: str) -> Locator:
        """The items of one type of the core's."""
        return self.page.locator(f'article[data-type="{kind}"]')

    @property
    def said(self) -> Locator:
        """The person's messages."""
        return self.items("userMessage")

    @property
    def answers(self) -> Locator:
        """The agent's."""
        return self.items("agentMessage")

    @property
    def commands(self) -> Locator:
        """What it ran."""
        return self.items("commandExecution")

    @property
    def waiting(self) -> Locator:
        """The messages that wait."""
        return self.page.get_by_label("Waiting messages").locator("li")

    @property
    def asked(self) -> Locator:
        """What the core asks."""
        return self.page.get_by_label("Approval", exact=True)

    def decide(self, decision: str) -> None:
        """Answer it."""
        self.asked.get_by_role("button", name=decision, exact=True).click()
