"""The real Codex TUI in a terminal of its own: what it shows, and what is typed into it.

A screen tells nobody when it changes, so it is looked at again and again, for a bounded time.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.commands import until
from tests.support.server import Server

ROOT = Path(__file__).resolve().parents[2]
FETCHED, VENV = ROOT / "tests" / "tui", ROOT / ".venv"
FETCH = 150.0  # seconds for 170 MB
PATIENCE = 60.0  # seconds
CALM = 1.5  # seconds
TRIES = 6
WIDTH, HEIGHT = 120, 50
TRUST, OFFER, COMPOSER = "Trust and continue", "Use existing model", "Ask Codex"  # on its screens
TOKEN = "CODEX_SERVER_TOKEN"  # the variable's name


class Tui:
    """A TUI that runs in tmux."""

    def __init__(self, socket: str) -> None:
        self.socket = socket

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-L", self.socket, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        return done.stdout

    def screen(self) -> str:
        """What is on the screen now, as text."""
        return self._tmux("capture-pane", "-p", "-t", "tui")

    def wait(self, text: str, timeout: float = PATIENCE) -> None:
        """Wait until this text is on the screen."""
        try:
            until(lambda: text in self.screen(), f"{text!r} on the screen", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.screen()}") from None

    def type(self, text: str) -> None:
        """Type a text, without Enter."""
        self._tmux("send-keys", "-t", "tui", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self._tmux("send-keys", "-t", "tui", *keys)

    def say(self, text: str) -> None:
        """Type a message into its composer, and send it."""
        self.type(text)
        self.wait(text)
        self.press("Enter")

    def answer(self, prompt: str, key: str) -> None:
        """Press a key at a prompt until that is gone: a key that comes too early is lost."""
        self.wait(prompt)
        for _ in range(TRIES):
            self.press(key)
            with suppress(AssertionError):
                until(lambda: prompt not in self.screen(), "the prompt is gone", PATIENCE / TRIES)
                return
        raise AssertionError(f"it takes no answer:\n{self.screen()}")

    def enter(self) -> None:
        """Pass what stands before its composer: whether the folder is trusted, and the offer of
        another model. That may come when the composer has been shown already, so the composer
        must stand for `CALM` seconds."""
        self.answer(TRUST, "Enter")
        seen = time.monotonic()

        def calm() -> bool:
            nonlocal seen
            screen = self.screen()
            if OFFER in screen:
                self.answer(OFFER, "2")
            if OFFER in screen or COMPOSER not in screen:
                seen = time.monotonic()
            return time.monotonic() - seen > CALM

        try:
            until(calm, "it is ready for a message", PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.screen()}") from None

    def leave(self) -> None:
        """End it as a person does: Ctrl-C, until it has ended."""
        for _ in range(TRIES):
            self.press("C-c")
            with suppress(AssertionError):
                until(lambda: not self.runs, "it has ended", 3)
                return
        raise AssertionError(f"it does not end:\n{self.screen()}")

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return "tui" in self._tmux("list-sessions", "-F", "#{session_name}")

    def close(self) -> None:
        """End the terminal with all in it."""
        self._tmux("kill-server")


def newest() -> Path:
    """The TUI of tests/tui, fetched once. Skips where it can't be had."""
    lock = json.loads((FETCHED / "package-lock.json").read_text())
    version = lock["packages"]["node_modules/@openai/codex"]["version"]
    folder = VENV / f"codex-tui-{version}"
    if not (folder / "done").exists():
        _fetch(folder, version)
    found = list(folder.glob("node_modules/@openai/codex-*/vendor/*/bin/codex"))
    if not found:
        pytest.skip(f"the Codex TUI {version} is not made for this platform")
    return found[0]


def _fetch(folder: Path, version: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(FETCHED / name, folder)
    command = [str(VENV / "bin" / "npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=FETCH)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"the Codex TUI {version} can't be fetched: {error}")
    (folder / "done").touch()


@contextmanager
def tui(server: Server, binary: Path, token: str, *arguments: str) -> Iterator[Tui]:
    """The TUI on this server, in its project."""
    site = server.site
    home = site.root / "tmp" / "tui"
    home.mkdir(parents=True, exist_ok=True)
    environment = site.environment() | {
        "CODEX_HOME": str(home),
        TOKEN: token,
        "TERM": "xterm-256color",
    }
    address = server.url.replace("http://", "ws://")
    command = [
        str(binary), "--remote", address, "--remote-auth-token-env", TOKEN,
        "-C", str(site.project), *arguments,
    ]  # fmt: skip
    shown = Tui(f"tui-{uuid.uuid4().hex[:8]}")
    size = ("-x", str(WIDTH), "-y", str(HEIGHT))
    subprocess.run(
        ["tmux", "-L", shown.socket, "-f", "/dev/null", "new-session", "-d", "-s", "tui", *size,
         shlex.join(command)],
        env=environment,
        check=True,
        timeout=10,
    )  # fmt: skip
    try:
        yield shown
    finally:
        shown.close()
