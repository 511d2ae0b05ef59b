"""The TypeScript package against a real server: one list of tests, in Node and in Chromium; the
examples of its guide; its fold of events beside the server's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from codex_http_server.testing.answers import Command, Step, Text
from codex_http_server.testing.requests import ModelRequest
from tests.support.pages import README, ROOT, blocks, text
from tests.support.prompter import Prompter
from tests.support.recordings import NAMES, recording, states
from tests.support.shared import watched
from tests.support.signin import LoginSite
from tests.support.typescript import PACKAGE, is_installed, node

pytestmark = [
    pytest.mark.core,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not is_installed(), reason="the npm packages are not installed"),
]
BUILD = PACKAGE / "build" / "tests"
PAGE = ROOT / "docs" / "guides" / "typescript.md"
PAIR = re.compile(r"^```ts\n(.*?)^```\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
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
    node("scripts/build.mjs", "--without-types")


@pytest.fixture(scope="module")
def prompter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prompter]:
    """One server for all, with somebody signed in."""
    with watched(LoginSite(tmp_path_factory.mktemp("typescript"))) as site:
        site.configure(stream_idle_timeout_ms=60_000)  # the model waits for the tests
        site.issuer.write_login(site.home)
        site.provider.script = answer
        with Prompter(site, BUILD / "browser.js") as running:
            yield running


def judge(results: list[dict[str, Any]]) -> None:
    """All tests ran, and went well."""
    print(*(f"{each['milliseconds']:6} ms  {each['name']}" for each in results), sep="\n")
    assert len(results) > 20
    failed = [f"{each['name']}: {each['error']}" for each in results if each["error"] is not None]
    assert not failed, "\n".join(failed)


def test_in_node(prompter: Prompter) -> None:
    judge(json.loads(node(str(BUILD / "node.js"), json.dumps(prompter.setting()))))


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


@pytest.mark.parametrize(("program", "says"), [*PAIR.findall(text(PAGE)), *SHORT])
def test_an_example(prompter: Prompter, program: str, says: str | None) -> None:
    program = program.replace("/path/to/project", str(prompter.site.project))
    program = program.replace("http://127.0.0.1:3032", prompter.server.url)
    example = BUILD / "example.ts"  # within the package, which knows itself by its name
    example.write_text(program)
    printed = node(str(example), CODEX_HTTP_URL=prompter.server.url)
    assert printed if says is None else printed == says


def test_every_example_of_the_guide_says_what_comes_of_it() -> None:
    assert len(PAIR.findall(text(PAGE))) == text(PAGE).count("```ts\n") > 5


def test_its_fold_of_events_is_the_servers(tmp_path: Path) -> None:
    told = [{"name": name, **recording(name)} for name in NAMES]
    folded = tmp_path / "folded.json"
    folded.write_text(json.dumps([t | {"states": [*states(t["events"])]} for t in told]))
    assert node(str(BUILD / "states.js"), str(folded)) == ""
