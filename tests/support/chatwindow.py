"""What a person does with the chat of desktop/. The names that it shows stand only here."""

from __future__ import annotations

import json

from codex_http_server.testing.answers import Command, Gate, Text
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


def an_answer_streams(app: App, site: Site) -> None:
    """A piece is there before the next one is made."""
    gate = Gate()
    site.provider.expect(Text(["It begins, ", gate, "and it ends."]))
    say(app, "Answer.")
    shown(app, "It begins,")
    gate.open()
    shown(app, "It begins, and it ends.")


def a_command_is_approved(app: App, site: Site) -> None:
    """It runs after the answer, and not before."""
    made = site.root / "beside.txt"
    site.provider.expect(Command(f"touch {made}", escalate=True, justification="Asked."))
    site.provider.expect(Text("It is there."))
    say(app, "Make a file.")
    shown(app, ASKS)
    assert not made.exists()
    press(app, YES)
    shown(app, "It is there.")
    assert made.exists()
