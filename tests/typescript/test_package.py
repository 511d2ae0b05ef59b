"""The TypeScript package against a real server: one list of tests, in Node and in Chromium; the
examples of its guide; its fold of events beside the server's."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser

from codex_http_server.testing.answers import Command, Step, Text
from codex_http_server.testing.requests import ModelRequest
from tests.support.commands import until
from tests.support.pages import README, ROOT, blocks, text
from tests.support.prompter import Prompter
from tests.support.recordings import NAMES, recording, states
from tests.support.shared import site_at, watched
from tests.support.signin import LoginSite
from tests.support.typescript import NODE, PACKAGE, build, is_installed, judge, node

pytestmark = [
    pytest.mark.core,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not is_installed(), reason="the npm packages are not installed"),
]
BUILD = PACKAGE / "build" / "tests"
PAGE = ROOT / "docs" / "guides" / "typescript.md"
PAIR = re.compile(r"^```ts\n(.*?)^```\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES: list[tuple[str, str]] = PAIR.findall(text(PAGE))
STARTING = [each for each in EXAMPLES if "startServer" in each[0]]
TALKING = [each for each in EXAMPLES if each not in STARTING]
SHORT = [(block, None) for page in (README, PACKAGE / "README.md") for block in blocks(page, "ts")]


def answer(request: ModelRequest) -> Sequence[Step]:
    """What the model says in the examples."""
    match request.user_text:
        case "What does this project do?":
            return [Text("It prints a greeting.")]
        case "Which files are there?":
            return [Text("There is one file.", chunk=4)]
        case "Write a file next to the project." if not request.results:
            return [Command("touch ../beside.txt", escalate=True, justification="You asked.")]
        case _:
            return [Text("Yes.")]


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    """The package as it is now."""
    build()


@pytest.fixture(scope="module")
def prompter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prompter]:
    """One server for all, with somebody signed in."""
    with watched(LoginSite(tmp_path_factory.mktemp("typescript"))) as site:
        site.configure(stream_idle_timeout_ms=60_000)  # the model waits for the tests
        site.issuer.write_login(site.home)
        site.provider.script = answer
        with Prompter(site, BUILD / "browser.js") as running:
            yield running


def test_in_node(prompter: Prompter) -> None:
    results = json.loads(node(str(BUILD / "node.js"), json.dumps(prompter.setting())))
    assert len(results) > 20
    judge(results)


@pytest.mark.browser
def test_in_chromium(prompter: Prompter, browser: Browser) -> None:
    page = browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(prompter.origin)
    page.wait_for_function("'runTests' in globalThis")
    judge(page.evaluate("setting => globalThis.runTests(setting)", prompter.setting()))
    page.close()
    assert problems == []


@pytest.mark.parametrize(("program", "says"), [*TALKING, *SHORT])
def test_an_example(prompter: Prompter, program: str, says: str | None) -> None:
    program = program.replace("/path/to/project", str(prompter.site.project))
    program = program.replace("http://127.0.0.1:3032", prompter.server.url)
    example = BUILD / "example.ts"  # within the package, which knows itself by its name
    example.write_text(program)
    printed = node(str(example), CODEX_HTTP_URL=prompter.server.url)
    assert printed if says is None else printed == says


def test_every_example_of_the_guide_says_what_comes_of_it() -> None:
    assert len(EXAMPLES) == text(PAGE).count("```ts\n") > 5


def test_its_fold_of_events_is_the_servers(tmp_path: Path) -> None:
    told = [{"name": name, **recording(name)} for name in NAMES]
    folded = tmp_path / "folded.json"
    folded.write_text(json.dumps([t | {"states": [*states(t["events"])]} for t in told]))
    assert node(str(BUILD / "states.js"), str(folded)) == ""


# --- starting the server from Node ----------------------------------------------------------


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """What a program that starts the server is told; afterwards no process may be left."""
    with site_at(tmp_path) as site, Prompter(site, BUILD / "browser.js", serves=False) as prompter:
        site.configure(stream_idle_timeout_ms=60_000)
        command = [sys.executable, "-m", "codex_http_server", "serve"]
        yield {**prompter.setting(), "command": command, "env": site.environment()}


def test_a_server_is_started_from_node(starting: dict[str, Any]) -> None:
    judge(json.loads(node(str(BUILD / "server.js"), json.dumps(starting))))


def test_a_server_ends_with_the_program_that_started_it(starting: dict[str, Any]) -> None:
    program = [str(NODE), str(BUILD / "leaving.js"), json.dumps(starting)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    server = int(done.stdout)
    until(lambda: not psutil.pid_exists(server), "the server ends", timeout=8)


def test_the_example_that_starts_a_server(starting: dict[str, Any]) -> None:
    ((program, says),) = STARTING
    example = BUILD / "starting.ts"
    example.write_text(program)
    path = f"{NODE.parent}:{starting['env']['PATH']}"  # our command is beside Node
    assert node(str(example), **starting["env"] | {"PATH": path}) == says
