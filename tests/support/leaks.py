"""No secret leaves us: what the servers of a test say, answer and store is searched.

A pytest plugin. Owns the watch over stdout and stderr of servers and commands, the answers that
clients see, the frames that readers get, and the files of a closed site; a test in which a secret
turns up fails at its end, with the kind and the place, never the secret. Not searched: the Codex
home and the project, which are the core's and the agent's, and what is there to hand out a secret
once (`HANDED_OUT`). A test that puts a secret somewhere itself says so:
`@pytest.mark.plants("the file .*log.db")`, and fails if it was not found there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import seen
from tests.support.secrets import secrets_in

# Answers whose purpose is a secret, by method and path, and commands, by their first word.
HANDED_OUT = frozenset({("POST", "/tokens"), ("POST", "/tickets"), ("POST", "/session")})
COMMANDS = frozenset({"token", "open", "notify"})
KEPT = frozenset({"webhook.secret"})  # files whose purpose is a secret
NOT_OURS = frozenset({"home", "project", "user", "tmp"})  # folders of a site


class Watch:
    """What was searched and found since the last `take`."""

    def __init__(self) -> None:
        self.searched = 0  # characters
        self.seconds = 0.0
        self._found: list[str] = []

    def look(self, where: str, text: str) -> None:
        """Search a text; `where` is what a failing test says."""
        began = time.perf_counter()
        self._found += [f"{kind} in {where}" for kind in secrets_in(text)]
        self.searched += len(text)
        self.seconds += time.perf_counter() - began

    def answer(self, answer: httpx.Response) -> None:
        """Search an answer of a server of ours, unless it is there to hand out a secret."""
        method, path = answer.request.method, answer.request.url.path
        if (method, path) in HANDED_OUT:
            return
        self.look(f"the headers of {method} {path}", str(answer.headers.multi_items()))
        if answer.is_stream_consumed:
            self.look(f"the answer of {method} {path}", answer.text)

    def printed(self, words: list[str], stdout: str, stderr: str) -> None:
        """Search what a command printed."""
        name = words[0] if words else ""
        self.look(f"stderr of the command {name}", stderr)
        if name not in COMMANDS:
            self.look(f"stdout of the command {name}", stdout)

    def files(self, root: Path) -> None:
        """Search the files of a site: event logs, records, the core's output."""
        began, searching = time.perf_counter(), self.seconds
        for path in _files(root):
            try:
                content = path.read_bytes()
            except OSError:  # a socket, or gone meanwhile
                continue
            self.look(f"the file {path.relative_to(root)}", content.decode("latin-1"))
        self.seconds = searching + time.perf_counter() - began  # with finding and reading them

    def take(self) -> list[str]:
        """What was found, each once; forgotten by that."""
        found, self._found = sorted(set(self._found)), []
        return found

    def add(self, done: tuple[int, float]) -> None:
        """Another process has searched this: characters and seconds."""
        self.searched += done[0]
        self.seconds += done[1]


def _files(root: Path) -> Iterator[Path]:
    for entry in sorted(root.iterdir()) if root.is_dir() else ():
        if entry.is_symlink() or entry.name in NOT_OURS | KEPT:
            continue
        if entry.is_file():
            yield entry
        elif entry.is_dir():
            found = sorted(entry.rglob("*"))
            yield from (path for path in found if path.is_file() and path.name not in KEPT)


WATCH = Watch()


# --- the plugin -----------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """Watch all clients and readers of this run."""
    config.addinivalue_line("markers", "plants(place, …): puts a secret where it must be found")
    seen.watch(answers=WATCH.answer, frames=lambda data: WATCH.look("an event of a reader", data))
    seen.hand_over("searched", lambda: (WATCH.searched, WATCH.seconds), WATCH.add)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """After all fixtures have ended, those of a module too: fail if a secret turned up."""
    yield
    wanted = [re.compile(each) for mark in item.iter_markers("plants") for each in mark.args]
    found = WATCH.take()
    unwanted = [each for each in found if not any(place.search(each) for place in wanted)]
    assert not unwanted, "a secret turned up: " + "; ".join(unwanted)
    missed = [place.pattern for place in wanted if not any(place.search(each) for each in found)]
    assert not missed, f"the planted secret was not found in {missed}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say that it was looked for: a watch that sees nothing finds nothing."""
    size, seconds = re.sub(r"(?<=\d)(?=(\d{3})+$)", ",", str(WATCH.searched)), WATCH.seconds
    terminalreporter.write_line(f"no secrets in {size} characters ({seconds:.1f} s)")
