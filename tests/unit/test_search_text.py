"""What of a command's output is searched."""

from __future__ import annotations

import json

import pytest

from codex_http_server.eventlog.search.text import OUTPUT_MAX, of_item, plain


def output(text: str) -> str:
    item = {"type": "commandExecution", "command": "x", "aggregatedOutput": text}
    data = json.dumps({"item": item}).encode()
    return of_item("item/completed", "commandExecution", None, data)["output"]


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("\x1b[1;31merror\x1b[0m: no", "error: no"),
        ("\x1b[2Jgone\x1b[?25l", "gone"),
        ("\x1b]0;title\x07text \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "text link"),
        ("\x1b(Bplain\x1bM\x1b=", "plain"),
        ("\x1b]never ends", "never ends"),
        ("half \x1b[", "half "),
        ("nothing\n", "nothing\n"),
    ],
)
def test_colours_are_no_part_of_words(printed: str, shown: str) -> None:
    assert plain(printed) == shown
    assert output(printed) == shown


def test_a_long_output_has_its_ends() -> None:
    found = output("\x1b[31mfirst " + "x" * 1_000_000 + " \x1b[32mlast")
    assert found.startswith("first x")
    assert found.endswith("x last")
    assert len(found) <= OUTPUT_MAX + 3
