"""The demo's script does what plain requests ask for, says when a tool failed, and ends."""

from typing import Any

import pytest

from codex_http_server.testing.answers import Command, Patch, Pause, Reasoning, Step, Text
from codex_http_server.testing.demo_script import HELP, MAX_TOOL_CALLS, demo_script
from codex_http_server.testing.demo_words import outcome, quoted, say
from codex_http_server.testing.requests import ModelRequest

WROTE = "Exit code: 0\nWall time: 0 seconds\nOutput:\nSuccess. Updated the following files:\nA f\n"
REFUSED = "patch rejected: writing is blocked by read-only sandbox"


def ran(output: str, code: int = 0) -> str:
    """What exec_command answers."""
    return (
        f"Chunk ID: 1\nWall time: 0.0 seconds\nProcess exited with code {code}\nOutput:\n{output}"
    )


def message(text: str) -> dict[str, Any]:
    """A user message."""
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "user", "content": content}


def asked(text: str, *results: str) -> ModelRequest:
    """A request in whose last turn the tools gave these results."""
    items = [message("<environment_context>x</environment_context>"), message("run earlier")]
    items.append({"type": "function_call_output", "call_id": "c0", "output": ran("earlier")})
    items.append(message(text))
    for number, result in enumerate(results, 1):
        items.append({"type": "function_call_output", "call_id": f"c{number}", "output": result})
    return ModelRequest({}, {"input": items})


def only(text: str, *results: str) -> Step:
    """The last step of the answer: what it does or says."""
    return demo_script(asked(text, *results))[-1]


def spoken(text: str, *results: str) -> str:
    """The text of an answer that calls no tool any more."""
    steps = demo_script(asked(text, *results))
    assert all(isinstance(step, Text | Reasoning) for step in steps)
    last = steps[-1]
    assert isinstance(last, Text)
    return "".join(part for part in last.content if isinstance(part, str))


def patch_of(text: str, *results: str) -> str:
    """The patch that the answer applies."""
    step = only(text, *results)
    assert isinstance(step, Patch)
    return step.patch_text


def test_list_the_files() -> None:
    assert only("Please list the files here") == Command("ls -la")
    assert "README.md" in spoken("list the files", ran("README.md\n"))


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("run echo hi", "echo hi"),
        ("Please run `ls -l | wc -l`", "ls -l | wc -l"),
        ("show notes.txt", "cat -- notes.txt"),
        ("read the file 'a b.txt'.", "cat -- 'a b.txt'"),
        ("show me x;rm", "cat -- 'x;rm'"),
    ],
)
def test_requests_that_run_a_command(text: str, command: str) -> None:
    assert only(text) == Command(command)


def test_a_run_reports_exit_code_and_output() -> None:
    said = spoken("run false", ran("no luck", 3))
    assert "exit code 3" in said
    assert "no luck" in said


def test_running_outside_the_sandbox_asks_first() -> None:
    step = only("run touch /x outside the sandbox")
    assert isinstance(step, Command)
    assert (step.cmd, step.escalate) == ("touch /x", True)
    assert "no exit code" in spoken("run touch /x outside the sandbox", "rejected by the user")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("create a file notes.txt with hello there", "notes.txt\n+hello there"),
        ("write a file `a.py` containing the text: x = 1\ny = 2", "a.py\n+x = 1\n+y = 2"),
        ("Create the new file called 'a b.txt'", "a b.txt\n+Written by the demo."),
    ],
)
def test_create_a_file(text: str, lines: str) -> None:
    assert patch_of(text) == f"*** Begin Patch\n*** Add File: {lines}\n*** End Patch"
    assert "is written" in spoken(text, WROTE)


def test_add_a_line_reads_first() -> None:
    text = "add a line one more to notes.txt"
    assert only(text) == Command("cat -- notes.txt")
    assert "*** Update File: notes.txt\n@@\n+one more\n" in patch_of(text, ran("old\n"))
    assert "is changed" in spoken(text, ran("old\n"), WROTE)


def test_replace_changes_every_line_that_has_it() -> None:
    text = "replace 'old' with new in a.txt"
    assert only(text) == Command("cat -- a.txt")
    patch = patch_of(text, ran("old one\nkept\nolder\n"))
    assert "@@\n-old one\n+new one\n@@\n-older\n+newer\n" in patch
    assert "is changed" in spoken(text, ran("old one\n"), WROTE)
    assert "no `old`" in spoken(text, ran("nothing\n"))


@pytest.mark.parametrize(
    ("text", "results"),
    [
        ("list the files", [ran("denied", 1)]),
        ("show a.txt", [ran("no such file", 1)]),
        ("create a file a.txt", [REFUSED]),
        ("add a line x to a.txt", [ran("no such file", 1)]),
        ("add a line x to a.txt", [ran("old"), REFUSED]),
        ("change a to b in a.txt", [ran("a"), REFUSED]),
        ("show me what you can do", [ran("", 0), REFUSED]),
    ],
)
def test_a_tool_that_failed_is_told_and_ends_the_turn(text: str, results: list[str]) -> None:
    assert outcome(results[-1]).output in spoken(text, *results)


def test_the_tour_reasons_looks_writes_runs_and_tells() -> None:
    text = "Show me what you can do!"
    first = demo_script(asked(text))
    assert isinstance(first[0], Reasoning)
    assert first[-1] == Command("ls -la")
    assert "demo_hello.sh" in patch_of(text, ran("x"))
    assert only(text, ran("x"), WROTE) == Command("sh demo_hello.sh")
    assert "Hello" in spoken(text, ran("x"), WROTE, ran("Hello"))


@pytest.mark.parametrize("text", ["", "write me a compiler", "help", "fix the bug in main.py"])
def test_anything_else_gets_an_honest_answer(text: str) -> None:
    assert spoken(text) == HELP
    assert "not a model" in HELP
    assert "codex login" in HELP


@pytest.mark.parametrize("text", ["run ls", "list the files", "show me what you can do", "hm"])
def test_it_never_goes_on_after_six_tool_calls(text: str) -> None:
    assert "I stop here" in spoken(text, *[ran("x")] * MAX_TOOL_CALLS)


def test_what_it_says_streams_word_by_word_in_a_few_seconds() -> None:
    text = "two  words\n\nand a tail\n"
    step = say(text * 500)
    assert "".join(part for part in step.content if isinstance(part, str)) == text * 500
    pauses = [part.seconds for part in step.content if isinstance(part, Pause)]
    assert sum(pauses) < 5


def test_quoted_output_is_cut_and_keeps_its_fence() -> None:
    assert quoted("\n") == "(no output)"
    assert quoted("a ``` b") == "````\na ``` b\n````"
    assert quoted("x" * 2000).endswith("(500 more characters)\n```")
