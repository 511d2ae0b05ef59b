"""The examples of the Python guide are run, each as a program of its own, on a real server."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from codex_http_server.testing.answers import Command, Gate, Patch, Step, Text
from codex_http_server.testing.requests import ModelRequest
from tests.docs.test_docs import README, ROOT, blocks, text
from tests.support.server import Server, start
from tests.support.shared import site_at

PAGE = ROOT / "docs" / "guides" / "python.md"
PAIR = re.compile(r"^```python\n(.*?)^```\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES: list[tuple[str, str]] = PAIR.findall(text(PAGE))
SHORT = next(block for block in blocks(README, "python") if "with Client()" in block)
BLOCKS = text(PAGE).count("```python")


# What the model does before it answers.
FIRST: dict[str, Step] = {
    "Which files are there?": Command("ls"),
    "Write a file next to the project.": Command(
        "touch ../beside.txt", escalate=True, justification="You asked."
    ),
    "Make a note.": Patch("*** Begin Patch\n*** Add File: note.txt\n+ferns\n*** End Patch"),
}


def answer(request: ModelRequest) -> Sequence[Step]:
    """What the model says in the examples."""
    asked = request.user_text
    if asked in FIRST and not request.results:
        return [FIRST[asked]]
    match asked:
        case "What does this project do?":
            return [Text("It prints a greeting.")]
        case "Which files are there?":
            return [Text("There is one file.", chunk=4)]
        case "one":
            return [Text(["I begin ", Gate()])]
        case _:
            return [Text(f"{asked} Yes.")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with site_at(tmp_path_factory.mktemp("guide")) as site:
        site.configure(stream_idle_timeout_ms=60_000)  # one example is interrupted
        site.provider.script = answer
        with start(site) as running:
            running.wait_ready()
            yield running


def test_every_example_says_what_comes_of_it() -> None:
    assert len(EXAMPLES) == BLOCKS > 5


@pytest.mark.parametrize(
    ("program", "says"), [*EXAMPLES, (SHORT, "What is this? Yes.")], ids=range(BLOCKS + 1)
)
def test_an_example(server: Server, tmp_path: Path, program: str, says: str) -> None:
    program = program.replace("/path/to/project", str(server.site.project))
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=server.site.environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == says
    assert server.site.provider.failures == []
