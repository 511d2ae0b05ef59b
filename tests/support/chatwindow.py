"""What a person does with the chat of desktop/. The names that it shows stand only here."""

from __future__ import annotations

import json

from tests.support.electron import App
from tests.support.server import Site

ASKS = "Codex wants to run a command"
YES = "Allow once"
SIGN_IN = "Sign in with ChatGPT"
EMPTY = "What should Codex do?"


def shown(app: App, text: str, timeout: float = 30.0) -> None:
    """Wait until the page shows a text."""
    app.page.wait(f"document.body.innerText.includes({json.dumps(text)})", timeout)


def hidden(app: App, text: str) -> None:
    """Wait until the page does not show it any more."""
    app.page.wait(f"!document.body.innerText.includes({json.dumps(text)})")


def press(app: App, name: str) -> None:
    """Press the button of this name."""
    app.page("click", f'button:text-is("{name}")')


def begin(app: App, site: Site) -> None:
    """Open the project in a new conversation; the system's dialog chooses it by itself."""
    app.main(
        "({ dialog }, path) => { dialog.showOpenDialog = async () => ({ filePaths: [path] }); }",
        str(site.project),
    )
    press(app, "Choose …")
    folder = json.dumps(str(site.project))
    app.page.wait(f"document.querySelector('input[list]').value === {folder}")


def say(app: App, text: str) -> None:
    """Type a message and send it."""
    app.page("fill", "textarea", text)
    press(app, "Send")
